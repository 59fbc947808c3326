import Addresses
import CScheduler
import Configuration
import GREBonding
import NFTables
import NetlinkKit
import Testing

@testable import Controller

/// Objects of ours in a real kernel, and strangers with `ip`, `tc` and `nft`: SPILLWAY_KERNEL_TESTS=1.
@Suite(.serialized, .kernel) struct ReconciliationKernelTests {
    static let number = RouteProtocol(rawValue: 157)
    static let h = IPAddress.v4(IPv4Address(10, 9, 0, 1))
    static let outer = OuterTable(
        family: .v4, canonical: .v4(IPv4Address(192, 0, 0, 8)),
        legs: [
            .init(id: .primary, label: "dsl", interface: "dsl"), .init(id: .secondary, label: "lte", interface: "lte"),
        ], source: .perLeg, markMask: 0xF000_0000, queues: 5300...5300, controlProtocol: 0xB7EA, overflowHold: 2000)

    /// How packets get their legs.
    enum Variant: CaseIterable {
        case police, pins, limits, oneLeg, queue
    }

    static func colouring(_ variant: Variant) -> Colouring {
        let distribution: Bond.Distribution = variant == .oneLeg ? .only(.secondary) : .overflow(.primary, .secondary)
        let limits: [LegID: BitRate] = variant == .limits ? [.secondary: BitRate(kilobitsPerSecond: 9000)] : [:]
        return Colouring(
            distribution, table: outer, rate: 6_250_000, burst: 25_000, overhead: 46, secondaryOverhead: 46,
            queues: variant == .queue, policy: LegPolicy(.overflow, limits: limits, weights: nil, rates: (nil, nil)),
            pins: variant == .pins)
    }

    /// One time for all: objects that are made twice are the same.
    private static let soon = Clock.now() + .seconds(10_000)

    static func objects(_ variant: Variant) -> [KernelObject] {
        let own = IPv4Address(10, 1, 0, 2), other = IPv4Address(10, 2, 0, 2)
        let legs: [LegID: IPAddress] = [.primary: .v4(own), .secondary: .v4(other)]
        let bond = Bond(
            sessionID: 1, key: 0x5A5A_2A36, aggregator: h, legs: legs, distribution: .overflow(.primary, .secondary),
            committedInformationRate: 50_000, client: ClientIdentificationName("gateway-1")!)
        let prefix = IPPrefix("2001:db8:a::/56")!
        var objects = BondObjects(
            outer: outer, sets: outer.bondSets(), device: "bond0", canonicalRemote: .v4(IPv4Address(192, 0, 0, 9)),
            mtu: 1468, alias: "spillway bond", receiveFrom: legs.mapValues { _ in h }, sendTo: legs.mapValues { _ in h },
            sendFrom: legs, colouring: colouring(variant)
        ).objects(bond)
        objects += [
            .reversePathFilter(link: "bond0", .loose), .reversePathFilter(link: "dsl", .loose),
            .address(link: "bond0", IPPrefix("100.64.0.2/32")!),
            .address(link: "bond0", IPPrefix("2001:db8:c::1/128")!),
            .address(
                link: "lan", IPPrefix("2001:db8:a::1/64")!,
                LeasedAddress(preferredUntil: soon, validUntil: soon + .seconds(1000), protocol: 157)),
            .route(.unreachable(prefix, protocol: number)),
            .route(RouteToDevice(.all(.v4), link: "bond0", table: 5300, protocol: number)),
            .route(RouteToDevice(.all(.v6), link: "bond0", table: 5300, protocol: number)),
            .route(RouteToDevice(IPPrefix("198.51.100.0/24")!, link: "bond0", protocol: number)),
            .route(
                RouteToDevice(
                    IPPrefix(host: h), link: "dsl", gateway: .v4(IPv4Address(10, 1, 0, 1)), table: 5301,
                    protocol: number)),
            .element(SharedSet(outer.guarded), .init(outer.value(h))), .ruleset(SegmentTable.fixed(mtu: 1468)),
        ]
        var better = Rule(.v4, priority: 5308, .lookup(table: Route.mainTable), inputLink: "lan", protocol: number)
        better.suppressPrefixLength = 0
        objects += [
            .rule(better), .rule(Rule(.v4, priority: 5310, .lookup(table: 5300), inputLink: "lan", protocol: number)),
            .rule(Rule(.v6, priority: 5310, .lookup(table: 5300), from: prefix, protocol: number)),
            .rule(
                Rule(
                    .v4, priority: 5309, .lookup(table: 5303), inputLink: "lan",
                    mark: .init(0x3000_0000, mask: 0xF000_0000), protocol: number)),
        ]
        return objects
    }

