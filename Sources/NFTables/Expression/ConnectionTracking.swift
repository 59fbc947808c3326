import CLibnftnl
import CLinux

/// A property of the connection a packet belongs to (`NFT_CT_*`).
public struct ConnectionKey: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Bits: 1 invalid, 2 established, 4 related, 8 new, 64 untracked; host byte order.
    public static let state = ConnectionKey(rawValue: 0)
    public static let direction = ConnectionKey(rawValue: 1)
    public static let status = ConnectionKey(rawValue: 2)
    public static let mark = ConnectionKey(rawValue: 3)
}

/// Loads or sets a property of the connection: `[ ct load state => reg 1 ]`.
public struct ConnectionTracking: Hashable, Sendable {
    public var key: ConnectionKey
    public var access: Meta.Access
    /// 0 the original, 1 the reply; nil where the key has no direction.
    public var direction: UInt8?

    public init(_ key: ConnectionKey, _ access: Meta.Access, direction: UInt8? = nil) {
        self.key = key
        self.access = access
        self.direction = direction
    }
}

extension ConnectionTracking: ExpressionCoding {
    static let name = "ct"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_CT_KEY, key.rawValue)
        if let direction { handle.set(NFTNL_EXPR_CT_DIR, u8: direction) }
        switch access {
        case .load(let register): handle.set(NFTNL_EXPR_CT_DREG, register)
        case .store(let register): handle.set(NFTNL_EXPR_CT_SREG, register)
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let key = reader.u32(NFTA_CT_KEY) else { return nil }
        let direction = reader.u8(NFTA_CT_DIRECTION)
        if let register = reader.register(NFTA_CT_DREG) {
            self.init(ConnectionKey(rawValue: key), .load(to: register), direction: direction)
        } else if let register = reader.register(NFTA_CT_SREG) {
            self.init(ConnectionKey(rawValue: key), .store(from: register), direction: direction)
        } else {
            return nil
        }
    }
}
