import CLibnftnl
import CLinux
import NetlinkKit

/// Messages for tables, chains and objects.
enum DefinitionEncoder {
    static func table(
        _ verb: String, _ id: TableName, _ type: UInt32, flags: MessageFlags, definition: Table? = nil
    ) -> Result<Request, KernelError> {
        let operation = Operation(verb, "table \(id)")
        if let problem = Limits.problem(names: [id.name], comment: definition?.comment) {
            return .failure(.invalidRequest(operation, problem))
        }
        guard let table = nftnl_table_alloc() else { return .failure(.invalidRequest(operation, "out of memory")) }
        defer { nftnl_table_free(table) }
        _ = nftnl_table_set_str(table, NFTNL_TABLE_NAME.number, id.name)
        if let definition {
            nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS.number, definition.flags.rawValue)
            withComment(definition.comment) {
                _ = nftnl_table_set_data(table, NFTNL_TABLE_USERDATA.number, $0, $1)
            }
        }
        return MessageBuilder.message(operation, type, id.family, flags: flags, names: AttributeNames.table) {
            nftnl_table_nlmsg_build_payload($0, table)
        }
    }

    static func chain(
        _ verb: String, _ id: TableName, _ name: String, _ type: UInt32, flags: MessageFlags, definition: Chain? = nil
    ) -> Result<Request, KernelError> {
        let operation = Operation(verb, "chain \(id) \(name)")
        let names = [id.name, name] + [definition?.hook?.device, definition?.hook?.type.rawValue].compactMap { $0 }
        if let problem = Limits.problem(names: names, comment: definition?.comment) {
            return .failure(.invalidRequest(operation, problem))
        }
        guard let chain = nftnl_chain_alloc() else { return .failure(.invalidRequest(operation, "out of memory")) }
        defer { nftnl_chain_free(chain) }
        _ = nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE.number, id.name)
        _ = nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME.number, name)
        if let hook = definition?.hook {
            _ = nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE.number, hook.type.rawValue)
            nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM.number, hook.point.rawValue)
            nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO.number, hook.priority.rawValue)
            nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY.number, hook.policy.rawValue)
            if let device = hook.device { _ = nftnl_chain_set_str(chain, NFTNL_CHAIN_DEV.number, device) }
        }
        withComment(definition?.comment) { _ = nftnl_chain_set_data(chain, NFTNL_CHAIN_USERDATA.number, $0, $1) }
        return MessageBuilder.message(operation, type, id.family, flags: flags, names: AttributeNames.chain) {
            nftnl_chain_nlmsg_build_payload($0, chain)
        }
    }

    static func object(
        _ verb: String, _ id: TableName, _ name: String, _ objectType: ObjectType, _ type: UInt32, flags: MessageFlags,
        definition: StatefulObject? = nil
    ) -> Result<Request, KernelError> {
        let operation = Operation(verb, "\(objectType) \(id) \(name)")
        if let problem = Limits.problem(names: [id.name, name], comment: definition?.comment) {
            return .failure(.invalidRequest(operation, problem))
        }
        guard let object = nftnl_obj_alloc() else { return .failure(.invalidRequest(operation, "out of memory")) }
        defer { nftnl_obj_free(object) }
        nftnl_obj_set_str(object, NFTNL_OBJ_TABLE.number, id.name)
        nftnl_obj_set_str(object, NFTNL_OBJ_NAME.number, name)
        nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE.number, objectType.rawValue)
        switch definition?.state {
        case .counter(let counter)?:
            nftnl_obj_set_u64(object, NFTNL_OBJ_CTR_PKTS.number, counter.packets)
            nftnl_obj_set_u64(object, NFTNL_OBJ_CTR_BYTES.number, counter.bytes)
        case .quota(let quota)?:
            nftnl_obj_set_u64(object, NFTNL_OBJ_QUOTA_BYTES.number, quota.bytes)
            nftnl_obj_set_u64(object, NFTNL_OBJ_QUOTA_CONSUMED.number, quota.consumed)
            nftnl_obj_set_u32(object, NFTNL_OBJ_QUOTA_FLAGS.number, quota.isOver ? 1 : 0)
        case .limit(let limit)?:
            nftnl_obj_set_u64(object, NFTNL_OBJ_LIMIT_RATE.number, limit.rate)
            nftnl_obj_set_u64(object, NFTNL_OBJ_LIMIT_UNIT.number, limit.unit)
            nftnl_obj_set_u32(object, NFTNL_OBJ_LIMIT_BURST.number, limit.burst)
            nftnl_obj_set_u32(object, NFTNL_OBJ_LIMIT_TYPE.number, limit.counts.rawValue)
            nftnl_obj_set_u32(object, NFTNL_OBJ_LIMIT_FLAGS.number, limit.isOver ? 1 : 0)
        case .other?: return .failure(.invalidRequest(operation, "this kind of object cannot be written"))
        case nil: break
        }
        withComment(definition?.comment) { nftnl_obj_set_data(object, NFTNL_OBJ_USERDATA.number, $0, $1) }
        return MessageBuilder.message(operation, type, id.family, flags: flags, names: AttributeNames.object) {
            nftnl_obj_nlmsg_build_payload($0, object)
        }
    }

    static func withComment(_ comment: String?, _ body: (UnsafeRawPointer, UInt32) -> Void) {
        guard let comment else { return }
        var data = UserData()
        data.put(comment: comment, as: UserData.commentType)
        data.bytes.withUnsafeBytes { if let base = $0.baseAddress { body(base, UInt32($0.count)) } }
    }
}

extension RawRepresentable where RawValue == UInt32 {
    /// As libnftnl's setters want attribute numbers of its named enumerations.
    var number: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
}

extension ObjectType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .counter: "counter"
        case .quota: "quota"
        case .limit: "limit"
        default: "object of type \(rawValue)"
        }
    }
}
