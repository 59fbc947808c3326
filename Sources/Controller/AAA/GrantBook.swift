import Addresses
import Configuration
import GREBonding
import RADIUS

/// What servers have granted to clients that have a bond or are about to, and who has which address.
struct GrantBook {
    struct Grant {
        var grant: AccessGrant
        /// For accounting.
        var userName: String
        var source: IPAddress
        var prefixes: [IPPrefix]
    }

    /// Why a grant cannot be given.
    struct Unusable: Error, Hashable, CustomStringConvertible {
        var description: String
    }

    private let settings: AggregationPointConfiguration
    /// Addresses that are nobody's to have.
    private let reserved: [IPAddress]
    private var grants: [ClientIdentificationName: Grant] = [:]
    /// Who has an address or prefix: by the settings, and by a server's word.
    private let listedOwners: [IPPrefix: ClientIdentificationName]
    private(set) var owners: [IPPrefix: ClientIdentificationName] = [:]
    /// Who else has leased something of a prefix from a pool.
    var leaseHolder: (IPPrefix, ClientIdentificationName) -> String? = { _, _ in nil }

    init(_ settings: AggregationPointConfiguration, _ radius: RADIUSConfiguration) {
        self.settings = settings
        reserved = settings.addresses + settings.anycast + radius.servers.map(\.address) + radius.source
        listedOwners = Dictionary(
            settings.subscribers.flatMap { subscriber in Self.prefixes(subscriber).map { ($0, subscriber.cin) } },
            uniquingKeysWith: { first, _ in first })
    }

    subscript(client: ClientIdentificationName) -> Grant? { grants[client] }

    /// What the subscriber has from now on; the grant before is forgotten.
    /// - Parameter base: what holds where the server does not say otherwise
    mutating func take(
        _ grant: AccessGrant, of client: ClientIdentificationName, by userName: String, from source: IPAddress,
        base: SubscriberConfiguration?
    ) throws(Unusable) -> SubscriberConfiguration {
        let subscriber = try apply(grant, to: base ?? SubscriberConfiguration(cin: client))
        let prefixes = Self.prefixes(subscriber)
        for prefix in prefixes { try check(prefix, of: client) }
        forget(client)
        for prefix in prefixes { owners[prefix] = client }
        grants[client] = Grant(
            grant: grant, userName: grant.userName ?? userName, source: source, prefixes: prefixes)
        return subscriber
    }

    mutating func forget(_ client: ClientIdentificationName) {
        for prefix in grants.removeValue(forKey: client)?.prefixes ?? [] where owners[prefix] == client {
            owners[prefix] = nil
        }
    }

    private func apply(
        _ grant: AccessGrant, to base: SubscriberConfiguration
    ) throws(Unusable) -> SubscriberConfiguration {
        var result = base
        if let address = grant.address { result.address = address }
        if let address = grant.address6 { result.address6 = address }
        if let prefix = grant.delegatedPrefix { result.prefix = prefix }
        if !grant.routes.isEmpty { result.routes = grant.routes }
        if let pool = grant.pool {
            guard settings.pools.contains(where: { $0.name == pool }) else {
                throw Unusable(description: "there is no [[pool]] with the name \"\(pool)\"")
            }
            result.pool = pool
        }
        if let list = grant.filterList {
            guard settings.filterLists[list] != nil else {
                throw Unusable(description: "there is no [[filter_list]] with the name \"\(list)\"")
            }
            result.filterList = list
        }
        result.rates.take(grant.dslUpstream, grant.dslDownstream, grant.lteDownstream)
        if let mtu = grant.pathMTU { result.pathMTU = mtu }
        return result
    }

    /// All that is routed to a subscriber's bond.
    private static func prefixes(_ subscriber: SubscriberConfiguration) -> [IPPrefix] {
        var result = subscriber.routes
        if let address = subscriber.address { result.append(IPPrefix(host: .v4(address))) }
        if let address = subscriber.address6 { result.append(IPPrefix(host: .v6(address))) }
        if let prefix = subscriber.prefix { result.append(prefix) }
        return result
    }

    /// No server's word takes an address from this host, from another subscriber or from everybody.
    private func check(_ prefix: IPPrefix, of client: ClientIdentificationName) throws(Unusable) {
        guard prefix.length > 0, prefix.address.isUnicast, !prefix.address.isLinkLocal else {
            throw Unusable(description: "\(prefix) cannot be routed to a subscriber")
        }
        if let owner = owners[prefix] ?? listedOwners[prefix], owner != client {
            throw Unusable(description: "\(prefix) is already routed to \(owner)")
        }
        if let holder = leaseHolder(prefix, client) {
            throw Unusable(description: "\(prefix) is leased to \(holder)")
        }
        if let address = reserved.first(where: prefix.contains) {
            throw Unusable(description: "\(prefix) holds \(address), which is not a subscriber's")
        }
    }
}

extension SessionParameters {
    /// Those of the settings, and over them what a server says.
    init(_ settings: SessionConfiguration, _ grant: AccessGrant) {
        self.init(settings)
        if let value = grant.rttThreshold { rttDifferenceThreshold = value }
        if let value = grant.rttViolation { rttDifferenceThresholdViolation = value }
        if let value = grant.rttCompliance { rttDifferenceThresholdCompliance = value }
        // In the steps of the settings (RFC 8157 §5.2.8).
        if let value = grant.idleTimeout { idleTimeout = min(172_800, value / 60 * 60) }
    }
}

extension SubscriberRates {
    /// kbit/s; nil: as before.
    mutating func take(_ dslUpstream: UInt32?, _ dslDownstream: UInt32?, _ lteDownstream: UInt32?) {
        if let rate = dslUpstream { self.dslUpstream = BitRate(kilobitsPerSecond: UInt64(rate)) }
        if let rate = dslDownstream { self.dslDownstream = BitRate(kilobitsPerSecond: UInt64(rate)) }
        if let rate = lteDownstream { self.lteDownstream = BitRate(kilobitsPerSecond: UInt64(rate)) }
    }
}
