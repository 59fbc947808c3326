import CLibnftnl
import CLinux

/// How a register relates to a constant (`NFT_CMP_*`). Order is that of the bytes, so numbers must be big-endian.
public enum Relation: UInt32, Hashable, Sendable {
    case equal = 0
    case notEqual
    case less
    case lessOrEqual
    case greater
    case greaterOrEqual
}

/// Goes on with the rule only if a register compares as said: `[ cmp eq reg 1 0x0000002f ]`.
public struct Compare: Hashable, Sendable {
    public var source: Register
    public var relation: Relation
    public var data: [UInt8]

    public init(_ source: Register = .first, _ relation: Relation = .equal, _ data: [UInt8]) {
        self.source = source
        self.relation = relation
        self.data = data
    }
}

extension Compare: ExpressionCoding {
    static let name = "cmp"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_CMP_SREG, source)
        handle.set(NFTNL_EXPR_CMP_OP, relation.rawValue)
        handle.set(NFTNL_EXPR_CMP_DATA, bytes: data)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let source = reader.register(NFTA_CMP_SREG),
            let relation = reader.u32(NFTA_CMP_OP).flatMap(Relation.init(rawValue:)),
            let data = reader.bytes(NFTA_CMP_DATA)
        else { return nil }
        self.init(source, relation, data)
    }
}
