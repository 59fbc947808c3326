import Addresses
import Configuration
import Formatting
import GREBonding
import Leases
import NetlinkKit

/// DHCPv4 and DHCPv6 of an aggregator's bonds (RFC 8157 §6.2).
final class LeaseService {
    private let settings: AggregationPointConfiguration
    private let loop: EventLoop
    private var channels: [IPFamily: LeaseChannel] = [:]
    private var bonds: [UInt32: ServedBond] = [:]

    /// - Parameter changed: called with a session whose leases are others than before
    init(
        _ settings: AggregationPointConfiguration, _ loop: EventLoop, changed: @escaping (UInt32) -> Void
    ) throws(SystemError) {
        self.settings = settings
        self.loop = loop
        guard settings.dhcp.isEnabled else { return }
        for (family, authority) in Self.authorities(settings) {
            let name = authority.takesFromServers ? "relay" : "leases"
            let channel = try LeaseChannel(
                family, authority, address: family == .v4 ? .v4(server) : settings.relay.address6.map(IPAddress.v6),
                file: StateFile(directory: settings.state.directory, name: name + (family == .v4 ? "4" : "6")),
                changed: changed)
            try loop.watch(channel.descriptor) { channel.receive() }
            channels[family] = channel
        }
    }

    var serves: Set<IPFamily> { Set(channels.keys) }

    /// By which gateways know whoever answers them.
    private var server: IPv4Address { settings.relayAddress ?? settings.dhcp.server }

    /// Relays where there are servers to go to, and the servers that have something to lease.
    private static func authorities(_ settings: AggregationPointConfiguration) -> [IPFamily: any LeaseAuthority] {
        var result: [IPFamily: any LeaseAuthority] = [:]
        let leases = tables(settings)
        if let table = leases.v4 { result[.v4] = DHCPv4Authority(settings.dhcp, table) }
        if let table = leases.v6 { result[.v6] = DHCPv6Authority(settings.dhcp, table) }
        if let relay = settings.relay4 { result[.v4] = RelayAuthority(relay) }
        if let relay = settings.relay6 { result[.v6] = RelayAuthority(relay) }
        return result
    }

    /// Objects that are there whether or not a bond is: nothing of a pool leaves this host by a default route, and the
    /// server has its address.
    func objects(_ kernel: KernelConfiguration, isLocal: (IPAddress) -> Bool) -> [KernelObject] {
        let number = RouteProtocol(rawValue: kernel.routeProtocol)
        var objects: [KernelObject] = settings.pools.flatMap { $0.addresses + $0.prefixes }
            .map { .route(.unreachable($0, protocol: number)) }
        let server = IPAddress.v4(server)
        if channels[.v4] != nil, !isLocal(server) {
            objects.append(.address(link: CanonicalDevice.name, IPPrefix(host: server)))
        }
        return objects
    }

    /// From now on the bond is served, and what comes by its device is its client's.
    func add(_ bond: ServedBond) {
        if let old = bonds[bond.session], old.link != bond.link { remove(bond.session) }
        bonds[bond.session] = bond
        for channel in channels.values { channel.add(bond) }
    }

    /// Its leases go on. What its gateway said before the end is still taken.
    func remove(_ session: UInt32) {
        guard let bond = bonds[session] else { return }
        for channel in channels.values { channel.receive() }
        bonds[session] = nil
        for channel in channels.values { channel.remove(link: bond.link) }
    }

    /// What a RADIUS server routes to a client is nobody else's from now on: its address and its prefix are what it is
    /// leased. nil: that is over.
    func claim(_ prefixes: [IPPrefix], of client: ClientIdentity, as subscriber: SubscriberConfiguration?) {
        channels[.v4]?.claim(
            prefixes, lease: (subscriber?.address).map { IPPrefix(host: .v4($0)) }, of: client)
        channels[.v6]?.claim(prefixes, lease: subscriber?.prefix, of: client)
    }

    /// Who else has leased, or is offered, something of a prefix.
    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? {
        channels[prefix.address.family]?.holder(of: prefix, besides: client)
    }

    /// What is to be routed to the client's bond.
    func resources(of client: ClientIdentity) -> [IPPrefix] {
        channels.sorted { $0.key == .v4 && $1.key == .v6 }.flatMap { $0.value.resources(of: client) }
    }

    func work(_ now: Instant) -> Instant? {
        for channel in channels.values { channel.work(now) }
        return channels.values.compactMap(\.deadline).min()
    }

    var json: JSONObject {
        var object = JSONObject()
        for (family, channel) in channels.sorted(by: { $0.key == .v4 && $1.key == .v6 }) {
            object.add(family == .v4 ? "dhcp4" : "dhcp6", channel.json)
        }
        return object
    }
}

extension ClientIdentity {
    /// nil for a name of nothing but zeros, which no subscriber has.
    init?(_ name: ClientIdentificationName) {
        self.init(bytes: name.bytes[..<(name.bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0)])
    }
}

