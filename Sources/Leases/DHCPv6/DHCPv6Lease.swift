import Addresses

/// A prefix that a DHCPv6 client has been delegated.
public struct DelegatedPrefix: Hashable, Sendable {
    public let prefix: IPPrefix
    /// Until then it is for new connections, too.
    public let preferredUntil: LeaseTime
    public let validUntil: LeaseTime

    init(prefix: IPPrefix, preferredUntil: LeaseTime, validUntil: LeaseTime) {
        self.prefix = prefix
        self.preferredUntil = preferredUntil
        self.validUntil = validUntil
    }

    /// nil when the prefix or its lifetimes cannot be used: RFC 8415 §21.22.
    init?(_ option: IAPrefix, start: LeaseTime) {
        guard option.preferredLifetime <= option.validLifetime, Self.isUsable(option.prefix) else { return nil }
        prefix = option.prefix
        preferredUntil = start.adding(seconds: option.preferredLifetime)
        validUntil = start.adding(seconds: option.validLifetime)
    }

    /// At least a /64 for a LAN, of unicast addresses.
    static func isUsable(_ prefix: IPPrefix) -> Bool { prefix.length <= 64 && isRoutable(prefix) }

    static func isRoutable(_ prefix: IPPrefix) -> Bool {
        guard case .v6(let address) = prefix.address else { return false }
        // Global (2000::/3) and unique local (fc00::/7) addresses: RFC 4291 §2.4, RFC 4193.
        return prefix.length >= 8 && (address.high >> 61 == 1 || address.high >> 57 == 0x7E)
    }
}

/// What a DHCPv6 client has been given.
public struct DHCPv6Lease: ClientLease {
    public internal(set) var server: DUID
    /// In the server's order, at most 8, never empty.
    public internal(set) var prefixes: [DelegatedPrefix]
    public internal(set) var nameServers: [IPv6Address]
    /// T1 and T2.
    public internal(set) var renewal: LeaseTime
    public internal(set) var rebinding: LeaseTime

    static let greatestPrefixCount = 8

    /// From a Reply to what was first sent at `start`, from which all times count, so that no lease lasts longer here
    /// than at its server. Of `old` what the Reply does not name is kept. nil when nothing is left to use.
    init?(_ message: DHCPv6Message, _ ia: IAPD, server: DUID, start: LeaseTime, now: LeaseTime, old: DHCPv6Lease?) {
        let named = Set(ia.prefixes.map(\.prefix))
        let new = ia.prefixes.compactMap { DelegatedPrefix($0, start: start) }
        let kept = old?.prefixes.filter { !named.contains($0.prefix) } ?? []
        var seen: Set<IPPrefix> = []
        prefixes = (new + kept).filter { $0.validUntil > now && seen.insert($0.prefix).inserted }
        prefixes = Array(prefixes.prefix(Self.greatestPrefixCount))
        guard !prefixes.isEmpty else { return nil }
        self.server = server
        nameServers = Array((message.nameServers ?? []).filter { IPAddress.v6($0).isUnicast }.prefix(8))
        // Times that the server leaves to the client are by the shortest preferred lifetime: RFC 8415 §21.21.
        let lifetimes = ia.prefixes.filter { $0.validLifetime > 0 }
        let preferred = lifetimes.map(\.preferredLifetime).min() ?? 0
        func part(_ parts: UInt64) -> UInt32 {
            preferred == .max ? .max : UInt32(UInt64(preferred) * parts / 10)
        }
        let late = ia.t2 == 0 ? max(part(8), ia.t1) : ia.t2
        renewal = start.adding(seconds: ia.t1 == 0 ? min(part(5), late) : ia.t1)
        rebinding = start.adding(seconds: late)
    }

    init(
        server: DUID, prefixes: [DelegatedPrefix], nameServers: [IPv6Address], renewal: LeaseTime, rebinding: LeaseTime
    ) {
        self.server = server
        self.prefixes = prefixes
        self.nameServers = nameServers
        self.renewal = renewal
        self.rebinding = rebinding
    }

    /// When the last prefix ends.
    public var expiry: LeaseTime { prefixes.map(\.validUntil).max() ?? LeaseTime(nanoseconds: .min) }

    /// The first prefix.
    public var remembered: RememberedLease {
        RememberedLease(resource: prefixes.first?.prefix ?? .all(.v6), expiry: prefixes.first?.validUntil ?? expiry)
    }
}
