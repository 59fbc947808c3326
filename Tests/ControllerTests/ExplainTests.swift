import Addresses
import CScheduler
import Foundation
import GREBonding
import NFTables
import NetlinkKit
import Testing

@testable import Controller

@Suite struct AskedFlowTests {
    @Test func whatAPersonTypes() throws(Flow.Problem) {
        var flow = try Flow("udp", from: "192.168.1.20:5060", to: "203.0.113.9")
        #expect(flow.ipProtocol == 17 && flow.source == IPAddress("192.168.1.20") && flow.sourcePort == 5060)
        #expect(flow.destination == IPAddress("203.0.113.9") && flow.destinationPort == nil)
        try flow.add(dscp: "46", mac: "02-00-5e-10-00-01", interface: "br-lan")
        #expect(flow.words == "17 192.168.1.20:5060 203.0.113.9 dscp=46 mac=02:00:5e:10:00:01 interface=br-lan")
        let six = try Flow("6", from: "[2001:db8::20]:1", to: "2001:db8::9")
        #expect(six.sourcePort == 1 && six.words == "6 [2001:db8::20]:1 2001:db8::9")
        #expect(try Flow("97", from: "[2001:db8::1]", to: "2001:db8::2").source == IPAddress("2001:db8::1"))
    }

    @Test(arguments: [
        ("nothing", "192.0.2.1", "192.0.2.2"), ("256", "192.0.2.1", "192.0.2.2"), ("udp", "192.0.2.1", "2001:db8::1"),
        ("udp", "192.0.2.1:", "192.0.2.2"), ("udp", "192.0.2.1:65536", "192.0.2.2"),
        ("udp", "192.0.2.1:x", "192.0.2.2"),
        ("udp", "host", "192.0.2.2"), ("udp", "", "192.0.2.2"), ("udp", "[2001:db8::1", "2001:db8::2"),
        ("udp", "[2001:db8::1]5", "2001:db8::2"), ("udp", "[192.0.2.1]:5", "192.0.2.2"),
        ("gre", "192.0.2.1:5", "192.0.2.2"),
        ("udp", "192.0.2.1:+5", "192.0.2.2"),
    ])
    func nonsense(_ text: (String, String, String)) {
        #expect(throws: Flow.Problem.self) { try Flow(text.0, from: text.1, to: text.2) }
    }

    @Test func optionsThatAreWrong() throws {
        var flow = try Flow("udp", from: "192.0.2.1", to: "192.0.2.2")
        #expect(throws: Flow.Problem.self) { try flow.add(dscp: "64") }
        #expect(throws: Flow.Problem.self) { try flow.add(mac: "02:00:5e:10:00") }
        #expect(throws: Flow.Problem.self) { try flow.add(interface: "sixteen-bytes-xx") }
        #expect(throws: Flow.Problem.self) { try flow.add(interface: "a b") }
    }
}

/// What the rules of ``PolicyTable`` are read as, without a kernel: sets are asked here.
@Suite struct PolicyDecisionTests {
    static let lan = "lan"
    static let table: PolicyTable = {
        var table = PolicyTableTests.table()
        table.sets[.pinLTE] = MatchSets([FilterItem(.destinationPort, description: "backup", value: "7300")])
        table.sets[.pinDSL] = MatchSets([FilterItem(.dscp, description: "voice", value: "40")])
        return table
    }()
    /// One packet that an item of ``MatchSetsTests/items`` is about, by its description, and one that it just is not.
    static let cases: [(item: String, match: SamplePacket, miss: SamplePacket)] = [
        ("dscp", packet(dscp: 46), packet(dscp: 45)),
        ("dscp", packet(6, dscp: 46), packet(6, dscp: 47)),
        ("dport", packet(dport: 8080), packet(dport: 8081)),
        ("daddr", packet(to: "203.0.113.31"), packet(to: "203.0.113.32")),
        ("daddr6", packet(6, to: "2001:db8:5::1f"), packet(6, to: "2001:db8:5::20")),
        ("daddr port", packet(to: "203.0.113.40", dport: 443), packet(to: "203.0.113.40", dport: 444)),
        ("sport", packet(sport: 6000), packet(sport: 6001)),
        ("saddr", packet(from: "192.168.2.67"), packet(from: "192.168.2.68")),
        ("saddr port", packet(6, from: "2001:db8:a::46", sport: 5000), packet(6, from: "2001:db8:a::46", sport: 5001)),
        ("mac", packet(mac: [2, 0, 0x5E, 0x10, 0, 1]), packet(mac: [2, 0, 0x5E, 0x10, 0, 2])),
        ("protocol", packet(protocol: 97), packet(protocol: 98)),
        ("saddr range", packet(from: "192.168.2.90"), packet(from: "192.168.2.91")),
        ("daddr range", packet(to: "203.0.113.100"), packet(to: "203.0.113.99")),
        ("saddr range port", packet(from: "192.168.2.110", sport: 5510), packet(from: "192.168.2.110", sport: 5511)),
        ("daddr range port", packet(to: "203.0.113.130", dport: 9000), packet(to: "203.0.113.131", dport: 9000)),
    ]

