import Addresses
import Testing

@testable import DNSAnswers

@Suite struct NameTableTests {
    private let zero = Duration.zero

    private func table(
        _ names: [(String, Int)] = [("www.example.net", 0)], grace: Duration = .seconds(120), limit: Int = 256,
        takesPrivate: Bool = false
    ) -> NameTable {
        var table = NameTable(
            settings: .init(grace: grace, addressesPerName: limit, takesPrivate: takesPrivate))
        #expect(table.watch(Self.watched(names), now: zero).isEmpty)
        return table
    }

    private static func watched(_ names: [(String, Int)]) -> [WatchedName] {
        names.compactMap { name, use in NamePattern(name).map { WatchedName($0, use: use) } }
    }

    private func answer(_ name: String, _ addresses: String..., ttl: UInt32 = 300) throws -> DNSAnswer {
        DNSAnswer(
            try #require(DomainName(name)), try addresses.map { (try #require(IPAddress($0)), ttl) })
    }

    /// "+192.0.2.1 0 420 www.example.net", "-192.0.2.1 0"
    private func lines(_ changes: [NameChange]) -> [String] {
        changes.map { change in
            switch change {
            case .hold(let address, let use, let origin):
                "+\(address) \(use) \(origin.left.components.seconds) \(origin)"
            case .release(let address, let use): "-\(address) \(use)"
            }
        }
    }

    @Test(arguments: [(0, 180), (59, 180), (300, 420), (86_400, 86_520), (2_147_483_647, 86_520)] as [(UInt32, Int)])
    func theTimeToLiveIsHeldToARange(ttl: UInt32, life: Int) throws {
        var table = table()
        let taken = table.take(try answer("www.example.net", "192.0.2.1", ttl: ttl), now: .seconds(7))
        #expect(taken.isWatched && lines(taken.changes) == ["+192.0.2.1 0 \(life) www.example.net"])
        #expect(table.deadline == .seconds(7 + life))
    }

    @Test func otherNamesAreNothing() throws {
        var table = table([("www.example.net", 0), ("*.wild.example", 0)])
        for name in ["example.net", "a.www.example.net", "wild.example", "xwild.example"] {
            let taken = table.take(try answer(name, "192.0.2.1"), now: zero)
            #expect(!taken.isWatched && taken.changes.isEmpty)
        }
        #expect(table.addressCount == 0 && table.deadline == nil)
    }

    /// The name that was asked for, or one that it is an alias of; never one further on.
    @Test func anyNameOfTheChain() throws {
        var message = Message("www.shop.example")
        message.add("www.shop.example", alias: "edge.cdn.example")
        message.add("edge.cdn.example", alias: "last.example")
        message.add("last.example", "192.0.2.1")
        for name in ["www.shop.example", "*.shop.example", "edge.cdn.example", "*.cdn.example", "last.example"] {
            var table = table([(name, 0)])
            let origin = name == "www.shop.example" ? name : "\(name) (www.shop.example)"
            #expect(lines(table.take(try message.parsed(), now: zero).changes) == ["+192.0.2.1 0 420 \(origin)"])
        }
        var early = Message("a.example")
        early.add("a.example", "192.0.2.7")
        early.add("a.example", alias: "b.example")
        early.add("b.example", "192.0.2.8")
        var table = table([("b.example", 0)])
        #expect(lines(table.take(try early.parsed(), now: zero).changes) == ["+192.0.2.8 0 420 b.example (a.example)"])
    }

    /// Servers count a TTL down; each of their answers would be a change.
    @Test func whatHardlyLivesLongerIsNoChange() throws {
        var table = table()
        _ = table.take(try answer("www.example.net", "192.0.2.1"), now: zero)
        for (now, ttl) in [(10, 290), (11, 300), (14, 301), (15, 1)] as [(Int, UInt32)] {
            let taken = table.take(try answer("www.example.net", "192.0.2.1", ttl: ttl), now: .seconds(now))
            #expect(taken.isWatched && taken.changes.isEmpty, "\(now)")
        }
        let taken = table.take(try answer("www.example.net", "192.0.2.1"), now: .seconds(16))
        #expect(lines(taken.changes) == ["+192.0.2.1 0 420 www.example.net"])
    }

    @Test func timeEndsIt() throws {
        var table = table()
        _ = table.take(try answer("www.example.net", "192.0.2.1", "192.0.2.2"), now: zero)
        _ = table.take(try answer("www.example.net", "192.0.2.2"), now: .seconds(100))
        table.expire(now: .seconds(419))
        #expect(table.addressCount == 2)
        table.expire(now: .seconds(420))
        #expect(table.addressCount == 1 && table.deadline == .seconds(520))
        #expect(lines(table.holds(now: .seconds(420))) == ["+192.0.2.2 0 100 www.example.net"])
        table.expire(now: .seconds(520))
        #expect(table.addressCount == 0 && table.deadline == nil && table.holds(now: .seconds(520)).isEmpty)
        let again = table.take(try answer("www.example.net", "192.0.2.1"), now: .seconds(521))
        #expect(lines(again.changes) == ["+192.0.2.1 0 420 www.example.net"])
    }

    /// Two names with one address: it lives as long as one of them has it, for each use.
    @Test func oneAddressOfTwoNames() throws {
        var table = table([("a.example", 0), ("b.example", 0), ("b.example", 1)])
        #expect(
            lines(table.take(try answer("a.example", "192.0.2.1", ttl: 600), now: zero).changes)
                == ["+192.0.2.1 0 720 a.example"])
        #expect(
            lines(table.take(try answer("b.example", "192.0.2.1", ttl: 300), now: zero).changes)
                == ["+192.0.2.1 1 420 b.example"], "the first use has it longer already")
        let address = try #require(IPAddress("192.0.2.1"))
        #expect(table.origins(of: address, now: zero).map(\.description) == ["a.example", "b.example"])
        let fewer = table.watch(Self.watched([("b.example", 0), ("b.example", 1)]), now: .seconds(20))
        #expect(lines(fewer) == ["+192.0.2.1 0 400 b.example"], "only as long as the name that is left")
        #expect(lines(table.watch(Self.watched([("b.example", 1)]), now: .seconds(20))) == ["-192.0.2.1 0"])
        #expect(lines(table.watch(Self.watched([("b.example", 2)]), now: .seconds(20))).sorted()
            == ["+192.0.2.1 2 400 b.example", "-192.0.2.1 1"])
        #expect(lines(table.watch([], now: .seconds(20))) == ["-192.0.2.1 2"])
        #expect(table.isEmpty && table.addressCount == 0)
    }

    @Test func whatStaysIsKept() throws {
        var table = table()
        _ = table.take(try answer("www.example.net", "192.0.2.1"), now: zero)
        #expect(table.watch(Self.watched([("www.example.net", 0), ("b.example", 0)]), now: .seconds(1)).isEmpty)
        #expect(table.addressCount == 1 && table.nameCount == 2)
    }

    @Test(arguments: [
        ("0.0.0.0", .notUnicast), ("0.1.2.3", .notUnicast), ("127.0.0.1", .notUnicast), ("224.0.0.1", .notUnicast),
        ("255.255.255.255", .notUnicast), ("240.0.0.1", .notUnicast), ("169.254.1.1", .notUnicast),
        ("::", .notUnicast), ("::1", .notUnicast), ("ff02::1", .notUnicast), ("fe80::1", .notUnicast),
        ("::ffff:192.0.2.1", .notUnicast), ("::192.0.2.1", .notUnicast),
        ("10.1.2.3", .privateNetwork), ("172.31.0.1", .privateNetwork), ("192.168.9.1", .privateNetwork),
        ("100.127.0.1", .privateNetwork), ("fd00::1", .privateNetwork),
        ("198.51.100.1", .ownNetwork), ("2001:db8:a::77", .ownNetwork),
    ] as [(String, NameTable.Refusal)])
    func addressesThatMustNotBeTaken(text: String, refusal: NameTable.Refusal) throws {
        for takesPrivate in [false, true] {
            var table = table(takesPrivate: takesPrivate)
            let own = ["198.51.100.1/32", "2001:db8:a::/64"].compactMap { IPPrefix($0) }
            #expect(table.setOwn(own, now: zero).isEmpty)
            let taken = table.take(try answer("www.example.net", text), now: zero)
            let isTaken = takesPrivate && refusal == .privateNetwork
            #expect(taken.isWatched && taken.changes.count == (isTaken ? 1 : 0))
            #expect(table.refused == (isTaken ? [:] : [refusal: 1]))
        }
    }

    @Test func anAddressThatBecomesOurs() throws {
        var table = table()
        _ = table.take(try answer("www.example.net", "192.0.2.1", "192.0.2.2"), now: zero)
        let own = [try #require(IPPrefix("192.0.2.2/32"))]
        #expect(lines(table.setOwn(own, now: zero)) == ["-192.0.2.2 0"])
        #expect(table.setOwn(own, now: zero).isEmpty && table.addressCount == 1)
    }

    /// Of one name the one with the least time gives way; in all there is an end.
    @Test func limits() throws {
        var table = table(limit: 3)
        for number in 1...3 {
            _ = table.take(try answer("www.example.net", "192.0.2.\(number)", ttl: UInt32(1000 - number)), now: zero)
        }
        let taken = table.take(try answer("www.example.net", "192.0.2.9"), now: zero)
        #expect(lines(taken.changes) == ["-192.0.2.3 0", "+192.0.2.9 0 420 www.example.net"])
        #expect(table.addressCount == 3 && table.refused == [.replaced: 1])

        var full = self.table([("*.example", 0)], limit: 4096 * 16)
        let name = try #require(DomainName("a.example"))
        for number in 0..<UInt32(NameTable.addressLimit) {
            let address = IPAddress.v4(IPv4Address(rawValue: 0xC633_0000 + number))
            _ = full.take(DNSAnswer(name, [(address, 300)]), now: zero)
        }
        #expect(full.take(try answer("b.example", "192.0.2.1"), now: zero).changes.isEmpty)
        #expect(full.addressCount == NameTable.addressLimit && full.refused == [.tooMany: 1])
    }

    /// What the kernel refused is made as it is wanted by then, each address once for a use.
    @Test func again() throws {
        var table = table([("www.example.net", 0), ("www.example.net", 1)])
        var refused = table.take(try answer("www.example.net", "192.0.2.1"), now: zero).changes
        #expect(refused.count == 2 && table.holds(now: zero).count == 2)
        refused += table.take(try answer("www.example.net", "192.0.2.1", ttl: 600), now: zero).changes
        #expect(refused.count == 4)
        let again = lines(table.again(refused, now: .seconds(1))).sorted()
        #expect(again == ["+192.0.2.1 0 719 www.example.net", "+192.0.2.1 1 719 www.example.net"])
        _ = table.watch(Self.watched([("www.example.net", 1)]), now: .seconds(2))
        let fewer = lines(table.again(refused, now: .seconds(2))).sorted()
        #expect(fewer == ["+192.0.2.1 1 718 www.example.net", "-192.0.2.1 0"])
        table.expire(now: .seconds(721))
        #expect(table.holds(now: zero).isEmpty && table.addressCount == 0)
    }
}

