import Addresses
import Configuration
import GREBonding
import NFTables
import NetlinkKit
import Testing

@testable import Controller

/// The table of lists and pins in a real kernel: SPILLWAY_KERNEL_TESTS=1.
@Suite(.kernel) struct PolicyKernelTests {
    /// What nft lists it must be able to load again; and what it was asked for is what is there.
    @Test func nftReadsIt() throws {
        let policy = PolicyTableTests.table()
        try inNewNamespace { state in
            var objects: [KernelObject] = [.ruleset(policy.ruleset())]
            objects += MatchSets(MatchSetsTests.items).elements.map { .contents(PolicyTable.set(.operator, $0), $1) }
            objects.append(.element(SharedSet(PolicyTable.open), Element(.raw([2]))))
            #expect(state.apply(objects, for: .policy))
            try shell("nft -j list ruleset")
            let listed = try shell("nft list ruleset")
            try shell("nft flush ruleset; nft -f - <<'END'\n\(listed)\nEND")
            #expect(try shell("nft list ruleset") == listed)
        }
    }

    /// The aggregation point's pins, as nft lists them.
    @Test func nftReadsPins() throws {
        let pins = [
            Pin(FilterItem(.dscp, description: "voice", value: "46"), .dsl),
            Pin(FilterItem(.destinationIP, description: "store", value: "203.0.113.0/28"), .lte),
            Pin(FilterItem(.sourceIPAndPort, description: "camera", value: "[2001:db8::1]:443"), .lte),
        ]
        let table = try #require(PinTable(pins, markMask: 0xF000_0000))
        #expect(PinTable([], markMask: 0xF000_0000) == nil)
        try inNewNamespace { state in
            #expect(state.apply([.ruleset(table.ruleset())], for: .policy))
            let listed = try shell("nft list ruleset")
            for part in [
                "ip saddr @pin_lte_saddr4 goto take_lte", "ip6 daddr . th dport @pin_lte_daddr_dport6 goto take_lte",
                "ip dscp @pin_dsl_dscp4 goto take_dsl", "203.0.113.0/28 comment \"store\"",
                "type filter hook postrouting priority mangle", "meta mark set meta mark & 0x0fffffff",
            ] { #expect(listed.contains(part), "\(part) in \(listed)") }
            try shell("nft flush ruleset; nft -f - <<'END'\n\(listed)\nEND")
            #expect(try shell("nft list ruleset") == listed)
        }
    }

    /// Other lists of the user's: what the operator's sets hold is never away, and what is no longer needed goes.
    @Test func otherListsLeaveTheRestAlone() throws {
        var settings = PolicyTableTests.settings()
        try inNewNamespace { state in
            func apply() {
                var objects: [KernelObject] = [.ruleset(PolicyTable(settings).ruleset())]
                objects += MatchSets(MatchSetsTests.items).elements.map { .contents(PolicyTable.set(.operator, $0), $1) }
                objects.append(.element(SharedSet(PolicyTable.open), Element(.raw([2]))))
                #expect(state.apply(objects, for: .policy))
            }
            apply()
            let before = try shell("nft list set inet spillway_policy operator_dport; nft list set inet spillway_policy bypass_open")
            let handle = "nft -a list set inet spillway_policy operator_dport | grep -o 'handle [0-9]*'"
            let number = try shell(handle)
            settings.exceptions = [FilterItem(.destinationPort, description: "stays, too", value: "23")]
            settings.pins = []
            settings.bypass = [FilterItem(.destinationIP, description: "past", value: "203.0.113.0/24")]
            apply()
            #expect(try shell(handle) == number, "the same set")
            #expect(
                try shell("nft list set inet spillway_policy operator_dport; nft list set inet spillway_policy bypass_open")
                    == before)
            let listed = try shell("nft list table inet spillway_policy")
            #expect(listed.contains("stays, too") && listed.contains("203.0.113.0/24 comment \"past\""))
            #expect(!listed.contains("voice") && !listed.contains("pin_dsl_dscp4"), "\(listed)")
            #expect(state.drift.isEmpty)
            let changes = state.changes
            state.suspectAll()
            state.restUntil = Instant(nanoseconds: 0)
            while !state.suspects.isEmpty { _ = state.mend(Clock.now()) }
            #expect(state.changes == changes && state.drift.isEmpty, "\(state.drift)")
        }
    }

