import CLibnftnl
import CLinux

/// Destination NAT to this host (`redirect to :80`).
public struct Redirect: Hashable, Sendable {
    public var port: Nat.Bounds?
    public var flags: NatFlags

    public init(port: Nat.Bounds? = nil, flags: NatFlags = []) {
        self.port = port
        self.flags = flags
    }
}

extension Redirect: ExpressionCoding {
    static let name = "redir"

    func encode(to handle: ExpressionHandle) {
        if let port {
            handle.set(NFTNL_EXPR_REDIR_REG_PROTO_MIN, port.lower)
            if port.upper != port.lower { handle.set(NFTNL_EXPR_REDIR_REG_PROTO_MAX, port.upper) }
        }
        if !flags.isEmpty { handle.set(NFTNL_EXPR_REDIR_FLAGS, flags.rawValue) }
    }

    init?(from reader: borrowing ExpressionReader) {
        self.init(
            port: Nat.Bounds(reader, NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX),
            flags: NatFlags(rawValue: reader.u32(NFTA_REDIR_FLAGS) ?? 0).subtracting(.derived))
    }
}