    static func packet(
        _ version: Int = 4, from source: String? = nil, to destination: String? = nil, protocol number: UInt8 = 17,
        sport: UInt16 = 20_000, dport: UInt16 = 40_000, dscp: UInt8 = 0, mac: [UInt8]? = [2, 0, 0, 0, 0, 1]
    ) -> SamplePacket {
        let ends = version == 4 ? ("192.168.2.10", "203.0.113.2") : ("2001:db8:a::10", "2001:db8:5::2")
        var packet = SamplePacket(
            from: IPAddress(source ?? ends.0)!, to: IPAddress(destination ?? ends.1)!, ipProtocol: number,
            sourcePort: sport, destinationPort: dport, dscp: dscp, hardwareAddress: mac)
        packet.input = lan
        return packet
    }

    /// The table with the operator's items, a name's address, and both families' ways open.
    static func decide(
        _ packet: SamplePacket, open: [UInt8] = [2, 10], _ more: [(NamedSet, Element)] = []
    ) throws -> PolicyDecision {
        let ruleset = table.ruleset()
        var elements: [String: [Element]] = [:]
        for contents in ruleset.elements { elements[contents.set.name, default: []] += contents.elements }
        for (shape, found) in MatchSets(MatchSetsTests.items).elements {
            elements[PolicyTable.set(.operator, shape).name, default: []] += found
        }
        elements[PolicyTable.open.name] = open.map { Element(.raw([$0])) }
        for (set, element) in more { elements[set.name, default: []].append(element) }
        let walk = try RuleWalk(packet, ruleset.rules, from: "choose") { name, register in
            elements[name]?.first { holds($0, register) }
        }
        return PolicyDecision(walk) { PolicyTable.way(mark: $0, table.markMask) }
    }

    /// Field by field, each in registers of its own.
    private static func holds(_ element: Element, _ register: [UInt8]) -> Bool {
        var at = 0
        for (low, high) in zip(element.key, element.upper ?? element.key) {
            let bytes = Array(register[at..<at + low.bytes.count])
            guard !bytes.lexicographicallyPrecedes(low.bytes), !high.bytes.lexicographicallyPrecedes(bytes) else {
                return false
            }
            at += (low.bytes.count + 3) / 4 * 4
        }
        return true
    }

    @Test func eachTypeIsFoundByItsItem() throws {
        #expect(Set(Self.cases.map(\.item)).count == MatchSetsTests.items.count - 1, "all but the name")
        for (item, match, miss) in Self.cases {
            let found = try Self.decide(match)
            #expect(found.basis == .list(.operator) && found.way == .bypass && found.item == item, "\(item)")
            let other = try Self.decide(miss)
            #expect(other.basis == .noItem && other.way == nil && other.found == nil, "just not \(item)")
        }
    }

