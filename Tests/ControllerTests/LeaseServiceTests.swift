import Addresses
import Configuration
import GREBonding
import Leases
import Testing

@testable import Controller

@Suite struct LeaseServiceTests {
    private static let client = ClientIdentity("gateway-1")!
    private static let bond = ServedBond(session: 7, link: 12, client: client, group: "homes", mtu: 1448)
    private static let now = LeaseTime(nanoseconds: 1_000_000_000)

    private func settings(_ change: (inout AggregationPointConfiguration) -> Void = { _ in }) -> AggregationPointConfiguration {
        var settings = AggregationPointConfiguration(addresses: [.v4(IPv4Address(192, 0, 2, 1))])
        settings.dhcp.server = IPv4Address(192, 0, 2, 1)
        settings.dhcp.mtu = .automatic
        settings.dhcp.domain = "example.net"
        var pool = PoolConfiguration(name: "homes")
        pool.addresses = [IPPrefix("100.64.0.0/29")!]
        pool.prefixes = [IPPrefix("2001:db8:100::/40")!]
        settings.pools = [pool]
        change(&settings)
        return settings
    }

    private func discover(_ hardware: UInt8 = 1) -> [UInt8] {
        var message = DHCPv4Message(.request, transactionID: 5, hardwareAddress: [2, 0, 0, 0, 0, hardware])
        message.messageType = .discover
        return message.serialized()
    }

    @Test func aRelayTakesTheServersPlace() throws {
        let settings = settings { settings in
            settings.pools = []
            settings.relay.servers4 = [IPv4Address(203, 0, 113, 2)]
            settings.relay.servers6 = [IPv6Address("2001:db8:5::2")!]
            settings.relay.address6 = IPv6Address("2001:db8:f::1")!
            settings.relay.serverUse = .failover
            settings.relay.tellsSubscriber = true
        }
        let machine = try #require(settings.relay4)
        let reserved = settings.addresses + ["203.0.113.2", "2001:db8:5::2", "2001:db8:f::1"].map { IPAddress($0)! }
        #expect(Set(reserved) == Set(machine.settings.reserved))
        #expect(Set(reserved) == settings.relay6.map { Set($0.settings.reserved) })
        #expect(machine.settings.address == IPv4Address(192, 0, 2, 1) && machine.settings.serverUse == .failover)
        #expect(machine.settings.tellsSubscriber && machine.settings.overridesServerIdentifier)
        #expect(settings.relay6?.settings.link == settings.relay.address6)
        var relay = RelayAuthority(machine)
        #expect(relay.takesFromServers)
        let effects = relay.handle(
            .fromClient(discover(), source: .any(.v4), Self.client), of: Self.bond, now: Self.now)
        guard case .forward(let datagram)? = effects.first, effects.count == 1 else {
            Issue.record("\(effects)")
            return
        }
        #expect(datagram.destination == .v4(IPv4Address(203, 0, 113, 2)) && datagram.port == 67)
        #expect(relay.load(["lease gateway-1 - 100.64.0.2/32 never"], WallClock(now: Self.now, unixNanoseconds: 0)) == [])
        #expect(relay.resources(of: Self.client) == [IPPrefix("100.64.0.2/32")!])
    }

