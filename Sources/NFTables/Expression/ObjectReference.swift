import CLibnftnl
import CLinux

/// Hands the packet to a named object of the table: `counter name "invalid_source"`.
public struct ObjectReference: Hashable, Sendable {
    public var type: ObjectType
    public var name: String

    public init(_ type: ObjectType, _ name: String) {
        self.type = type
        self.name = name
    }
}

/// What kind a named object is (`NFT_OBJECT_*`).
public struct ObjectType: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let counter = ObjectType(rawValue: 1)
    public static let quota = ObjectType(rawValue: 2)
    public static let limit = ObjectType(rawValue: 4)
}

extension ObjectReference: ExpressionCoding {
    static let name = "objref"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_OBJREF_IMM_TYPE, type.rawValue)
        handle.set(NFTNL_EXPR_OBJREF_IMM_NAME, name)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let type = reader.u32(NFTA_OBJREF_IMM_TYPE), let name = reader.string(NFTA_OBJREF_IMM_NAME)
        else { return nil }
        self.init(ObjectType(rawValue: type), name)
    }
}
