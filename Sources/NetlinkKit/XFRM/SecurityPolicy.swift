import Addresses
import CLinux

/// What has to protect the packets of a selector: ESP in transport mode (RFC 4301 §4.4.1).
public struct SecurityPolicy: Hashable, Sendable {
    public enum Direction: UInt8, Hashable, Sendable {
        /// Received, for this host.
        case `in` = 0
        case out = 1
        /// Received, for others.
        case forward = 2
    }

    public var selector: TrafficSelector
    public var direction: Direction
    /// Lower numbers come first.
    public var priority: UInt32
    /// Of the states that may protect these packets. There is no way round: without such a state they are dropped.
    public var requestID: UInt32

    public init(_ selector: TrafficSelector, _ direction: Direction, priority: UInt32, requestID: UInt32) {
        self.selector = selector
        self.direction = direction
        self.priority = priority
        self.requestID = requestID
    }
}

extension SecurityPolicy: CustomStringConvertible {
    public var description: String { "\(direction) \(selector)" }
}

/// `XFRMA_*` of a policy.
private enum PolicySpace {
    static let templates = Attribute<PolicySpace, PlainStructure<xfrm_user_tmpl>>(XFRMA_TMPL, "XFRMA_TMPL")
    static let mark = Attribute<PolicySpace, SecurityMark>(XFRMA_MARK, "XFRMA_MARK")
    static let interfaceID = Attribute<PolicySpace, UInt32>(XFRMA_IF_ID, "XFRMA_IF_ID")
}

extension SecurityPolicy {
    /// A policy with the same selector and direction is an error (`EEXIST`), whatever its priority.
    public func add() -> Request { write("add", XFRM_MSG_NEWPOLICY, [.create, .exclusive]) }

    /// Takes the place of a policy with the same selector and direction, whatever else that has.
    public func replace() -> Request { write("replace", XFRM_MSG_UPDPOLICY, []) }

    private func write<Number: BinaryInteger>(_ verb: String, _ type: Number, _ flags: MessageFlags) -> Request {
        var header = xfrm_userpolicy_info()
        header.sel = xfrm_selector(selector)
        header.lft.soft_byte_limit = .max
        header.lft.hard_byte_limit = .max
        header.lft.soft_packet_limit = .max
        header.lft.hard_packet_limit = .max
        header.priority = priority
        header.dir = direction.rawValue
        header.action = UInt8(XFRM_POLICY_ALLOW)
        return Request(
            Operation(verb, "IPsec policy \(self)"), type: UInt16(type), flags: flags,
            fixed: PlainStructure(header).bytes, PolicySpace.self
        ) { $0.put(PolicySpace.templates, PlainStructure(template)) }
    }

    fileprivate var template: xfrm_user_tmpl {
        var template = xfrm_user_tmpl()
        template.id.proto = UInt8(IPPROTO_ESP)
        template.family = UInt16(selector.source.address.family.number)
        template.reqid = requestID
        template.mode = UInt8(XFRM_MODE_TRANSPORT)
        (template.aalgos, template.ealgos, template.calgos) = (.max, .max, .max)
        return template
    }

    public func delete() -> Request {
        var header = xfrm_userpolicy_id()
        header.sel = xfrm_selector(selector)
        header.dir = direction.rawValue
        return Request(
            Operation("delete", "IPsec policy \(self)"), type: UInt16(XFRM_MSG_DELPOLICY), flags: [],
            fixed: PlainStructure(header).bytes, PolicySpace.self
        ) { _ in }
    }

    /// Reads an `XFRM_MSG_NEWPOLICY` message about a policy such as this; nil for any other: more than one template,
    /// another protocol or mode, an optional one.
    public init?(_ message: borrowing Message) {
        guard Int32(message.type) == Int32(XFRM_MSG_NEWPOLICY),
            let header = message.plainHeader(xfrm_userpolicy_info.self),
            header.action == UInt8(XFRM_POLICY_ALLOW), let direction = Direction(rawValue: header.dir),
            let selector = header.sel.selector
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<xfrm_userpolicy_info>.size, of: PolicySpace.self)
        var found: [xfrm_user_tmpl] = []
        attributes.forEach { type, payload in
            guard type == PolicySpace.templates.type else { return }
            var offset = 0
            while let template = PlainStructure<xfrm_user_tmpl>(payload, at: offset) {
                found.append(template.layout)
                offset += MemoryLayout<xfrm_user_tmpl>.stride
            }
        }
        guard found.count == 1, found[0].id.proto == UInt8(IPPROTO_ESP), found[0].optional == 0,
            found[0].mode == UInt8(XFRM_MODE_TRANSPORT)
        else { return nil }
        self.init(selector, direction, priority: header.priority, requestID: found[0].reqid)
    }
}

/// Whatever policy the kernel has for a selector and a direction.
public struct ObservedSecurityPolicy: Hashable, Sendable {
    public var selector: TrafficSelector
    public var direction: SecurityPolicy.Direction
    /// nil: it does or has something that ``SecurityPolicy`` does not.
    public var policy: SecurityPolicy?

    /// Reads an `XFRM_MSG_NEWPOLICY` message; nil for what can stand beside any ``SecurityPolicy``: one for ports, for
    /// a device, for marked packets.
    public init?(_ message: borrowing Message) {
        guard Int32(message.type) == Int32(XFRM_MSG_NEWPOLICY),
            let header = message.plainHeader(xfrm_userpolicy_info.self),
            let direction = SecurityPolicy.Direction(rawValue: header.dir), let selector = header.sel.selector,
            header.sel.sport_mask == 0, header.sel.dport_mask == 0, header.sel.ifindex == 0
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<xfrm_userpolicy_info>.size, of: PolicySpace.self)
        guard attributes.get(PolicySpace.mark) == nil, attributes.get(PolicySpace.interfaceID) == nil
        else { return nil }
        self.selector = selector
        self.direction = direction
        let limits = header.lft
        let isPlain = header.flags == 0 && !limits.hasTimes
            && [limits.soft_byte_limit, limits.hard_byte_limit, limits.soft_packet_limit, limits.hard_packet_limit]
                .allSatisfy { $0 == .max }
        policy = isPlain ? SecurityPolicy(message) : nil
        if let policy, attributes.get(PolicySpace.templates)?.bytes != PlainStructure(policy.template).bytes {
            self.policy = nil
        }
    }
}

extension Exchange {
    /// The policies of this network namespace that stand where a ``SecurityPolicy`` might, whatever they do.
    public func observedSecurityPolicies() throws(KernelError) -> [ObservedSecurityPolicy] {
        let request = Request(
            Operation("list", "IPsec policies"), type: UInt16(XFRM_MSG_GETPOLICY), flags: .dump, fixed: [],
            PolicySpace.self
        ) { _ in }
        return try dump(request) { ObservedSecurityPolicy($0) }
    }

    /// The policies of this network namespace that are like ``SecurityPolicy``, those of others among them.
    public func securityPolicies() throws(KernelError) -> [SecurityPolicy] {
        let request = Request(
            Operation("list", "IPsec policies"), type: UInt16(XFRM_MSG_GETPOLICY), flags: .dump, fixed: [],
            PolicySpace.self
        ) { _ in }
        return try dump(request) { SecurityPolicy($0) }
    }
}
