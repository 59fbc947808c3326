import Addresses
import Configuration
import Leases

/// An operator's servers answer: messages go to them and back through a relay of this program.
struct RelayAuthority<Relay: RelayAgent>: LeaseAuthority {
    private var relay: Relay

    init(_ relay: Relay) { self.relay = relay }

    mutating func handle(_ input: RelayInput, of bond: ServedBond?, now: LeaseTime) -> [RelayEffect] {
        relay.handle(input, now: now)
    }

    /// The operator's servers lease, and the operator sees to it that they and RADIUS agree.
    mutating func claim(
        _ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity, now: LeaseTime
    ) -> [RelayEffect] { [] }

    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? { nil }

    var takesFromServers: Bool { true }
    var deadline: LeaseTime? { relay.deadline }
    var leases: [Lease] { relay.leases }
    func resources(of client: ClientIdentity) -> [IPPrefix] { relay.resources(of: client) }
    func lines(_ clock: WallClock) -> [String] { relay.lines(clock) }
    mutating func load(_ lines: [Substring], _ clock: WallClock) -> [Int] { relay.load(lines, clock).rejected }
}

extension AggregationPointConfiguration {
    /// Where DHCPv4 servers send answers to, when there are any.
    var relayAddress: IPv4Address? { relay.servers4.isEmpty ? nil : relay.address ?? dhcp.server }

    var relay4: DHCPv4Relay? {
        guard let address = relayAddress else { return nil }
        var settings = DHCPv4Relay.Settings(address: address, servers: relay.servers4)
        settings.serverUse = relay.serverUse.machine
        settings.link = relay.link
        settings.overridesServerIdentifier = relay.overridesServerIdentifier
        settings.tellsSubscriber = relay.tellsSubscriber
        settings.reserved = reserved
        return DHCPv4Relay(settings)
    }

    var relay6: DHCPv6Relay? {
        guard let address = relay.address6, !relay.servers6.isEmpty else { return nil }
        var settings = DHCPv6Relay.Settings(link: relay.link6 ?? address, servers: relay.servers6)
        settings.serverUse = relay.serverUse.machine
        settings.tellsSubscriber = relay.tellsSubscriber
        settings.reserved = reserved
        return DHCPv6Relay(settings)
    }

    /// What no server's word may give to a subscriber.
    private var reserved: [IPAddress] {
        addresses + anycast + relay.servers4.map(IPAddress.v4) + relay.servers6.map(IPAddress.v6)
            + (relayAddress.map { [.v4($0)] } ?? []) + (relay.address6.map { [.v6($0)] } ?? [])
    }
}

extension LeaseRelayConfiguration.ServerUse {
    fileprivate var machine: RelayServerUse {
        switch self {
        case .all: .all
        case .failover: .failover
        }
    }
}