    /// A thousand items come as one generation of the rule set, and go as one. The scenario `bypass-lists` has ten thousand.
    @Test func aThousandItemsAreOneTransaction() throws {
        let policy = PolicyTableTests.table()
        var items = (0..<400).map {
            FilterItem(
                .destinationIPAndPort, description: "pair \($0)", value: "198.18.\($0 / 250).\($0 % 250):\(1024 + $0 % 7)")
        }
        items += (0..<300).map {
            FilterItem(.destinationIP, description: "host \($0)", value: "198.19.\($0 / 250).\($0 % 250)")
        }
        items += (0..<250).map {
            FilterItem(
                .sourceIPAndPort, description: "pair \($0)", value: "[2001:db8:77::\(String($0, radix: 16))]:\(2000 + $0 % 5)")
        }
        items += (0..<50).map {
            FilterItem(
                .destinationIPRangeAndPort, description: "range \($0)",
                value: "2001:db8:77::\(String($0, radix: 16))0-2001:db8:77::\(String($0, radix: 16))9:\(2000 + $0 % 5)")
        }
        try inNewNamespace { state in
            func apply(_ elements: [MatchShape: [Element]]) throws -> UInt32 {
                let before = try state.tables.generation().id
                let contents = elements.map { KernelObject.contents(PolicyTable.set(.operator, $0), $1) }
                #expect(state.apply([.ruleset(policy.ruleset())] + contents, for: .policy))
                return try state.tables.generation().id &- before
            }
            func count() throws -> Int {
                try [MatchShape.destination4, .destinationAndPort4, .sourceAndPort6, .destinationAndPortRange6].reduce(0) {
                    try $0 + state.tables.elements(of: PolicyTable.set(.operator, $1)).count
                }
            }
            var elements = MatchSets(items).elements
            _ = try apply([:])
            #expect(try apply(elements) == 1)
            #expect(try count() == 1000)
            elements[.destinationAndPort4]?.removeAll { $0.comment == "pair 0" }
            #expect(try apply(elements) == 1)
            #expect(try count() == 999)
            let hit = try state.tables.elements(
                [[.ipv4(IPv4Address(198, 18, 1, 7)), .inetService(1024 + 257 % 7)], [.ipv4(IPv4Address(198, 18, 0, 0)), .inetService(1024)]],
                of: PolicyTable.set(.operator, .destinationAndPort4))
            #expect(hit[0]?.comment == "pair 257" && hit[1] == nil)
            let inside = try state.tables.elements(
                [[.ipv4(IPv4Address(198, 19, 1, 2))], [.ipv4(IPv4Address(198, 20, 1, 2))]],
                of: PolicyTable.set(.operator, .destination4))
            #expect(inside[0] == Element(.ipv4(IPv4Address(198, 19, 1, 2)), comment: "host 252") && inside[1] == nil)
            #expect(try apply([:]) == 1)
            #expect(try count() == 0)
        }
    }

    /// The same rules and sets, asked of the kernel.
    @Test func theKernelSaysTheSame() throws {
        let policy = PolicyDecisionTests.table
        try inNewNamespace { state in
            var objects: [KernelObject] = [.ruleset(policy.ruleset())]
            objects += MatchSets(MatchSetsTests.items).elements.map { .contents(PolicyTable.set(.operator, $0), $1) }
            objects += [UInt8](arrayLiteral: 2, 10).map { .element(SharedSet(PolicyTable.open), Element(.raw([$0]))) }
            #expect(state.apply(objects, for: .policy))
            for (item, match, miss) in PolicyDecisionTests.cases {
                for packet in [match, miss] {
                    let walk = try #require(try state.tables.follow(packet, through: PolicyTable.name, from: "choose"))
                    let decision = PolicyDecision(walk) { PolicyTable.way(mark: $0, policy.markMask) }
                    #expect(decision == (try PolicyDecisionTests.decide(packet)), "\(item)")
                }
            }
            #expect(try state.tables.follow(PolicyDecisionTests.packet(), through: PolicyTable.name, from: "nowhere") == nil)
        }
    }
}
