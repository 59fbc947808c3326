import CLibnftnl
import CLinux

/// A property of the packet that is not in it (`NFT_META_*`).
public struct MetaKey: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let length = MetaKey(rawValue: 0)
    public static let `protocol` = MetaKey(rawValue: 1)
    public static let priority = MetaKey(rawValue: 2)
    public static let mark = MetaKey(rawValue: 3)
    public static let inputInterface = MetaKey(rawValue: 4)
    public static let outputInterface = MetaKey(rawValue: 5)
    public static let inputInterfaceName = MetaKey(rawValue: 6)
    public static let outputInterfaceName = MetaKey(rawValue: 7)
    public static let inputInterfaceType = MetaKey(rawValue: 8)
    public static let outputInterfaceType = MetaKey(rawValue: 9)
    public static let socketUser = MetaKey(rawValue: 10)
    public static let socketGroup = MetaKey(rawValue: 11)
    public static let networkProtocol = MetaKey(rawValue: 15)
    public static let transportProtocol = MetaKey(rawValue: 16)
    public static let packetType = MetaKey(rawValue: 19)
    public static let cpu = MetaKey(rawValue: 20)
    public static let random = MetaKey(rawValue: 24)
    /// One byte: 1 for a packet that was decrypted by IPsec.
    public static let securityPath = MetaKey(rawValue: 25)
}

/// Loads or sets a property of the packet: `[ meta load mark => reg 1 ]`, `[ meta set mark with reg 1 ]`.
public struct Meta: Hashable, Sendable {
    public var key: MetaKey
    public var access: Access

    public enum Access: Hashable, Sendable {
        case load(to: Register)
        case store(from: Register)
    }

    public init(_ key: MetaKey, _ access: Access) {
        self.key = key
        self.access = access
    }
}

extension Meta: ExpressionCoding {
    static let name = "meta"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_META_KEY, key.rawValue)
        switch access {
        case .load(let register): handle.set(NFTNL_EXPR_META_DREG, register)
        case .store(let register): handle.set(NFTNL_EXPR_META_SREG, register)
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let key = reader.u32(NFTA_META_KEY) else { return nil }
        if let register = reader.register(NFTA_META_DREG) {
            self.init(MetaKey(rawValue: key), .load(to: register))
        } else if let register = reader.register(NFTA_META_SREG) {
            self.init(MetaKey(rawValue: key), .store(from: register))
        } else {
            return nil
        }
    }
}
