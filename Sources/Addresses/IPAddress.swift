/// The two families, for places where either may stand.
public enum IPFamily: Hashable, Sendable, CaseIterable {
    case v4, v6

    /// The length of an address in bits.
    public var bits: UInt8 { self == .v4 ? 32 : 128 }
}

/// An IPv4 or IPv6 address.
public enum IPAddress: Hashable, Comparable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    public var family: IPFamily {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// Network byte order, 4 or 16 bytes.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let a): a.bytes
        case .v6(let a): a.bytes
        }
    }

    /// Four or sixteen bytes in network order; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        if let a = IPv4Address(bytes: bytes) {
            self = .v4(a)
        } else if let a = IPv6Address(bytes: bytes) {
            self = .v6(a)
        } else {
            return nil
        }
    }

    public static func any(_ family: IPFamily) -> IPAddress { family == .v4 ? .v4(.any) : .v6(.any) }

    public var isUnspecified: Bool { self == .any(family) }

    public var isMulticast: Bool {
        switch self {
        case .v4(let a): a.isMulticast
        case .v6(let a): a.isMulticast
        }
    }

    public var isLoopback: Bool {
        switch self {
        case .v4(let a): a.isLoopback
        case .v6(let a): a.isLoopback
        }
    }

    public var isLinkLocal: Bool {
        switch self {
        case .v4(let a): a.isLinkLocal
        case .v6(let a): a.isLinkLocal
        }
    }

    /// A host that packets can be sent to: not unspecified, multicast, loopback or IPv4 broadcast.
    public var isUnicast: Bool {
        !isUnspecified && !isMulticast && !isLoopback && self != .v4(IPv4Address(rawValue: .max))
    }
}

extension IPAddress: CustomStringConvertible, LosslessStringConvertible {
    public init?(_ description: String) { self.init(utf8: Array(description.utf8).span) }

    /// The same of text in UTF-8, for what reads thousands.
    package init?(utf8 text: Span<UInt8>) {
        if let a = IPv4Address(utf8: text) {
            self = .v4(a)
        } else if let a = IPv6Address(utf8: text) {
            self = .v6(a)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .v4(let a): a.description
        case .v6(let a): a.description
        }
    }
}
