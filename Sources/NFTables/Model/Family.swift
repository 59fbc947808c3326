import CLinux

/// The address family a table belongs to (`nfgen_family`); it decides which hooks and which packets it sees.
public struct Family: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let inet = Family(rawValue: 1)
    public static let ip = Family(rawValue: 2)
    public static let arp = Family(rawValue: 3)
    public static let netdev = Family(rawValue: 5)
    public static let bridge = Family(rawValue: 7)
    public static let ip6 = Family(rawValue: 10)
}

extension Family: CustomStringConvertible {
    /// nft's own word for the family.
    public var description: String {
        switch self {
        case .inet: "inet"
        case .ip: "ip"
        case .arp: "arp"
        case .netdev: "netdev"
        case .bridge: "bridge"
        case .ip6: "ip6"
        default: "family \(rawValue)"
        }
    }
}
