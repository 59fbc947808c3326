import Addresses
import GREBonding
import NFTables
import NetlinkKit
import Testing

@testable import Controller

/// What is told of a difference, and what a table needs to be as it was.
@Suite struct DriftTests {
    private func fields(_ drift: [Drift]) -> [String] { drift.map { "\($0.kind.rawValue) \($0.field)" } }

    // MARK: Addresses and routes

    private let lan = IPPrefix("2001:db8:a::1/64")!

    private func address(_ preferred: UInt32, _ valid: UInt32) -> InterfaceAddress {
        var address = InterfaceAddress(link: 3, address: lan, flags: .noDAD, protocol: 157)
        address.preferredLifetime = preferred
        address.validLifetime = valid
        return address
    }

    @Test func lifetimesCountDown() {
        #expect(address(99, 199).drift(from: address(100, 200), name: "lan").isEmpty)
        let both = address(5, 10).drift(from: address(100, 200), name: "lan")
        #expect(fields(both) == ["address valid", "address preferred"])
        #expect(fields(address(100, .max).drift(from: address(100, 200), name: "lan")) == ["address valid"])
        #expect(fields(address(.max, .max).drift(from: address(.max, 0xFFFF_FFFE), name: "lan")) == ["address valid"])
    }

    @Test func everyFieldOfAnAddress() {
        let wanted = address(.max, .max)
        var found = wanted
        found.scope = .link
        found.peer = lan.address
        found.routePriority = 7
        found.protocol = 3
        found.flags = .noPrefixRoute
        let expected = ["peer", "scope", "protocol", "metric", "flags"].map { "address \($0)" }
        #expect(fields(found.drift(from: wanted, name: "lan")) == expected)
        found = wanted
        found.protocol = 0
        found.flags = []
        #expect(found.drift(from: wanted, name: "lan").isEmpty, "an old kernel forgets it; DAD has ended")
    }

    @Test func everyFieldOfARoute() {
        let ours = RouteProtocol(rawValue: 157)
        let wanted = Route(to: .all(.v4), nextHops: [NextHop(link: 3)], table: 5300, protocol: ours)
        #expect(wanted.drift(from: wanted).isEmpty)
        let changes: [(String, (inout Route) -> Void)] = [
            ("type", { $0.type = .blackhole }), ("protocol", { $0.protocol = .static }),
            ("scope", { $0.scope = .host }),
            ("src", { $0.preferredSource = .v4(IPv4Address(10, 0, 0, 1)) }), ("tos", { $0.tos = 4 }),
            ("mtu", { $0.mtu = 1300 }), ("advmss", { $0.advertisedMSS = 1200 }), ("via", { $0.nextHops[0].link = 4 }),
        ]
        for (name, change) in changes {
            var found = wanted
            change(&found)
            #expect(fields(found.drift(from: wanted)) == ["route \(name)"])
        }
    }

    // MARK: Tables

    private static let table = TableName(.ip, "t")
    private static let map = NamedSet(table, "m", key: [.ipv4Address], data: .field(.ipv4Address), hasCounters: true)
    private static let filled = NamedSet(table, "f", key: [.ipv4Address], flags: [.dynamic, .timeout], timeout: 2000)

    private static func element(_ key: UInt8, _ data: UInt8) -> Element {
        Element(.ipv4(IPv4Address(10, 0, 0, key)), data: .value(.ipv4(IPv4Address(10, 9, 0, data))))
    }

    private var wanted: WantedTable {
        var ruleset = Ruleset(Table(.ip, "t", comment: "ours"))
        ruleset.sets = [Self.map, Self.filled]
        ruleset.counters = ["forged"]
        ruleset.chains = [Chain(Self.table, "base", hook: Hook(.filter, .prerouting, .raw)), Chain(Self.table, "more")]
        ruleset.rules = [
            ChainRule(Self.table, "base", .match(.ipProtocol, .equal(.gre)), .jump("more")),
            ChainRule(Self.table, "more", .counter, .drop, comment: "all"),
        ]
        var wanted = WantedTable(ruleset)
        wanted.add([Self.element(1, 1), Self.element(2, 2)], to: Self.map)
        return wanted
    }

