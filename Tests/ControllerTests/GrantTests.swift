import Addresses
import Configuration
import GREBonding
import RADIUS
import Testing

@testable import Controller

/// What a server grants, and what it cannot: its word takes nothing from anybody else.
@Suite struct GrantTests {
    private static let one = ClientIdentificationName("one")!
    private static let two = ClientIdentificationName("two")!
    private static let source = IPAddress("10.2.0.2")!

    private static let settings: AggregationPointConfiguration = {
        var settings = AggregationPointConfiguration(addresses: [IPAddress("192.0.2.1")!])
        settings.filterLists = ["short": []]
        var listed = SubscriberConfiguration(cin: ClientIdentificationName("listed")!)
        listed.address = IPv4Address("100.64.0.9")
        settings.subscribers = [listed]
        return settings
    }()

    private static func book() -> GrantBook {
        let server = RADIUSConfiguration.Server(address: IPAddress("192.0.2.10")!, secret: SharedSecret([1]))
        return GrantBook(settings, RADIUSConfiguration(servers: [server], nasIdentifier: "n"))
    }

    private static func grant(_ build: (inout AccessGrant) -> Void) -> AccessGrant {
        var grant = AccessGrant()
        build(&grant)
        return grant
    }

    private func take(
        _ book: inout GrantBook, _ client: ClientIdentificationName, _ grant: AccessGrant,
        base: SubscriberConfiguration? = nil
    ) throws(GrantBook.Unusable) -> SubscriberConfiguration {
        try book.take(grant, of: client, by: "name", from: Self.source, base: base)
    }

    @Test func whatAServerSaysTakesThePlaceOfTheSettings() throws {
        var book = Self.book()
        var base = SubscriberConfiguration(cin: Self.one)
        base.rates.dslUpstream = BitRate(kilobitsPerSecond: 1)
        base.rates.dslDownstream = BitRate(kilobitsPerSecond: 2)
        base.address6 = IPv6Address("2001:db8::1")
        let granted = try take(
            &book, Self.one,
            Self.grant {
                $0.address = IPv4Address("100.64.0.2")
                $0.dslDownstream = 50_000
                $0.filterList = "short"
                $0.pathMTU = 1400
            }, base: base)
        #expect(granted.address == IPv4Address("100.64.0.2") && granted.address6 == base.address6)
        let rates = granted.rates
        #expect(rates.dslDownstream?.kilobitsPerSecond == 50_000 && rates.dslUpstream == base.rates.dslUpstream)
        #expect(granted.filterList == "short" && granted.pathMTU == 1400)
        #expect(book[Self.one]?.userName == "name")
        #expect(book.owners.count == 2)
        book.forget(Self.one)
        #expect(book.owners.isEmpty && book[Self.one] == nil)
    }

    @Test func whatIsLeasedToAnotherIsNotGranted() throws {
        var book = Self.book()
        let leased = IPPrefix("100.64.0.2/32")!
        book.leaseHolder = { prefix, client in prefix == leased && client != Self.two ? "two" : nil }
        let wanted = Self.grant { $0.address = IPv4Address("100.64.0.2") }
        #expect(throws: GrantBook.Unusable.self) { try take(&book, Self.one, wanted) }
        #expect(book.owners.isEmpty)
        _ = try take(&book, Self.two, wanted)
        #expect(book.owners.count == 1)
    }

    @Test(arguments: [
        grant { $0.filterList = "none" }, grant { $0.pool = "none" },
        grant { $0.address = IPv4Address("192.0.2.1") }, grant { $0.address = IPv4Address("192.0.2.10") },
        grant { $0.address = IPv4Address("224.0.0.1") }, grant { $0.address = IPv4Address("100.64.0.9") },
        grant { $0.routes = [IPPrefix("0.0.0.0/0")!] }, grant { $0.routes = [IPPrefix("192.0.2.0/24")!] },
        grant { $0.routes = [IPPrefix("127.0.0.0/8")!] }, grant { $0.routes = [IPPrefix("fe80::/64")!] },
        grant { $0.address6 = IPv6Address("ff02::1") }, grant { $0.delegatedPrefix = IPPrefix("::/0") },
    ])
    func whatCannotBeGivenIsRefusedWhole(grant: AccessGrant) {
        var book = Self.book()
        #expect(throws: GrantBook.Unusable.self) { try take(&book, Self.one, grant) }
        #expect(book.owners.isEmpty && book[Self.one] == nil)
    }

    @Test func nobodyGetsWhatAnotherHas() throws {
        var book = Self.book()
        let grant = Self.grant { $0.routes = [IPPrefix("198.51.100.0/28")!] }
        _ = try take(&book, Self.one, grant)
        #expect(throws: GrantBook.Unusable(description: "198.51.100.0/28 is already routed to one")) {
            try take(&book, Self.two, grant)
        }
        _ = try take(&book, Self.one, grant)
        // Something else, and the first is free again.
        _ = try take(&book, Self.one, AccessGrant())
        _ = try take(&book, Self.two, grant)
        #expect(book.owners == [IPPrefix("198.51.100.0/28")!: Self.two])
    }

    @Test func parametersOfASubscriber() {
        let grant = Self.grant {
            $0.rttThreshold = 100
            $0.idleTimeout = 119
        }
        let parameters = SessionParameters(SessionConfiguration(), grant)
        #expect(parameters.rttDifferenceThreshold == 100 && parameters.idleTimeout == 60)
        #expect(parameters.activeHelloInterval == 10)
    }
}
