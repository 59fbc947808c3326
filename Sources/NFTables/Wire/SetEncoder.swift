import CLibnftnl
import CLinux
import NetlinkKit

/// Messages for sets and maps.
enum SetEncoder {
    static func set(
        _ verb: String, _ set: NamedSet, flags: MessageFlags, id: UInt32, anonymousSize: Int? = nil
    ) -> Result<Request, KernelError> {
        let operation = Operation(verb, "\(set.data == nil ? "set" : "map") \(set.table) \(set.name)")
        if let problem = problem(set) { return .failure(.invalidRequest(operation, problem)) }
        guard let object = nftnl_set_alloc() else { return .failure(.invalidRequest(operation, "out of memory")) }
        defer { nftnl_set_free(object) }
        _ = nftnl_set_set_str(object, NFTNL_SET_TABLE.number, set.table.name)
        _ = nftnl_set_set_str(object, NFTNL_SET_NAME.number, set.name)
        nftnl_set_set_u32(object, NFTNL_SET_ID.number, id)
        nftnl_set_set_u32(object, NFTNL_SET_KEY_TYPE.number, set.keyTypeNumber)
        nftnl_set_set_u32(object, NFTNL_SET_KEY_LEN.number, UInt32(set.keyLength))
        var wireFlags = set.wireFlags
        if anonymousSize != nil { wireFlags.formUnion([.anonymous, .constant]) }
        nftnl_set_set_u32(object, NFTNL_SET_FLAGS.number, wireFlags.rawValue)
        switch set.data {
        case .field(let field)?:
            nftnl_set_set_u32(object, NFTNL_SET_DATA_TYPE.number, field.typeNumber)
            nftnl_set_set_u32(object, NFTNL_SET_DATA_LEN.number, UInt32(field.length))
        case .verdict?:
            nftnl_set_set_u32(object, NFTNL_SET_DATA_TYPE.number, verdictType)
            nftnl_set_set_u32(object, NFTNL_SET_DATA_LEN.number, 0)
        case .object(let type)?: nftnl_set_set_u32(object, NFTNL_SET_OBJ_TYPE.number, type.rawValue)
        case nil: break
        }
        if let timeout = set.timeout { nftnl_set_set_u64(object, NFTNL_SET_TIMEOUT.number, timeout) }
        if let size = set.size ?? anonymousSize.map(UInt32.init(truncatingIfNeeded:)) {
            nftnl_set_set_u32(object, NFTNL_SET_DESC_SIZE.number, size)
        }
        if set.hasConcatenatedRanges {
            set.key.map { UInt8(truncatingIfNeeded: $0.length) }.withUnsafeBytes {
                _ = nftnl_set_set_data(object, NFTNL_SET_DESC_CONCAT.number, $0.baseAddress, UInt32($0.count))
            }
        }
        if set.hasCounters {
            guard let counter = Expression.counter(Counter()).makeHandle() else {
                return .failure(.invalidRequest(operation, "out of memory"))
            }
            nftnl_set_add_expr(object, counter.pointer)
        }
        SetUserData.encode(set).withUnsafeBytes {
            _ = nftnl_set_set_data(object, NFTNL_SET_USERDATA.number, $0.baseAddress, UInt32($0.count))
        }
        return MessageBuilder.message(
            operation, NFT_MSG_NEWSET.rawValue, set.table.family, flags: flags, names: AttributeNames.set
        ) { nftnl_set_nlmsg_build_payload($0, object) }
    }

    static func delete(_ table: TableName, _ name: String) -> Result<Request, KernelError> {
        let operation = Operation("delete", "set \(table) \(name)")
        if let problem = Limits.problem(names: [table.name, name], comment: nil) {
            return .failure(.invalidRequest(operation, problem))
        }
        guard let object = nftnl_set_alloc() else { return .failure(.invalidRequest(operation, "out of memory")) }
        defer { nftnl_set_free(object) }
        _ = nftnl_set_set_str(object, NFTNL_SET_TABLE.number, table.name)
        _ = nftnl_set_set_str(object, NFTNL_SET_NAME.number, name)
        return MessageBuilder.message(
            operation, NFT_MSG_DELSET.rawValue, table.family, flags: [], names: AttributeNames.set
        ) { nftnl_set_nlmsg_build_payload($0, object) }
    }

    /// `NFT_DATA_VERDICT`
    static let verdictType: UInt32 = 0xFFFF_FF00

    private static func problem(_ set: NamedSet) -> String? {
        if !(1...Limits.fields).contains(set.key.count) { return "a key has 1 to \(Limits.fields) fields" }
        var fields = set.key
        if case .field(let field)? = set.data { fields.append(field) }
        if fields.contains(where: { !(1...ExpressionHandle.dataLimit).contains($0.length) })
            || set.keyLength > ExpressionHandle.dataLimit
        {
            return "a key or its data has 1 to \(ExpressionHandle.dataLimit) bytes"
        }
        // nft keeps ranges of such numbers big-endian and converts in the rule; that is not supported here.
        if set.flags.contains(.interval), set.key.contains(where: { $0.byteOrder != 2 }) {
            return "ranges need keys in network byte order"
        }
        return Limits.problem(names: [set.table.name, set.name], comment: set.comment)
    }
}