    /// As the kernel would tell it.
    private var found: TableSnapshot {
        let ruleset = wanted.ruleset
        return TableSnapshot(
            generation: 7, table: ruleset.table, chains: ruleset.chains, rules: ruleset.rules, sets: ruleset.sets,
            elements: ["m": [Self.element(2, 2), Self.element(1, 1)], "f": [Element(.ipv4(IPv4Address(1, 1, 1, 1)))]],
            objects: [StatefulObject(Self.table, "forged", .counter(Counter(packets: 9, bytes: 900)))])
    }

    private func compare(_ change: (inout TableSnapshot) -> Void) -> (drift: [String], messages: Int) {
        var found = found
        change(&found)
        let comparison = TableComparison(wanted, found)
        #expect(comparison.transaction.problem == nil)
        return (fields(comparison.drift), comparison.transaction.messageCount)
    }

    @Test func aTableThatIsAsItWasMadeNeedsNothing() {
        let (drift, messages) = compare { found in
            // What counts and what rules add is no difference, and what others put beside it is theirs.
            found.chains.append(Chain(Self.table, "stranger", hook: Hook(.filter, .input, 7)))
            found.rules.append(ChainRule(Self.table, "stranger", .accept))
            found.sets.append(NamedSet(Self.table, "theirs", key: [.mark]))
            found.elements["theirs"] = [Element(.mark(1))]
            found.chains[0].handle = 12
            found.rules[0].handle = 13
        }
        #expect(drift == [] && messages == 0)
    }

    @Test func onlyWhatDiffersIsWritten() {
        let gone = TableComparison(wanted, nil)
        let whole = gone.transaction.messageCount
        #expect(gone.drift == [.gone(.table, "ip t")] && whole > 8)
        let changes: [(fields: [String], messages: Int, (inout TableSnapshot) -> Void)] = [
            (["element 10.0.0.2"], 1, { $0.elements["m"]?.removeFirst() }),
            (["element 10.0.0.3"], 1, { $0.elements["m"]?.append(Self.element(3, 3)) }),
            // Out and in.
            (["element 10.0.0.2"], 2, { $0.elements["m"]?[0] = Self.element(2, 9) }),
            (["element 10.0.0.1", "element 10.0.0.2"], 1, { $0.elements["m"] = nil }),
            (["counter presence"], 1, { $0.objects = [] }),
            (["chain policy"], 1, { $0.chains[0].hook?.policy = .drop }),
            (["table flags"], 1, { $0.table.flags = .dormant }),
            // The chain is emptied and filled again.
            (["rule count"], 2, { $0.rules.removeLast() }),
            (["rule count"], 2, { $0.rules.insert(ChainRule(Self.table, "more", .accept), at: 1) }),
            (["rule rule 1"], 2, { $0.rules[1] = ChainRule(Self.table, "more", .accept) }),
            // These cannot be changed: all is written anew.
            (["set definition"], whole, { $0.sets[0].hasCounters = false }),
            (["chain hook"], whole, { $0.chains[0].hook?.priority = 5 }),
        ]
        for (fields, messages, change) in changes {
            let (drift, count) = compare(change)
            #expect(drift == fields && count == messages, "\(drift), \(count)")
        }
    }

    /// A key may be read back as another case than it was written.
    @Test func keysAreToldApartByTheirBytes() {
        let values: [Value] = [
            .ipv4(IPv4Address(10, 0, 0, 1)), .ipv6(IPv6Address("2001:db8::1")!), .mark(1), .mark(0x0100_0000),
            .inetProtocol(47), .inetService(47), .interfaceName("lan0"), .integer(47), .integer(7, length: 3),
            .integer(7, length: 0), .raw([0, 0, 0, 0, 47]), .raw((0..<16).map { $0 }), .raw((0..<17).map { $0 }),
            .raw((1..<18).map { $0 }),
        ]
        for (at, value) in values.enumerated() {
            #expect(ValueBytes(value) == ValueBytes(.raw(value.bytes)), "\(value)")
            let key = ElementKey(Element(value)), other = ElementKey(Element(.raw(value.bytes)))
            #expect(key == other && key.hashValue == other.hashValue, "\(value)")
            #expect(ElementKey(Element(value, through: [.mark(9)])) != key)
            #expect(ElementKey(Element(value, value)) != key)
            for (place, another) in values.enumerated() where place != at {
                #expect(ElementKey(Element(another)) != key, "\(another) \(value)")
            }
        }
        let range = Element(values[0], .mark(1), through: [values[4], values[5]])
        #expect("\(ElementKey(range))" == "10.0.0.1 . 0x01000000-47 . 47")
    }

