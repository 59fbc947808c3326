import CLibnftnl
import CLinux

/// A property of the IPsec state that a received packet came by (`NFT_XFRM_KEY_*`).
public struct SecurityKey: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 32 bits, host byte order.
    public static let requestID = SecurityKey(rawValue: 5)
    /// 32 bits, network byte order.
    public static let spi = SecurityKey(rawValue: 6)
}

/// Loads a property of the state that a received packet was decrypted with: `[ xfrm load in 0 reqid => reg 1 ]`. A rule
/// ends here for a packet that came in the clear.
public struct Security: Hashable, Sendable {
    public var key: SecurityKey
    public var destination: Register

    public init(_ key: SecurityKey, to destination: Register = .first) {
        self.key = key
        self.destination = destination
    }

    private static let inbound: UInt8 = 0
}

extension Security: ExpressionCoding {
    static let name = "xfrm"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_XFRM_KEY, key.rawValue)
        handle.set(NFTNL_EXPR_XFRM_DIR, u8: Self.inbound)
        handle.set(NFTNL_EXPR_XFRM_SPNUM, UInt32(0))
        handle.set(NFTNL_EXPR_XFRM_DREG, destination)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let key = reader.u32(NFTA_XFRM_KEY), let destination = reader.register(NFTA_XFRM_DREG),
            reader.u8(NFTA_XFRM_DIR) == Self.inbound, reader.u32(NFTA_XFRM_SPNUM) ?? 0 == 0
        else { return nil }
        self.init(SecurityKey(rawValue: key), to: destination)
    }
}