    /// A gateway's objects in a namespace of their own, and what is announced there.
    private func withBond(_ variant: Variant, _ body: (KernelState, Monitor, NFTablesMonitor) throws -> Void) throws {
        try inNewNamespace { (state) throws -> Void in
            for (name, network) in [("dsl", 1), ("lte", 2), ("lan", 3)] {
                try shell("ip link add \(name) type dummy && ip addr add 10.\(network).0.2/24 dev \(name)")
                try shell("ip link set \(name) up")
            }
            let monitor = try Monitor(KernelState.groups, ignoring: state.port)
            let (tables, _) = try NFTablesMonitor.open()
            let canonical = CanonicalDevice.objects(
                local: .v4(IPv4Address(192, 0, 0, 8)), remote: IPPrefix("192.0.0.9/32")!, protocol: 157)
            let tablesOfAll = [KernelObject.ruleset(Self.outer.ruleset()), .ruleset(SourceTable.ruleset())]
            #expect(state.apply(canonical + tablesOfAll, for: .base))
            #expect(state.apply(Self.objects(variant), for: .bond(0)))
            try body(state, monitor, tables)
            state.clear()
        }
    }

    /// Looks at what is suspected until nothing is. Its rests are not waited for.
    private func settle(_ state: KernelState) {
        for _ in 0..<20 where !state.suspects.isEmpty {
            state.restUntil = Instant(nanoseconds: 0)
            _ = state.mend(Clock.now())
        }
        #expect(state.suspects.isEmpty)
    }

    @Test(arguments: Variant.allCases) func whatIsAsItWasMadeIsNotWritten(_ variant: Variant) throws {
        try withBond(variant) { state, monitor, tables in
            state.heard(try monitor.receive())
            state.heard(try tables.events())
            settle(state)
            #expect(state.drift.isEmpty, "\(state.drift)")
            let changes = state.changes
            state.suspectAll()
            settle(state)
            #expect(state.drift.isEmpty && state.changes == changes)
            #expect(variant != .queue || Set(state.scheduled.keys) == ["bond0"], "the kernel took the queue")
        }
    }

    /// Commands that list what a change is seen in.
    private func listing(_ change: Change) -> String {
        let links = "link show dev bond0\nlink show dev spillway0\naddr show\nroute show table all\nrule show\n"
        let ip = "printf '\(links)' | ip -j -d -N -batch -"
        let ip6 = "printf 'route show table all\nrule show\n' | ip -6 -j -N -batch -"
        let tc = "printf 'qdisc show dev bond0\nfilter show dev bond0 egress\n' | tc -j -batch -"
        let commands: [String]
        switch (change.kind, change.command.split(separator: " ").first) {
        case (_, "nft"): commands = ["nft -s list ruleset"]
        case (_, "tc"): commands = [tc]
        case (.sysctl, _): commands = ["cd /proc/sys/net/ipv4/conf && cat dsl/rp_filter bond0/rp_filter"]
        case (.link, _) where change.field == "presence": commands = [ip, ip6, tc]
        case (.link, _) where change.field != "up" && change.field != "name": commands = [ip]
        default: commands = [ip, ip6]
        }
        return commands.joined(separator: "; ")
    }