    /// What the kernel never lists, and nobody wants: each is told of, and nothing traps.
    @Test func elementsThatAreTwice() {
        let twice = compare { $0.elements["m"] = [Self.element(1, 9), Self.element(2, 2), Self.element(1, 1)] }
        #expect(twice.drift == [] && twice.messages == 0, "the last one holds")
        var wanted = wanted
        wanted.add(Self.element(2, 2), to: Self.map)
        #expect(fields(TableComparison(wanted, found).drift) == ["element 10.0.0.2"])
    }

    @Test func ofSetsWithTimesOnlyTheKeysCount() {
        let timed = NamedSet(Self.table, "names", key: [.ipv4Address], flags: .timeout)
        var ruleset = Ruleset(Table(.ip, "t"))
        ruleset.sets = [timed]
        var wanted = WantedTable(ruleset)
        func element(_ number: UInt8, _ time: UInt64) -> Element {
            Element(.ipv4(IPv4Address(10, 0, 0, number)), timeout: time)
        }
        var found = TableSnapshot(
            generation: 1, table: ruleset.table, chains: [], rules: [], sets: [timed],
            elements: ["names": [element(1, 900)]], objects: [])
        #expect(TableComparison(wanted, found).drift.isEmpty, "nobody says what it holds")
        wanted.add([element(1, 1000)], to: timed)
        #expect(TableComparison(wanted, found).drift.isEmpty)
        found.elements = [:]
        #expect(fields(TableComparison(wanted, found).drift) == ["element 10.0.0.1"])
    }

    // MARK: Plans

    @Test func allPlansAreLookedAtWithinASecond() {
        for count in [1, 100, 101, 10_000] {
            var checks = PlanChecks()
            let all = (0..<count).map(String.init)
            var now = Instant(nanoseconds: 5_000_000_000)
            var seen: Set<String> = []
            while seen.count < count {
                let taken = checks.take(now) { all }
                #expect(!taken.isEmpty && taken.count <= max(PlanChecks.leastBatch, count / 8))
                seen.formUnion(taken)
                let early = checks.take(now) { all }
                #expect(early.isEmpty, "not due yet")
                now = checks.due ?? now
            }
            #expect(now - Instant(nanoseconds: 5_000_000_000) <= .milliseconds(PlanChecks.round))
        }
    }
}

/// Which objects are looked at again.
@Suite struct ObjectIndexTests {
    @Test func objectsAreFoundByWhatIsAnnounced() {
        var index = ObjectIndex()
        let route = RouteToDevice(.all(.v4), link: "bond0", table: 5300, protocol: RouteProtocol(rawValue: 157))
        let ruleset = Ruleset(Table(.ip, "t"))
        let objects: [KernelObject] = [
            .reversePathFilter(link: "dsl", .loose), .route(route), .ruleset(ruleset),
            .rule(Rule(.v4, priority: 5300, .lookup(table: 5300))),
        ]
        index.replace([], by: objects, of: .bond(7))
        index.replace([], by: [.reversePathFilter(link: "dsl", .loose)], of: .base)
        #expect(index.links == ["dsl": [.bond(7), .base], "bond0": [.bond(7)]])
        #expect(index.routes[.route(table: 5300, .all(.v4))] == .bond(7))
        #expect(index.tables == [ruleset.table.id: .bond(7)] && index.ruled == [.bond(7)])
        index.replace(objects, by: Array(objects.prefix(1)), of: .bond(7))
        #expect(index.links == ["dsl": [.bond(7), .base]])
        #expect(index.routes.isEmpty && index.tables.isEmpty && index.ruled.isEmpty)
    }

    @Test func aDeviceThatWasDownIsToldOnce() {
        var index = ObjectIndex()
        var told: [Bool] = []
        for isUp in [true, false, true, true] { told.append(index.isUp("dsl", isUp)) }
        #expect(told == [false, false, true, false] && index.down.isEmpty)
    }
}