    @Test func aNameIsFoundByItsAddress() throws {
        var element = Element(.ipv4(IPv4Address(203, 0, 113, 60)), comment: "*.example.net (www.example.net)")
        element.expiration = 59_500
        let names = [(PolicyTable.names(.operator, .v4), element)]
        let found = try Self.decide(Self.packet(to: "203.0.113.60"), names)
        #expect(found.item == "*.example.net (www.example.net)" && found.left == 59_500)
        #expect(found.text.contains("203.0.113.60 is an address of *.example.net (www.example.net) for 59 s more"))
        #expect(try Self.decide(Self.packet(to: "203.0.113.61"), names).basis == .noItem)
    }

    @Test func theFirstListDecides() throws {
        let pinned = try Self.decide(Self.packet(to: "203.0.113.31", dport: 22, dscp: 40))
        #expect(pinned.basis == .list(.pinDSL) && pinned.way == .dsl && pinned.item == "voice")
        #expect(try Self.decide(Self.packet(dport: 7300)).way == .lte)
        let excepted = try Self.decide(Self.packet(to: "203.0.113.31", dport: 22))
        #expect(excepted.basis == .list(.exception) && excepted.way == nil && excepted.item == "stays")
    }

    @Test func withoutAWayItStays() throws {
        let found = try Self.decide(Self.packet(dport: 8080), open: [10])
        #expect(found.basis == .list(.operator) && found.isClosed && found.way == nil)
        #expect(try Self.decide(Self.packet(6, dport: 8080), open: [10]).way == .bypass)
    }

    @Test func aFlowThatRunsKeepsItsWay() throws {
        let table = Self.table
        var packet = Self.packet()
        packet.connectionStatus = 8
        #expect(try Self.decide(packet).basis == .undecidedConnection)
        packet.connectionMark = table.mark(.bypass) | 5
        let found = try Self.decide(packet)
        #expect(found.basis == .connection && found.way == .bypass && found.found == nil)
        packet.input = "eth7"
        #expect(try Self.decide(packet).basis == .notOfLAN)
    }

    @Test func whatIsNotKnownIsSaid() throws {
        let found = try Self.decide(Self.packet(mac: nil))
        #expect(found.basis == .noItem && found.notAsked == ["operator_mac"])
        var bare = SamplePacket(from: IPAddress("192.168.2.10")!, to: IPAddress("203.0.113.40")!, ipProtocol: 17)
        bare.input = Self.lan
        let sets = try Self.decide(bare).notAsked
        #expect(sets.contains("operator_dport") && sets.contains("operator_daddr_dport4"))
        #expect(!sets.contains("operator_daddr4"))
    }
}

@Suite struct LegChoiceTests {
    private func leg(_ mark: UInt32) -> LegID? {
        switch mark & 0xF000_0000 {
        case 0x1000_0000: .primary
        case 0x2000_0000: .secondary
        default: nil
        }
    }

    /// The filters that ``KernelState`` makes of a colouring.
    private func filters(_ actions: [[Action.Kind]], pins: [(mark: UInt32, [Action.Kind])] = []) -> [Filter] {
        func filter(_ priority: Int, _ handle: UInt32, _ classifier: Classifier, _ kinds: [Action.Kind]) -> Filter {
            Filter(
                link: 1, parent: .egress, priority: UInt16(priority), handle: handle, classifier,
                actions: kinds.map { Action($0) })
        }
        return actions.enumerated().map { filter(2 * $0 + 2, 1, .matchall, $1) }
            + pins.enumerated().map { filter(2 * $0 + 1, $1.0, .fw(mask: 0xF000_0000), $1.1) }
    }

    private func colouring(_ primary: UInt32, _ secondary: UInt32, limits: [UInt64] = [0, 0]) -> Colouring {
        var colouring = Colouring(
            primary: primary << 28, secondary: secondary << 28, mask: 0xF000_0000, rate: 1_000_000, burst: 10_000,
            overhead: 46)
        colouring.legs = primary == secondary ? primary : 3
        colouring.limits = limits
        return colouring
    }

