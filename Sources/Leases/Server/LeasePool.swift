import Addresses

/// Addresses or prefixes to lease, numbered from 0.
public struct LeasePool: Hashable, Sendable {
    private let base: IPPrefix
    /// How many there are, at most 2³².
    public let count: UInt64

    /// The addresses from `first` to `last`, both included; nil when they are in the wrong order.
    public init?(_ first: IPv4Address, through last: IPv4Address) {
        guard first <= last else { return nil }
        base = IPPrefix(host: .v4(first))
        count = UInt64(last.rawValue - first.rawValue) + 1
    }

    /// All prefixes of `delegatedLength` bits in `prefix`; nil when that is shorter than the prefix, not of IPv6, or
    /// longer than 64 (RFC 7084 needs a /64 for a LAN). Of more than 2³² the first are taken.
    public init?(_ prefix: IPPrefix, delegatedLength: UInt8) {
        guard prefix.address.family == .v6, prefix.length <= delegatedLength,
            (1...64).contains(delegatedLength),
            let first = IPPrefix(prefix.masked.address, length: delegatedLength)
        else { return nil }
        base = first
        count = 1 << UInt64(min(32, delegatedLength - prefix.length))
    }

    /// Of each resource.
    public var length: UInt8 { base.length }

    /// Whether a resource of the pool is, holds or is in one of the prefixes.
    func meets(_ prefixes: [IPPrefix]) -> Bool { prefixes.contains { meets($0.masked) } }

    private func meets(_ prefix: IPPrefix) -> Bool {
        switch (base.address, prefix.address) {
        case (.v4(let a), .v4(let b)):
            let (first, start) = (UInt64(a.rawValue), UInt64(b.rawValue))
            return first < start + 1 << UInt64(32 - prefix.length) && start < first + count
        case (.v6(let a), .v6(let b)):
            let end = prefix.length >= 64 ? b.high : b.high | UInt64.max >> UInt64(prefix.length)
            let room = base.length == 64 ? 0 : UInt64.max >> UInt64(base.length)
            let last = a.high &+ (count - 1) << UInt64(64 - base.length) | room
            return a.high <= end && b.high <= last
        default: return false
        }
    }

    /// `index` is less than ``count``.
    subscript(index: UInt64) -> IPPrefix {
        var result = base
        switch base.address {
        case .v4(let a): result.address = .v4(IPv4Address(rawValue: a.rawValue &+ UInt32(truncatingIfNeeded: index)))
        case .v6(let a):
            result.address = .v6(IPv6Address(high: a.high &+ index << UInt64(64 - base.length), low: 0))
        }
        return result
    }

    public func contains(_ resource: IPPrefix) -> Bool {
        guard resource.length == base.length, resource == resource.masked else { return false }
        switch (base.address, resource.address) {
        case (.v4(let a), .v4(let b)): return b >= a && UInt64(b.rawValue - a.rawValue) < count
        case (.v6(let a), .v6(let b)):
            return b.high >= a.high && (b.high - a.high) >> UInt64(64 - base.length) < count
        default: return false
        }
    }
}
