import CLibnftnl
import CLinux

/// A property of the route a packet takes (`NFT_RT_*`).
public struct RoutingKey: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let realm = RoutingKey(rawValue: 0)
    public static let nextHop4 = RoutingKey(rawValue: 1)
    public static let nextHop6 = RoutingKey(rawValue: 2)
    /// The largest TCP segment the route's MTU has room for: 16 bits, host byte order.
    public static let tcpMaximumSegment = RoutingKey(rawValue: 3)
}

/// Loads a property of the route: `[ rt load tcpmss => reg 1 ]`.
public struct Routing: Hashable, Sendable {
    public var key: RoutingKey
    public var destination: Register

    public init(_ key: RoutingKey, to destination: Register = .first) {
        self.key = key
        self.destination = destination
    }
}

extension Routing: ExpressionCoding {
    static let name = "rt"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_RT_KEY, key.rawValue)
        handle.set(NFTNL_EXPR_RT_DREG, destination)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let key = reader.u32(NFTA_RT_KEY), let destination = reader.register(NFTA_RT_DREG) else {
            return nil
        }
        self.init(RoutingKey(rawValue: key), to: destination)
    }
}