@Suite struct NameScheduleTests {
    private func name(_ number: Int) throws -> DomainName { try #require(DomainName("n\(number).example")) }

    @Test func newNamesAreAskedAtOnceAndFewAtATime() throws {
        var schedule = NameSchedule()
        #expect(schedule.deadline == nil)
        schedule.watch(Set(try (0..<20).map(name)), now: .seconds(5))
        #expect(schedule.deadline == .seconds(5))
        var asked: Set<DomainName> = []
        while let name = schedule.take(now: .seconds(5)) { asked.insert(name) }
        #expect(asked.count == NameSchedule.limit && schedule.deadline == nil)
        let first = try #require(asked.first)
        #expect(schedule.answered(first, timeToLive: .seconds(300), now: .seconds(6)) == .seconds(300))
        #expect(schedule.deadline == .seconds(5))
        schedule.watch([first], now: .seconds(6))
        #expect(schedule.deadline == .seconds(306), "the others are no longer wanted")
    }

    /// Many names are asked for less often than their TTLs say.
    @Test func theRateIsLimited() throws {
        var schedule = NameSchedule()
        schedule.watch(Set(try (0..<10_000).map(name)), now: .zero)
        let taken = schedule.take(now: .zero)
        let first = try #require(taken)
        #expect(schedule.answered(first, timeToLive: .seconds(60), now: .zero) == .seconds(1000))
    }

    @Test func failuresAreRepeatedLessAndLessOften() throws {
        var schedule = NameSchedule()
        let name = try name(1)
        schedule.watch([name], now: .zero)
        var now = Duration.zero
        var waits: [Int64] = []
        for _ in 0..<9 {
            #expect(schedule.take(now: now) == name)
            schedule.failed(name, now: now, share: 1024)
            let next = try #require(schedule.deadline)
            waits.append((next - now).components.seconds)
            #expect(schedule.take(now: now) == nil)
            now = next
        }
        #expect(waits == [15, 30, 60, 120, 240, 480, 960, 960, 960])
        schedule.retry(now: .seconds(10))
        #expect(schedule.deadline == .seconds(10))
        _ = schedule.take(now: now)
        schedule.watch([], now: now)
        schedule.failed(name, now: now, share: 1024)
        #expect(schedule.deadline == nil && schedule.count == 0)
    }
}
