import CLibnftnl
import CLinux

/// Source NAT to the address of the interface the packet leaves by (`masquerade`).
public struct Masquerade: Hashable, Sendable {
    public var port: Nat.Bounds?
    public var flags: NatFlags

    public init(port: Nat.Bounds? = nil, flags: NatFlags = []) {
        self.port = port
        self.flags = flags
    }
}

extension Masquerade: ExpressionCoding {
    static let name = "masq"

    func encode(to handle: ExpressionHandle) {
        if let port {
            handle.set(NFTNL_EXPR_MASQ_REG_PROTO_MIN, port.lower)
            if port.upper != port.lower { handle.set(NFTNL_EXPR_MASQ_REG_PROTO_MAX, port.upper) }
        }
        if !flags.isEmpty { handle.set(NFTNL_EXPR_MASQ_FLAGS, flags.rawValue) }
    }

    init?(from reader: borrowing ExpressionReader) {
        self.init(
            port: Nat.Bounds(reader, NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX),
            flags: NatFlags(rawValue: reader.u32(NFTA_MASQ_FLAGS) ?? 0).subtracting(.derived))
    }
}
