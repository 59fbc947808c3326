import Addresses
import Configuration
import GREBonding
import NFTables
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

    // MARK: The next process

    private static func full() -> GrantRecord {
        let grant = grant {
            $0.address = IPv4Address("100.64.0.2")
            $0.address6 = IPv6Address("2001:db8:a::1")
            $0.routes = [IPPrefix("2001:db8:b::/64")!, IPPrefix("192.168.2.0/24")!]
            $0.delegatedPrefix = IPPrefix("2001:db8:100::/56")
            $0.filterList = "short"
            $0.pool = "a pool of \"two\" words"
            $0.dslUpstream = 1
            $0.dslDownstream = 2
            $0.lteDownstream = 3
            $0.rttThreshold = 4
            $0.rttViolation = 5
            $0.rttCompliance = 6
            $0.idleTimeout = 7
            $0.pathMTU = 1400
            $0.sessionTimeout = 8
            $0.interimInterval = 90
            $0.classes = [[0, 10, 32, 61, 255], [1]]
        }
        return GrantRecord(
            sessionID: 0x2A,
            accounted: AccountedSession(
                name: "650000000000002a", userName: "gäste wlan=1", source: source, grant: grant), source: source,
            begun: Instant(nanoseconds: 5), until: Instant(nanoseconds: 60_000_000_005), isStarted: true,
            counted: [
                .primary: LegTraffic(
                    received: Counter(packets: 1, bytes: 2), sent: Counter(packets: 3, bytes: 5_000_000_000)),
                .secondary: LegTraffic(),
            ])
    }

    @Test func aGrantReadsBackFromText() throws {
        var record = Self.full()
        let read = try #require(GrantRecord.read(record.line[...]))
        record.accounted.grant.userName = record.accounted.userName
        #expect(read == record)
        record.until = nil
        record.isStarted = false
        record.counted = [:]
        record.accounted.grant = AccessGrant()
        record.accounted.grant.userName = record.accounted.userName
        #expect(GrantRecord.read(record.line[...]) == record)
    }

    @Test func textThatNoRunWritesIsRefused() {
        let line = Self.full().line
        for wrong in [
            "", "grant", line + " ", line + " more=1", line.replacing("session=42", with: "session=43"),
            line.replacing("name=65", with: "name=+5"), line.replacing("002a", with: "002A"),
            line.replacing("name=", with: "name=0"), line.replacing("source=10.", with: "source="),
            line.replacing("begun=5", with: "begun=-5"), line.replacing("until=6", with: "until=x"),
            line.replacing("started=true", with: "started=1"), line.replacing("counted=0:", with: "counted=9:"),
            line.replacing("counted=0:", with: "counted=1:"), line.replacing("counted=0:1:", with: "counted=0:"),
            line.replacing("counted=0:1:", with: "counted=0:-1:"), line.replacing("counted=", with: "counted=,"),
            String(line.dropLast()), String(line.dropLast(2)), line.replacing("attributes=01", with: "attributes=0"),
            line.replacing("attributes=01", with: "attributes=1b"),
            line.replacing("attributes=01", with: "attributes=ZZ"),
        ] {
            #expect(GrantRecord.read(wrong[...]) == nil, "\(wrong)")
        }
    }

    /// Bytes of a record may be any: none traps, and what is read says the same again.
    @Test func damagedTextNeverTraps() {
        let line = Array(Self.full().line.utf8)
        for index in line.indices {
            for byte in Array("0f =:\0".utf8) {
                var other = line
                other[index] = byte
                let text = String(decoding: other, as: UTF8.self)
                if let read = GrantRecord.read(text[...]) { #expect(GrantRecord.read(read.line[...]) == read) }
            }
        }
    }

    private static func service() throws -> RADIUSService {
        let server = RADIUSConfiguration.Server(address: IPAddress("192.0.2.10")!, secret: SharedSecret([1]))
        var radius = RADIUSConfiguration(servers: [server], nasIdentifier: "n")
        radius.accounting = false
        return RADIUSService(settings, radius, try EventLoop())
    }

    @Test func aSessionGoesOnWithWhatItWasGranted() throws {
        let service = try Self.service()
        var record = Self.full()
        record.accounted.grant.pool = nil
        record.accounted.grant.userName = record.accounted.userName
        record.until = Clock.now() + .seconds(1000)
        let (subscriber, authorization) = try #require(service.resume(record, of: Self.one))
        #expect(subscriber.address == IPv4Address("100.64.0.2") && subscriber.filterList == "short")
        #expect(authorization.dslUpstream == 1 && authorization.dslDownstream == 2)
        #expect(authorization.parameters?.rttDifferenceThreshold == 4)
        #expect(service.grants[Self.one]?.userName == record.accounted.userName)
        #expect(service.work(Clock.now()) == record.until && service.record(of: 42) == record)
        #expect(service.usage(42).total.outputOctets == 5_000_000_000, "what elements that are gone had counted")
        // The bond comes up in this process: it is no other session.
        service.began(42, Self.one)
        #expect(service.record(of: 42) == record)
        let again = service.resume(record, of: Self.two)
        #expect(again == nil, "each once")
    }

    @Test(arguments: [
        { $0.accounted.grant.filterList = "none" }, { $0.accounted.grant.address = IPv4Address("100.64.0.9") },
        { $0.accounted.grant.routes = [IPPrefix("0.0.0.0/0")!] }, { $0.begun = Instant(nanoseconds: .max) },
    ] as [@Sendable (inout GrantRecord) -> Void])
    func whatCannotBeGivenAnyMoreDoesNotGoOn(change: @Sendable (inout GrantRecord) -> Void) throws {
        let service = try Self.service()
        var record = Self.full()
        record.accounted.grant.pool = nil
        change(&record)
        let resumed = service.resume(record, of: Self.one)
        #expect(resumed == nil && service.sessions.isEmpty && service.work(Clock.now()) == nil)
        #expect(service.grants[Self.one] == nil)
    }
}