extension LeaseTable.Settings {
    /// What there is to lease of each family; nil: nothing.
    fileprivate init?(
        _ settings: AggregationPointConfiguration, _ pools: (PoolConfiguration) -> [LeasePool],
        _ own: (SubscriberConfiguration) -> IPPrefix?
    ) {
        var reservations: [ClientIdentity: IPPrefix] = [:]
        for subscriber in settings.subscribers {
            if let client = ClientIdentity(subscriber.cin), let prefix = own(subscriber) {
                reservations[client] = prefix
            }
        }
        let groups = Dictionary(uniqueKeysWithValues: settings.pools.map { ($0.name, pools($0)) })
            .filter { !$0.value.isEmpty }
        // RADIUS servers may say what there is.
        if groups.isEmpty, reservations.isEmpty, settings.radius == nil { return nil }
        var excluded: Set = [IPPrefix(host: .v4(settings.dhcp.server))]
        // The bond itself goes by these.
        for length in Set(groups.values.joined().map(\.length)) {
            excluded.formUnion(
                (settings.addresses + settings.anycast).compactMap { IPPrefix($0, length: length)?.masked })
        }
        self.init(
            pools: groups, reservations: reservations, excluded: excluded,
            capacity: max(131_072, settings.limits.bonds))
    }
}

extension LeaseService {
    /// Of each family what there is to lease; nil: nothing.
    static func tables(_ settings: AggregationPointConfiguration) -> (v4: LeaseTable.Settings?, v6: LeaseTable.Settings?) {
        (
            LeaseTable.Settings(settings, { $0.addresses.compactMap(LeasePool.init(network:)) }) {
                $0.address.map { IPPrefix(host: .v4($0)) }
            },
            LeaseTable.Settings(
                settings, { pool in pool.prefixes.compactMap { LeasePool($0, delegatedLength: pool.delegatedLength) } }
            ) { $0.prefix }
        )
    }
}

extension LeasePool {
    /// All addresses of an IPv4 network; of four or more without the first and the last, which hosts may take for
    /// the network and its broadcast.
    init?(network: IPPrefix) {
        guard case .v4(let first) = network.masked.address else { return nil }
        let last = first.rawValue | (network.length == 0 ? .max : network.length == 32 ? 0 : .max >> UInt32(network.length))
        let edge: UInt32 = network.length <= 30 ? 1 : 0
        self.init(IPv4Address(rawValue: first.rawValue + edge), through: IPv4Address(rawValue: last - edge))
    }
}

extension DHCPv4Authority {
    init(_ dhcp: LeaseServerConfiguration, _ table: LeaseTable.Settings) {
        var settings = DHCPv4Server.Settings(identifier: dhcp.server, leases: table)
        settings.leaseTime = dhcp.leaseTime.seconds
        settings.routers = [dhcp.server]
        settings.nameServers = dhcp.dns.compactMap { if case .v4(let address) = $0 { address } else { nil } }
        settings.domainName = dhcp.domain
        switch dhcp.mtu {
        case nil: break
        case .automatic?: settings.interfaceMTU = 1500
        case .bytes(let mtu)?: settings.interfaceMTU = UInt16(clamping: mtu)
        }
        self.init(settings, tellsBondMTU: dhcp.mtu == .automatic)
    }
}

extension DHCPv6Authority {
    init(_ dhcp: LeaseServerConfiguration, _ table: LeaseTable.Settings) {
        // A DUID-LL of the server's address: the same after a restart, and another one on another aggregator.
        var settings = DHCPv6Server.Settings(
            identifier: DUID(linkLayer: [0x02, 0x00] + dhcp.server.bytes), leases: table)
        settings.validLifetime = dhcp.leaseTime.seconds
        settings.preferredLifetime = dhcp.preferredTime.seconds
        settings.nameServers = dhcp.dns.compactMap { if case .v6(let address) = $0 { address } else { nil } }
        self.init(settings)
    }
}

/// Bonds whose gateway is about to be delegated a prefix. Deployed aggregation points send a filter list after that, or
/// when nothing was heard of it for three seconds.
struct PrefixWait {
    /// In the order in which they end: all are of one length.
    private var ends: [(id: UInt32, at: Instant)] = []
    private var waiting: Set<UInt32> = []
    static let time = Duration.seconds(3)

    init() {}

    mutating func begin(_ id: UInt32, now: Instant) {
        waiting.insert(id)
        ends.append((id, now + Self.time))
    }

    /// Whether the bond was waiting; it no longer is.
    mutating func end(_ id: UInt32) -> Bool { waiting.remove(id) != nil }

    var due: Instant? { ends.first?.at }

    /// Those for which it has been long enough.
    mutating func takeDue(_ now: Instant) -> [UInt32] {
        let count = ends.firstIndex { $0.at > now } ?? ends.count
        let over = ends.prefix(count).map(\.id)
        ends.removeFirst(count)
        return over.filter { waiting.remove($0) != nil }
    }
}