    @Test func police() throws {
        let both = try #require(LegChoice(FilterFate(filters(colouring(1, 2).actions), mark: 0), leg: leg))
        #expect(both.leg == .primary && both.beyond == .secondary && both.legs == [.primary, .secondary])
        #expect(both.chooser == .filters(rate: 1_000_000))
        let alone = try #require(LegChoice(FilterFate(filters(colouring(2, 2).actions), mark: 0), leg: leg))
        #expect(alone.leg == .secondary && alone.beyond == nil && alone.legs == [.secondary] && !alone.dropsBeyond)
        let limited = colouring(1, 1, limits: [500_000, 0])
        let one = try #require(LegChoice(FilterFate(filters(limited.actions), mark: 0), leg: leg))
        #expect(one.leg == .primary && one.dropsBeyond && one.chooser == .filters(rate: 500_000))
        #expect(LegChoice(FilterFate([], mark: 0), leg: leg) == nil)
    }

    @Test func whatIsPinnedKeepsToItsLeg() throws {
        let actions = colouring(1, 2).actions
        let all = filters(actions, pins: [(0x2000_0000, actions[1]), (0x1000_0000, [actions[0][1]])])
        let second = try #require(LegChoice(FilterFate(all, mark: 0x2000_0007), leg: leg))
        #expect(second.leg == .secondary && second.legs == [.secondary])
        #expect(FilterFate(all, mark: 0x2000_0007) == .marked(0x2000_0007), "other bits of the mark stay")
        let first = try #require(LegChoice(FilterFate(all, mark: 0x1000_0000), leg: leg))
        #expect(first.leg == .primary && first.beyond == nil && first.legs == [.primary], "within the rate or not")
        #expect(LegChoice(FilterFate(all, mark: 0), leg: leg)?.beyond == .secondary)
    }

    @Test func aProgramIsNamed() {
        let filter = Filter(link: 1, parent: .egress, priority: 1, handle: 1, .bpf(descriptor: -1, name: "spillway"))
        #expect(FilterFate([filter], mark: 0) == .program("spillway"))
    }

    private func plan(_ change: (inout scheduler_plan, inout scheduler_state) -> Void = { _, _ in }) -> LegChoice {
        var plan = scheduler_plan(), state = scheduler_state()
        plan.legs = 3
        plan.mark = (0x1000_0000, 0x2000_0000)
        plan.mask = 0xF000_0000
        plan.pin_mask = plan.mask
        plan.patience = 20_000
        plan.second_end = .max
        change(&plan, &state)
        return LegChoice(plan, state, now: 1_000_000, mark: state.sparse == 99 ? 0x2000_0000 : 0)
    }

    @Test func queue() {
        #expect(plan().leg == .primary)
        #expect(plan { _, state in state.free.0 = 1_020_000 }.leg == .primary)
        let waiting = plan { _, state in state.free.0 = 1_020_001 }
        #expect(waiting.leg == .secondary && waiting.chooser == .queue(wait: 20_001, patience: 20_000))
        #expect(plan { plan, state in (state.free.0, plan.burst.0) = (1_020_001, 10) }.leg == .primary)
        #expect(plan { _, state in state.free = (1_030_000, 1_040_000) }.leg == .primary, "LTE is busier")
        let tried = { (bytes: UInt64) in
            plan { plan, state in (state.free.0, state.bytes.1, plan.second_end) = (1_020_001, bytes, 4000) }
        }
        #expect(tried(2500).leg == .secondary && tried(2500).isOnTrial)
        #expect(tried(2501).leg == .primary && tried(2501).isOnTrial, "as much as may be given before its rate is known")
        #expect(plan { plan, _ in plan.legs = 2 }.leg == .secondary)
        let pinned = plan { _, state in state.sparse = 99 }
        #expect(pinned.leg == .secondary && pinned.isPinned)
    }

    @Test func shares() {
        let hashed = plan { plan, _ in plan.flow_share = 21_845 }
        #expect(hashed.leg == nil && hashed.chooser == .hash(share: 21_845))
        #expect(plan { plan, state in (plan.packet_share, state.balance) = (100, 1) }.leg == .secondary)
        #expect(plan { plan, state in (plan.packet_share, state.balance) = (100, 0) }.leg == .primary)
    }
}
