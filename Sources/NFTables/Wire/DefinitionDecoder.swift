import CLinux
import NetlinkKit

/// The fixed structure after the netlink header.
typealias NetfilterHeader = nfgenmsg

extension Message {
    /// The family of the object the message is about.
    var family: Family? { header(NetfilterHeader.self).map { Family(rawValue: $0.nfgen_family) } }
}

private func comment(_ userData: [UInt8]?) -> String? {
    userData.flatMap { UserData(bytes: $0).comment(UserData.commentType) }
}

extension Table {
    init?(_ message: borrowing Message) {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: TableSpace.self)
        guard let family = message.family, let name = attributes.get(TableSpace.name) else { return nil }
        self.init(
            family, name, flags: Flags(rawValue: attributes.get(TableSpace.flags) ?? 0),
            comment: NFTables.comment(attributes.get(TableSpace.userData)))
        handle = attributes.get(TableSpace.handle)
    }
}

extension Chain {
    init?(_ message: borrowing Message) {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: ChainSpace.self)
        guard let family = message.family, let table = attributes.get(ChainSpace.table),
            let name = attributes.get(ChainSpace.name)
        else { return nil }
        var hook: Hook?
        if attributes.has(ChainSpace.hook) {
            let where_ = attributes.nested(ChainSpace.hook)
            hook = Hook(
                ChainType(rawValue: attributes.get(ChainSpace.type) ?? ""),
                HookPoint(rawValue: where_.get(HookSpace.point) ?? 0),
                Priority(rawValue: Int32(bitPattern: where_.get(HookSpace.priority) ?? 0)),
                policy: attributes.get(ChainSpace.policy).flatMap(Hook.Policy.init(rawValue:)) ?? .accept,
                device: where_.get(HookSpace.device))
        }
        self.init(
            TableName(family, table), name, hook: hook,
            comment: NFTables.comment(attributes.get(ChainSpace.userData)))
        handle = attributes.get(ChainSpace.handle)
    }
}

extension ChainRule {
    init?(_ message: borrowing Message) {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: RuleSpace.self)
        guard let family = message.family, let table = attributes.get(RuleSpace.table),
            let chain = attributes.get(RuleSpace.chain)
        else { return nil }
        self.init(
            TableName(family, table), chain, ExpressionParser.list(attributes.nested(RuleSpace.expressions)),
            comment: NFTables.comment(attributes.get(RuleSpace.userData)), handle: attributes.get(RuleSpace.handle),
            position: attributes.get(RuleSpace.position))
    }
}

extension StatefulObject {
    init?(_ message: borrowing Message) {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: ObjectSpace.self)
        guard let family = message.family, let table = attributes.get(ObjectSpace.table),
            let name = attributes.get(ObjectSpace.name), let type = attributes.get(ObjectSpace.type)
        else { return nil }
        typealias Space = ObjectDataSpace
        let data = attributes.nested(ObjectSpace.data)
        let state: State
        switch ObjectType(rawValue: type) {
        case .counter:
            state = .counter(
                Counter(packets: data.get(Space.counterPackets) ?? 0, bytes: data.get(Space.counterBytes) ?? 0))
        case .quota:
            state = .quota(
                Quota(
                    bytes: data.get(Space.quotaBytes) ?? 0, consumed: data.get(Space.quotaConsumed) ?? 0,
                    isOver: (data.get(Space.quotaFlags) ?? 0) & 1 == 1))
        case .limit:
            state = .limit(
                Limit(
                    rate: data.get(Space.limitRate) ?? 0, unit: data.get(Space.limitUnit) ?? 0,
                    burst: data.get(Space.limitBurst) ?? 0,
                    counts: data.get(Space.limitType) == Limit.Counted.bytes.rawValue ? .bytes : .packets,
                    isOver: (data.get(Space.limitFlags) ?? 0) & 1 == 1))
        case let other: state = .other(other)
        }
        self.init(
            TableName(family, table), name, state, comment: NFTables.comment(attributes.get(ObjectSpace.userData)))
        handle = attributes.get(ObjectSpace.handle)
    }
}
