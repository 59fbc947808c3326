import Addresses
import CLinux

/// What a route does with a packet (`RTN_*`).
public enum RouteType: UInt8, Sendable {
    case unspecified = 0
    case unicast, local, broadcast, anycast, multicast, blackhole, unreachable, prohibit, `throw`, nat

    /// Whether it ends here, so that it has no next hop.
    var isReject: Bool { [.blackhole, .unreachable, .prohibit, .throw].contains(self) }
}

/// Who added a route or rule (`RTPROT_*`). Numbers above 4 mean nothing to the kernel.
public struct RouteProtocol: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let unspecified = RouteProtocol(rawValue: 0)
    public static let redirect = RouteProtocol(rawValue: 1)
    public static let kernel = RouteProtocol(rawValue: 2)
    public static let boot = RouteProtocol(rawValue: 3)
    public static let `static` = RouteProtocol(rawValue: 4)
}

/// One way on. All next hops of a route with several are weighed against each other.
public struct NextHop: Hashable, Sendable {
    /// May be of the other family than the route (`via`). nil: the target is on the link.
    public var gateway: IPAddress?
    /// The index of the device; 0 lets the kernel find it by the gateway.
    public var link: UInt32
    /// 1…256
    public var weight: UInt16
    /// Take the gateway for reachable on the link although no prefix says so.
    public var isOnLink: Bool

    public init(gateway: IPAddress? = nil, link: UInt32 = 0, weight: UInt16 = 1, isOnLink: Bool = false) {
        self.gateway = gateway
        self.link = link
        self.weight = weight
        self.isOnLink = isOnLink
    }
}

/// A route, so that what was added and what is read back compare equal.
public struct Route: Hashable, Sendable {
    /// 0/0 is the default route.
    public var destination: IPPrefix
    public var type: RouteType
    /// 254 is `main`.
    public var table: UInt32
    public var `protocol`: RouteProtocol
    /// The metric; lower wins. IPv6 makes 1024 out of 0.
    public var priority: UInt32
    public var scope: Scope
    public var tos: UInt8 = 0
    public var preferredSource: IPAddress?
    /// Empty for routes that end here.
    public var nextHops: [NextHop]
    /// Bytes; nil is the device's.
    public var mtu: UInt32?
    /// The largest segment to offer, bytes; nil derives it from the MTU.
    public var advertisedMSS: UInt32?

    public static let mainTable: UInt32 = 254
    public static let localTable: UInt32 = 255

    public init(
        to destination: IPPrefix, type: RouteType = .unicast, nextHops: [NextHop] = [], table: UInt32 = mainTable,
        protocol: RouteProtocol = .static, priority: UInt32 = 0, scope: Scope? = nil, preferredSource: IPAddress? = nil
    ) {
        self.destination = destination.masked
        self.type = type
        self.table = table
        self.protocol = `protocol`
        self.priority = destination.address.family == .v6 && priority == 0 ? 1024 : priority
        self.preferredSource = preferredSource
        self.nextHops = nextHops
        self.scope = scope ?? Self.naturalScope(destination.address.family, type, nextHops)
    }

    /// IPv6 has no scopes of routes. In IPv4 what needs no gateway is on the link.
    private static func naturalScope(_ family: IPFamily, _ type: RouteType, _ nextHops: [NextHop]) -> Scope {
        if family == .v6 { return .universe }
        switch type {
        case .local, .nat: return .host
        case .broadcast, .multicast, .anycast: return .link
        case .unicast: return nextHops.contains { $0.gateway != nil } || nextHops.isEmpty ? .universe : .link
        default: return .universe
        }
    }
}

extension Route: CustomStringConvertible {
    /// Identity and next hops: `10.0.0.0/8 via 192.0.2.1 link 3 table 100 metric 5`.
    public var description: String {
        var text = type == .unicast ? "\(destination)" : "\(type) \(destination)"
        for hop in nextHops {
            if let gateway = hop.gateway { text += " via \(gateway)" }
            if hop.link != 0 { text += " link \(hop.link)" }
        }
        text += " table \(table)"
        if priority != 0 { text += " metric \(priority)" }
        return text
    }
}