    @Test func theServerAnswersTheBondAndTellsItsMTU() throws {
        let settings = settings()
        var authority = DHCPv4Authority(settings.dhcp, try #require(LeaseService.tables(settings).v4))
        let effects = authority.handle(
            .fromClient(discover(), source: .any(.v4), Self.client), of: Self.bond, now: Self.now)
        guard case .send(let datagram, let client)? = effects.first, effects.count == 1 else {
            Issue.record("\(effects)")
            return
        }
        #expect(client == Self.client && datagram.port == 68)
        let offer = try DHCPv4Message(parsing: datagram.payload)
        #expect(offer.messageType == .offer && offer.yourAddress == IPv4Address(100, 64, 0, 1))
        #expect(datagram.destination == .v4(offer.yourAddress))
        #expect(offer.interfaceMTU == 1448 && offer.domainName == Array("example.net".utf8))
        #expect(offer.serverIdentifier == settings.dhcp.server)
    }

    @Test func whatCannotBeReadIsCounted() throws {
        let settings = settings()
        var v4 = DHCPv4Authority(settings.dhcp, try #require(LeaseService.tables(settings).v4))
        var v6 = DHCPv6Authority(settings.dhcp, try #require(LeaseService.tables(settings).v6))
        for bytes in [[], [1], [UInt8](repeating: 0xFF, count: 300)] {
            let input = RelayInput.fromClient(bytes, source: .any(.v4), Self.client)
            #expect(v4.handle(input, of: Self.bond, now: Self.now) == [.discarded(.malformed, Self.client)])
            #expect(v6.handle(input, of: Self.bond, now: Self.now) == [.discarded(.malformed, Self.client)])
        }
        #expect(v4.handle(.fromServer([1], source: .any(.v4)), of: nil, now: Self.now).isEmpty)
    }

    @Test func nobodyIsLeasedWhatHoldsTheOwnAddresses() throws {
        let settings = settings {
            $0.addresses.append(IPAddress("2001:db8:100::1")!)
            $0.anycast = [IPAddress("2001:db8:100:1ff::1")!]
            // Room for two, and both are the aggregation point's.
            $0.pools[0].prefixes = [IPPrefix("2001:db8:100::/55")!]
        }
        let table = try #require(LeaseService.tables(settings).v6)
        #expect(table.excluded.isSuperset(of: [IPPrefix("2001:db8:100::/56")!, IPPrefix("2001:db8:100:100::/56")!]))
        var authority = DHCPv6Authority(settings.dhcp, table)
        var message = DHCPv6Message(.solicit, transactionID: 1)
        message.client = DUID(linkLayer: [2, 0, 0, 0, 0, 1])
        message.rapidCommit = true
        message.ias = [IAPD(iaid: 1)]
        _ = authority.handle(
            .fromClient(message.serialized(), source: IPAddress("fe80::1")!, Self.client), of: Self.bond, now: Self.now)
        #expect(authority.resources(of: Self.client) == [])
    }

    @Test func aSubscribersOwnIsReservedAndNothingIsServedWithoutAnything() throws {
        let own = settings {
            $0.pools = []
            var subscriber = SubscriberConfiguration(cin: ClientIdentificationName("gateway-1")!)
            subscriber.address = IPv4Address(203, 0, 113, 9)
            $0.subscribers = [subscriber]
        }
        let tables = LeaseService.tables(own)
        #expect(tables.v4?.reservations == [Self.client: IPPrefix(host: .v4(IPv4Address(203, 0, 113, 9)))])
        #expect(tables.v6 == nil)
        let nothing = settings { $0.pools = [] }
        #expect(LeaseService.tables(nothing).v4 == nil)
    }

    @Test(arguments: [
        ("100.64.0.0/29", 6, "100.64.0.1"), ("100.64.0.0/30", 2, "100.64.0.1"), ("100.64.0.0/31", 2, "100.64.0.0"),
        ("100.64.0.5/32", 1, "100.64.0.5"), ("0.0.0.0/0", 4_294_967_294, "0.0.0.1"),
    ])
    func networks(network: String, count: UInt64, first: String) throws {
        let pool = try #require(LeasePool(network: IPPrefix(network)!))
        #expect(pool.count == count && pool.contains(IPPrefix(first)!))
    }

    @Test func oneBondIsNotHeardMoreThanOthers() {
        var now = Instant(nanoseconds: 0)
        var allowance = Allowance(now: now)
        for (later, expected) in [(0, 16), (10, 16), (1, 2), (-5, 0)] {
            now = now + .seconds(later)
            var taken = 0
            for _ in 0..<100 where allowance.take(now) { taken += 1 }
            #expect(taken == expected, "\(later) s later; a clock that goes back gives nothing")
        }
    }

    @Test func aFilterListWaitsForThePrefixButNotForLong() {
        var wait = PrefixWait()
        let start = Instant(nanoseconds: 0)
        for id: UInt32 in 1...3 { wait.begin(id, now: start + .seconds(Int64(id))) }
        let told = [2, 2, 9].map { wait.end($0) }
        #expect(told == [true, false, false])
        #expect(wait.due == start + .seconds(4))
        let over = [3, 5, 60].map { wait.takeDue(start + .seconds($0)) }
        #expect(over == [[], [1], [3]], "the second has its prefix")
        #expect(wait.due == nil)
    }

    @Test func aFileIsReplacedWholeAndGrowsByLines() throws {
        let directory = "/tmp/spillway-\(UInt64.random(in: .min ... .max))/deeper"
        let file = StateFile(directory: directory, name: "leases4")
        #expect(try file.read().isEmpty)
        try file.append("a\n")
        try file.append("b\n")
        #expect(try file.read() == "a\nb\n")
        try file.replace("c\n")
        try file.append("d\n")
        #expect(try StateFile(directory: directory, name: "leases4").read() == "c\nd\n")
        #expect(throws: SystemError.self) { try StateFile(directory: "/proc/nothing", name: "x").append("a") }
    }

    /// Leases survive a restart; lines that are damaged cost only themselves.
    @Test func leasesSurviveARestart() throws {
        let settings = settings()
        let table = try #require(LeaseService.tables(settings).v4)
        var first = DHCPv4Authority(settings.dhcp, table)
        _ = first.handle(.fromClient(discover(), source: .any(.v4), Self.client), of: Self.bond, now: Self.now)
        var request = DHCPv4Message(.request, transactionID: 5, hardwareAddress: [2, 0, 0, 0, 0, 1])
        request.messageType = .request
        request.serverIdentifier = settings.dhcp.server
        request.requestedAddress = IPv4Address(100, 64, 0, 1)
        let input = RelayInput.fromClient(request.serialized(), source: .any(.v4), Self.client)
        let effects = first.handle(input, of: Self.bond, now: Self.now)
        let clock = WallClock(now: Self.now, unixNanoseconds: 1_700_000_000_000_000_000)
        let lines = effects.compactMap { if case .event(let event) = $0 { event.line(clock) } else { nil } }
        #expect(lines.count == 1 && first.lines(clock) == lines)
        var second = DHCPv4Authority(settings.dhcp, table)
        let text = "lease gateway-2 homes 100.64.0.77/32 9999999999\n" + lines[0] + "\n\0garbage\nlease gat"
        #expect(second.load(text.split(separator: "\n", omittingEmptySubsequences: false), clock) == [1, 3, 4])
        #expect(second.resources(of: Self.client) == [IPPrefix("100.64.0.1/32")!])
    }
}
