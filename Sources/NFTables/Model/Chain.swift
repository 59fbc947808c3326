/// A list of rules: a base chain when it has a hook, otherwise one that rules jump to.
public struct Chain: Hashable, Sendable {
    public var table: TableName
    public var name: String
    public var hook: Hook?
    /// Shown by `nft list`; at most 127 bytes.
    public var comment: String?
    /// The kernel's number for it; nil in what has not been read back.
    public var handle: UInt64?

    public init(_ table: TableName, _ name: String, hook: Hook? = nil, comment: String? = nil) {
        self.table = table
        self.name = name
        self.hook = hook
        self.comment = comment
    }

    /// Without what the kernel assigns: equal for what was asked for and what is there.
    public var definition: Chain {
        var copy = self
        copy.handle = nil
        return copy
    }
}

/// Where a base chain is called: `type filter hook prerouting priority raw; policy accept;`.
public struct Hook: Hashable, Sendable {
    public var type: ChainType
    public var point: HookPoint
    public var priority: Priority
    /// For packets that reach the end of the chain.
    public var policy: Policy
    /// For `ingress` and `egress` hooks.
    public var device: String?

    public enum Policy: UInt32, Hashable, Sendable {
        case drop = 0
        case accept
    }

    public init(
        _ type: ChainType, _ point: HookPoint, _ priority: Priority, policy: Policy = .accept, device: String? = nil
    ) {
        self.type = type
        self.point = point
        self.priority = priority
        self.policy = policy
        self.device = device
    }
}

/// What a base chain may do (`NFTA_CHAIN_TYPE`).
public struct ChainType: RawRepresentable, Hashable, Sendable {
    public var rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let filter = ChainType(rawValue: "filter")
    public static let nat = ChainType(rawValue: "nat")
    /// Packets whose addresses or mark change are routed again.
    public static let route = ChainType(rawValue: "route")
}

/// `NF_INET_*`, or for tables of a device `NF_NETDEV_*`.
public struct HookPoint: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let prerouting = HookPoint(rawValue: 0)
    public static let input = HookPoint(rawValue: 1)
    public static let forward = HookPoint(rawValue: 2)
    public static let output = HookPoint(rawValue: 3)
    public static let postrouting = HookPoint(rawValue: 4)
    /// In an `inet` table.
    public static let inetIngress = HookPoint(rawValue: 5)
    /// In a `netdev` table.
    public static let netdevIngress = HookPoint(rawValue: 0)
    /// In a `netdev` table.
    public static let netdevEgress = HookPoint(rawValue: 1)
}

/// The order of chains at the same hook, lowest first; names are nft's.
public struct Priority: RawRepresentable, Hashable, Sendable, ExpressibleByIntegerLiteral {
    public var rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(integerLiteral value: Int32) { rawValue = value }
    public static let raw = Priority(rawValue: -300)
    public static let mangle = Priority(rawValue: -150)
    public static let destinationNat = Priority(rawValue: -100)
    public static let filter = Priority(rawValue: 0)
    public static let security = Priority(rawValue: 50)
    public static let sourceNat = Priority(rawValue: 100)
}