    /// What commands list, without what the kernel counts and numbers. Sorted, as what was made anew comes last.
    private func view(_ listing: String) throws -> String {
        try shell(
            listing,
            through: #"""
            sed -E '
            s/"(ifindex|link_index|index|handle|expires)":"?[0-9a-fx:]+"?,?//g
            s/"(valid|preferred)_life_time":[0-9]+,?//g
            s/"(installed|last_used|first_used|ref|bind|rx|pref|tag|jited|tentative)":[0-9a-z"]+,?//g
            s/"(id|inet6_addr_gen_mode)":"?[0-9a-z]+"?,?//g
            s/"[0-9a-f]{2}(:[0-9a-f]{2}){5}"//g
            s/"fe80[0-9a-f:]*"//g' | tr '{' '\n' | sed -E 's/^ +//; s/[],} ]+$//' | sort
            """#)
    }

    struct Change: CustomTestStringConvertible {
        var kind: Drift.Kind
        var field: String
        var command: String
        var variant = Variant.police

        init(_ kind: Drift.Kind, _ field: String, _ command: String, _ variant: Variant = .police) {
            self.kind = kind
            self.field = field
            self.command = command
            self.variant = variant
        }

        var testDescription: String { command }
    }

    private static let changes: [Change] = [
        Change(.link, "mtu", "ip link set bond0 mtu 1300"), Change(.link, "alias", "ip link set bond0 alias theirs"),
        Change(.link, "group", "ip link set bond0 group 7"), Change(.link, "up", "ip link set bond0 down"),
        Change(.link, "name", "ip link set bond0 down; ip link set bond0 name theirs"),
        Change(.link, "remote", "ip link set bond0 type gre remote 192.0.0.77"),
        Change(.link, "local", "ip link set bond0 type gre local 192.0.0.78"),
        Change(.link, "input-key", "ip link set bond0 type gre ikey 1"),
        Change(.link, "output-key", "ip link set bond0 type gre okey 1"),
        Change(.link, "output-sequence", "ip link set bond0 type gre noseq"),
        Change(.link, "input-checksum", "ip link set bond0 type gre icsum"),
        Change(.link, "ttl", "ip link set bond0 type gre ttl 3"),
        Change(.link, "tos", "ip link set bond0 type gre tos 4"),
        Change(.link, "fwmark", "ip link set bond0 type gre fwmark 4"),
        Change(.link, "presence", "ip link del bond0"), Change(.link, "mtu", "ip link set spillway0 mtu 1400"),
        Change(.link, "presence", "ip link del spillway0"),
        Change(.sysctl, "rp_filter", "echo 1 > /proc/sys/net/ipv4/conf/dsl/rp_filter"),
        Change(.sysctl, "rp_filter", "echo 0 > /proc/sys/net/ipv4/conf/bond0/rp_filter"),
        Change(.address, "presence", "ip addr del 100.64.0.2/32 dev bond0"),
        Change(.address, "presence", "ip addr del 2001:db8:a::1/64 dev lan"),
        Change(.address, "presence", "ip addr flush dev bond0 scope global"),
        Change(.address, "presence", "ip link set lan down; ip link set lan up"),
        Change(.address, "valid", "ip addr change 2001:db8:a::1/64 dev lan valid_lft 50 preferred_lft 20"),
        Change(.address, "preferred", "ip addr change 2001:db8:a::1/64 dev lan valid_lft 2000 preferred_lft 0"),
        Change(.route, "presence", "ip route del default table 5300"),
        Change(.route, "presence", "ip -6 route del default table 5300"),
        Change(.route, "presence", "ip route flush table 5301"),
        Change(.route, "presence", "ip route del 198.51.100.0/24"),
        Change(.route, "presence", "ip -6 route flush proto 157"),
        Change(.route, "via", "ip route replace default dev lte table 5300 proto 157"),
        Change(.route, "protocol", "ip route replace default dev bond0 table 5300 proto static"),
        Change(.route, "type", "ip route replace blackhole default table 5300 proto 157"),
        Change(.route, "mtu", "ip route replace default dev bond0 table 5300 proto 157 mtu 1300"),
        Change(.route, "via", "ip -6 route replace default dev lte table 5300 proto 157"),
        Change(.route, "presence", "ip link set dsl down; ip link set dsl up"),
        Change(.rule, "presence", "ip rule del priority 5308"),
        Change(.rule, "presence", "ip -6 rule del priority 5310"),
        Change(
            .rule, "presence",
            "ip rule flush; for i in 6:main 7:default; do "
                + "ip rule add priority 3276${i%:*} lookup ${i#*:} proto kernel; done"),
        Change(.table, "presence", "nft delete table ip spillway"), Change(.table, "presence", "nft flush ruleset"),
        Change(.table, "flags", "nft add table ip spillway '{ flags dormant; }'"),
        Change(.chain, "policy", "nft add chain ip spillway send '{ policy drop; }'"),
        Change(.chain, "presence", "nft flush chain ip spillway answer; nft delete chain ip spillway answer"),
        Change(.rule, "count", "nft flush chain ip spillway send"),
        Change(.rule, "count", "nft insert rule ip spillway receive drop"),
        Change(.rule, "count", "nft add rule inet spillway_mss forward accept"),
        Change(.set, "presence", "nft flush table ip spillway; nft delete set ip spillway bonded"),
        Change(.counter, "presence", "nft flush table ip spillway; nft delete counter ip spillway forged"),
        Change(.element, "192.0.0.9", "nft delete element ip spillway dsl_to '{ 192.0.0.9 }'"),
        Change(.element, "192.0.0.77", "nft add element ip spillway bonded '{ 192.0.0.77 }'"),
        Change(
            .element, "192.0.0.9",
            """
            nft 'delete element ip spillway lte_to { 192.0.0.9 }
            add element ip spillway lte_to { 192.0.0.9 : 6.6.6.6 }'
            """),
        Change(.element, "192.0.0.9", "nft flush map ip spillway dsl_from"),
        Change(.qdisc, "presence", "tc qdisc del dev bond0 clsact"),
        Change(.qdisc, "kind", "tc qdisc del dev bond0 clsact; tc qdisc add dev bond0 ingress"),
        Change(.filter, "presence", "tc filter del dev bond0 egress"),
        Change(.filter, "presence", "tc filter del dev bond0 egress pref 1"),
        Change(.filter, "presence", "tc filter del dev bond0 egress pref 3", .pins),
        Change(
            .filter, "handle",
            "tc filter del dev bond0 egress pref 3; tc filter add dev bond0 egress pref 3 handle 7 fw action drop",
            .pins),
        Change(
            .filter, "classifier",
            "tc filter del dev bond0 egress pref 1; tc filter add dev bond0 egress pref 1 handle 1 fw action drop"),
        Change(
            .filter, "actions",
            "tc filter del dev bond0 egress pref 2; tc filter add dev bond0 egress pref 2 matchall action drop"),
        Change(
            .action, "rate",
            "tc actions change action police rate 1mbit burst 9k conform-exceed continue/pipe index POLICE"),
        Change(.action, "mark", "tc actions change action skbedit mark 7 index SKBEDIT"),
        Change(.qdisc, "kind", "tc qdisc replace dev bond0 root pfifo", .queue),
        Change(.qdisc, "limit", "tc qdisc change dev bond0 root fq limit 5", .queue),
        Change(.qdisc, "flow-limit", "tc qdisc change dev bond0 root fq flow_limit 5", .queue),
        Change(.qdisc, "pacing", "tc qdisc change dev bond0 root fq pacing", .queue),
        Change(.qdisc, "buckets-log", "tc qdisc change dev bond0 root fq buckets 64", .queue),
        Change(.filter, "presence", "tc filter del dev bond0 egress", .queue),
        Change(
            .filter, "classifier",
            "tc filter del dev bond0 egress; tc filter add dev bond0 egress pref 1 matchall action drop", .queue),
    ]

    @Test(arguments: Variant.allCases) func whatStrangersChangeIsPutBack(_ variant: Variant) throws {
        try withBond(variant) { state, monitor, tables in
            var found: [Drift] = []
            state.onDrift = { found.append($0) }
            // As it was at first: after each change it is so again.
            var views: [String: String] = [:]
            for change in Self.changes where change.variant == variant {
                _ = (try monitor.receive(), try tables.events())
                let listing = listing(change)
                let before = try views[listing] ?? view(listing)
                views[listing] = before
                let filters = change.kind == .action ? try shell("tc filter show dev bond0 egress") : ""
                // The numbers that the kernel gave to the first action of each kind.
                func number(after word: String, _ radix: Int) -> String {
                    let kind = filters.firstRange(of: radix == 16 ? "police 0x" : "skbedit")
                    let text = filters[(kind?.upperBound ?? filters.endIndex)...]
                    let place = radix == 16 ? text.startIndex : text.firstRange(of: word)?.upperBound ?? text.endIndex
                    return String(Int(text[place...].prefix { $0.isHexDigit }, radix: radix) ?? 0)
                }
                let command = change.command.replacing("POLICE", with: number(after: "", 16))
                    .replacing("SKBEDIT", with: number(after: "index ", 10))
                try shell(command)
                found = []
                state.heard(try monitor.receive())
                state.heard(try tables.events())
                settle(state)
                #expect(found.contains { $0.kind == change.kind && $0.field == change.field }, "\(command): \(found)")
                let after = try view(listing)
                #expect(after == before, "\(command): \(difference(before, after))")
                let changes = state.changes
                state.suspectAll()
                settle(state)
                #expect(state.changes == changes, "\(command): a second pass writes \(found)")
            }
        }
    }

    @Test func aPlanThatAStrangerWroteIsPutBack() throws {
        try withBond(.queue) { state, _, _ in
            let index = state.index(of: "bond0")
            let wanted = Self.colouring(.queue).plan
            var other = wanted
            other.limit = 1
            for forge in [{ try state.scheduler?.set(other, link: index) }, { state.scheduler?.remove(link: index) }] {
                try forge()
                var now = Clock.now() + .seconds(1)
                for _ in 0..<2 { now = state.checkPlans(now) ?? now }
                #expect(state.scheduler?.plan(link: index)?.limit == wanted.limit)
            }
            #expect(state.drift == [.map: 2])
        }
    }

    /// What others have stays, beside ours and inside what is ours.
    @Test func othersAreLeftAlone() throws {
        try withBond(.police) { state, monitor, tables in
            try shell(
                """
                ip addr add 10.66.0.1/24 dev bond0; ip rule add priority 5311 lookup 77 proto 99
                ip route add 10.77.0.0/16 dev lan table 5300 proto 99
                tc filter add dev bond0 egress pref 50 handle 5 fw action drop
                tc filter add dev bond0 ingress pref 1 handle 5 fw action drop
                nft 'add chain ip spillway theirs { type filter hook input priority 7; }'
                nft add rule ip spillway theirs accept
                nft 'add set ip spillway theirs { type mark; elements = { 1 } }; add table inet theirs'
                """)
            func theirs() throws -> String {
                try shell(
                    """
                    { ip addr show dev bond0; ip rule; ip route show table 5300; tc filter show dev bond0 egress
                      tc filter show dev bond0 ingress; nft list ruleset; } \
                    | grep -E '10.66|5311|10.77|0x5 |theirs|= . 0x00000001'
                    """)
            }
            let before = try theirs()
            #expect(before.split(separator: "\n").count == 9, "\(before)")
            // Some of ours goes, at the same places.
            try shell("tc filter del dev bond0 egress pref 1; nft flush chain ip spillway send")
            try shell("ip route del default table 5300")
            state.heard(try monitor.receive())
            state.heard(try tables.events())
            settle(state)
            #expect(Set(state.drift.keys).isSuperset(of: [.filter, .rule, .route]), "\(state.drift)")
            state.suspectAll()
            settle(state)
            #expect(try theirs() == before)
        }
    }
}
