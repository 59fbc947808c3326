import Addresses
import CLinux
import Configuration
import GREBonding
import Glibc
import NFTables
import NetlinkKit
import Testing

@testable import Controller

/// What the kernel refuses and takes later, in a real kernel: SPILLWAY_KERNEL_TESTS=1. That it refuses each request
/// once is the lab's: lab/scenarios/faults.py.
@Suite(.serialized, .kernel) struct FinishingKernelTests {
    private func settle(_ state: KernelState, _ now: Instant) {
        var now = now
        for _ in 0..<5 {
            now = now + .seconds(2)
            _ = state.finish(now)
        }
    }

    @Test func aDeviceOfAnothersIsNotTakenAndOursComesWhenItIsGone() throws {
        var refused: [String] = []
        try inNewNamespace(report: { refused.append($0) }) { state in
            for (name, network) in [("dsl", 1), ("lte", 2), ("lan", 3)] {
                try shell("ip link add \(name) type dummy && ip addr add 10.\(network).0.2/24 dev \(name)")
                try shell("ip link set \(name) up")
            }
            let tables = [KernelObject.ruleset(ReconciliationKernelTests.outer.ruleset())]
            #expect(state.apply(tables, for: .base))
            try shell("ip link add bond0 type dummy")
            #expect(!state.apply(ReconciliationKernelTests.objects(.police), for: .bond(0)))
            #expect(refused.count == 1 && refused[0].contains("create link \"bond0\": EEXIST"), "\(refused)")
            #expect(try !shell("ip link show bond0").contains("alias"), "it is another's")
            #expect(!state.unfinished.isEmpty)
            settle(state, Clock.now())
            #expect(try shell("ip -d link show bond0").contains("dummy"), "and stays another's")
            // Nor is anything put on it, whatever is looked at again.
            state.suspectAll()
            _ = state.mend(Clock.now() + .seconds(15))
            let theirs = try shell("ip addr show bond0; tc qdisc show dev bond0; ip route show table all")
            #expect(!theirs.contains("100.64.0.2") && !theirs.contains("clsact"), "\(theirs)")
            #expect(!theirs.contains("default dev bond0"), "\(theirs)")

            try shell("ip link del bond0")
            settle(state, Clock.now() + .seconds(20))
            #expect(state.unfinished.isEmpty && state.leftovers.isEmpty)
            #expect(state.drift.isEmpty, "nobody changed what was never made")
            #expect(try shell("ip -d link show bond0").contains("alias spillway bond"))
            #expect(try shell("ip route show table 5300").contains("default dev bond0"))
            #expect(try shell("tc filter show dev bond0 egress").contains("police"))
            #expect(try shell("ip addr show dev bond0").contains("100.64.0.2/32"))
            let changes = state.changes
            state.suspectAll()
            _ = state.mend(Clock.now() + .seconds(60))
            #expect(state.changes == changes && state.drift.isEmpty, "\(state.drift)")
            state.clear()
            #expect(try !shell("ip link; ip rule; nft list ruleset").contains("spillway"))
        }
    }

    /// What had to wait is not made when it is no longer wanted.
    @Test func whatIsNoLongerWantedIsNotMade() throws {
        try inNewNamespace(report: { _ in }) { state in
            let link = KernelObject.link(
                name: "bond0", LinkSettings(.dummy, mtu: 1400, isUp: true, alias: "spillway bond"))
            try shell("ip link add bond0 type dummy")
            #expect(!state.apply([link], for: .bond(0)))
            settle(state, Clock.now())
            let theirs = try shell("ip link show bond0")
            #expect(theirs.contains("mtu 1500") && !theirs.contains("alias") && !theirs.contains(",UP"), "\(theirs)")
            #expect(state.apply([], for: .bond(0)), "there is nothing of ours to remove")
            try shell("ip link show bond0")
            try shell("ip link del bond0")
            settle(state, Clock.now())
            #expect(try !shell("ip link").contains("bond0"))
        }
    }

    private let link = KernelObject.link(
        name: "bond0", LinkSettings(.dummy, mtu: 1400, isUp: true, alias: "spillway bond"))

    /// A device is there, cannot be finished and cannot be removed: later it is made whole, and what is on it comes.
    /// - Parameters:
    ///   - errors: for its alias, and for what brings it up
    ///   - removal: for its removal; then the kernel has its say
    @Test(arguments: [
        ([0, EPERM], [EBUSY]), ([EPERM], [EBUSY]), ([0, EPERM], [EBUSY, EBUSY]), ([EPERM], [EBUSY, EBUSY]),
    ])
    func whatIsHalfMadeIsMadeWhole(errors: [Int32], removal: [Int32]) throws {
        try inRefusingNamespace { state, kernel, _ in
            kernel.refusals = [UInt16(RTM_SETLINK): errors, UInt16(RTM_DELLINK): removal]
            let address = KernelObject.address(link: "bond0", try #require(IPPrefix("192.0.2.7/32")))
            #expect(!state.apply([link, address], for: .bond(0)))
            #expect(try shell("ip link show bond0").contains("bond0"), "it could not be removed")
            settle(state, Clock.now())
            #expect(state.unfinished.isEmpty && state.leftovers.isEmpty)
            let made = try shell("ip addr show bond0; ip link show bond0")
            #expect(made.contains("alias spillway bond") && made.contains(",UP"), "\(made)")
            #expect(made.contains("mtu 1400") && made.contains("192.0.2.7/32"), "\(made)")
            let changes = state.changes
            settle(state, Clock.now() + .seconds(60))
            #expect(state.changes == changes, "it stays")
            state.clear()
            #expect(try !shell("ip link").contains("bond0"))
        }
    }

    /// The same when it is wanted no more by then.
    @Test func whatIsHalfMadeGoes() throws {
        try inRefusingNamespace { state, kernel, _ in
            kernel.refusals = [UInt16(RTM_SETLINK): [EPERM], UInt16(RTM_DELLINK): [EBUSY, EBUSY]]
            #expect(!state.apply([link], for: .bond(0)))
            state.apply([], for: .bond(0))
            let left = try shell("ip link")
            #expect(left.contains("bond0"))
            state.clear()
            #expect(try !shell("ip link").contains("bond0"))
        }
    }

    /// "There is no such thing" may be what a refusal looks like; any other one is asked about later.
    @Test func removalsAreAskedForUntilTheyAreDone() throws {
        try inRefusingNamespace { state, kernel, refused in
            #expect(state.apply([link], for: .bond(0)))
            kernel.refusals[UInt16(RTM_DELLINK)] = [ENODEV, ENODEV]
            #expect(state.apply([], for: .bond(0)) && refused().isEmpty)
            let first = try shell("ip link")
            #expect(!first.contains("bond0"))

            #expect(state.apply([link], for: .bond(0)))
            kernel.refusals[UInt16(RTM_DELLINK)] = [EBUSY]
            #expect(!state.apply([], for: .bond(0)))
            #expect(refused().count == 1 && state.leftovers[.bond(0)] == [link], "\(refused())")
            // Not at once.
            #expect(state.finish(Clock.now()) != nil && kernel.refused[UInt16(RTM_DELLINK)] == 3)
            #expect(try shell("ip link").contains("bond0"))
            settle(state, Clock.now())
            #expect(try !shell("ip link").contains("bond0"))
            #expect(state.leftovers.isEmpty)

            // A rule is on no device that could be missing.
            let rule = KernelObject.rule(
                Rule(.v4, priority: 5300, .lookup(table: 77), protocol: RouteProtocol(rawValue: 157)))
            #expect(state.apply([rule], for: .base))
            kernel.refusals[UInt16(RTM_DELRULE)] = [ENODEV]
            #expect(!state.apply([], for: .base))
            // And soon, although something had to be asked for again a moment ago.
            let next = try #require(state.finish(Clock.now()))
            #expect(next - Clock.now() <= .milliseconds(100))
            settle(state, Clock.now())
            #expect(try !shell("ip rule").contains("5300"))
        }
    }

    /// A filter is not set as long as the kernel does not say what it was: it could not be given back.
    @Test func whatIsNotKnownIsNotChanged() throws {
        try inRefusingNamespace { state, kernel, refused in
            try shell("ip link add lte type dummy; sysctl -qw net.ipv4.conf.lte.rp_filter=1")
            kernel.refusals[UInt16(RTM_GETLINK)] = [ENODEV, ENODEV]
            #expect(!state.apply([.reversePathFilter(link: "lte", .loose)], for: .bond(0)))
            #expect(refused().count == 1, "\(refused())")
            settle(state, Clock.now())
            let filter = "sysctl -n net.ipv4.conf.lte.rp_filter"
            let loose = try shell(filter)
            state.clear()
            let former = try shell(filter)
            #expect(loose == "2\n" && former == "1\n")
        }
    }

    /// What is refused and then not to be found is not taken for gone.
    @Test func whatIsDeniedIsLookedForAgain() throws {
        try inRefusingNamespace { state, kernel, refused in
            try shell("ip link add lte type dummy; sysctl -qw net.ipv4.conf.lte.rp_filter=1")
            kernel.refusals = [UInt16(RTM_SETLINK): [ENODEV], UInt16(RTM_GETLINK): [0, ENODEV, ENODEV]]
            #expect(!state.apply([.reversePathFilter(link: "lte", .loose)], for: .bond(0)))
            #expect(refused().count == 1, "\(refused())")
            settle(state, Clock.now())
            #expect(try shell("sysctl -n net.ipv4.conf.lte.rp_filter") == "2\n")
            #expect(kernel.refused[UInt16(RTM_GETLINK)] == 2 && state.unfinished.isEmpty)
            state.clear()
            #expect(try shell("sysctl -n net.ipv4.conf.lte.rp_filter") == "1\n")
        }
    }

    /// The end asks for it several times.
    @Test func anEndLeavesNothing() throws {
        try inRefusingNamespace { state, kernel, _ in
            #expect(state.apply([link], for: .bond(0)))
            kernel.refusals[UInt16(RTM_DELLINK)] = [EBUSY, EBUSY, EPERM]
            state.clear()
            let left = try shell("ip link")
            #expect(!left.contains("bond0"))
        }
    }

    /// What a run before has left goes although the kernel refuses it at first, and its protection last.
    @Test func sweepsAgainWhatWasRefused() throws {
        try inRefusingNamespace { state, kernel, refused in
            try shell("ip link add left0 type dummy && ip link set left0 alias 'spillway left'")
            try shell("ip rule add priority 5301 lookup 77 protocol 157 && nft add table inet spillway_pins")
            let old = try KernelState { Issue.record("\($0)") }
            let host = try #require(IPAddress("192.0.2.1"))
            old.apply(LegPolicies.leg(from: IPPrefix(host: host), to: .all(.v4), 5300), for: .security)
            let sweep = SweepScope(kernel: KernelConfiguration(), requestIDs: 5300...5301)
            kernel.refusals[UInt16(RTM_DELLINK)] = [EBUSY]
            state.sweep(sweep, mayWait: false)
            #expect(state.unswept != nil && refused().count == 1, "\(refused())")
            #expect(try shell("ip link").contains("left0"))
            #expect(try !shell("ip rule; nft list tables").contains("spillway_pins"))
            #expect(try !shell("ip rule").contains("5301"))
            #expect(try shell("ip xfrm policy").contains("192.0.2.1"), "nothing may be sent in the clear")
            // What cannot be seen is not gone.
            kernel.refusals[UInt16(RTM_GETLINK)] = [EBUSY, EBUSY, EBUSY]
            _ = state.finish(Clock.now() + .seconds(1))
            #expect(state.unswept != nil)
            settle(state, Clock.now() + .seconds(2))
            #expect(state.unswept == nil)
            #expect(try !shell("ip link; ip xfrm policy").contains("left0"))
            #expect(try !shell("ip xfrm policy").contains("192.0.2.1"))
            #expect(state.finish(Clock.now() + .seconds(60)) == nil, "then there is rest")

            // A start waits for it.
            try shell("ip link add left1 type dummy && ip link set left1 alias 'spillway left'")
            kernel.refusals[UInt16(RTM_DELLINK)] = [EPERM, EBUSY]
            state.sweep(sweep, mayWait: true)
            #expect(try !shell("ip link").contains("left1"))
            #expect(state.unswept == nil)
        }
    }

    /// Devices that a run before has left go together; one by one where the kernel refuses that, and later what it
    /// refuses then.
    @Test func sweepsTogetherAndAgain() throws {
        let sweep = SweepScope(kernel: KernelConfiguration(), requestIDs: 5300...5301)
        let deletion = UInt16(RTM_DELLINK)
        func left() throws -> Int {
            try shell("ip -br link").split(separator: "\n").count { $0.hasPrefix("left") }
        }
        func leave() throws {
            for number in 0..<3 {
                try shell("ip link add left\(number) type dummy")
                try shell("ip link set left\(number) alias 'spillway left' group \(number)")
            }
        }
        try inRefusingNamespace { state, kernel, refused in
            try leave()
            state.sweep(sweep, mayWait: false)
            #expect(try left() == 0)
            #expect(kernel.sent[deletion] == 1 && state.unswept == nil && refused().isEmpty)

            try leave()
            // Together; then one of three.
            kernel.refusals[deletion] = [EBUSY, 0, EBUSY]
            state.sweep(sweep, mayWait: false)
            #expect(try left() == 1)
            #expect(state.unswept != nil && refused().count == 1, "\(refused())")
            settle(state, Clock.now())
            #expect(try left() == 0)
            #expect(state.unswept == nil && kernel.refused[deletion] == 2)

            // And by the end, should that come before it has gone.
            try leave()
            kernel.refusals[deletion] = [EBUSY, 0, EBUSY, 0, EBUSY]
            state.sweep(sweep, mayWait: false)
            #expect(try left() == 1)
            state.clear()
            #expect(try left() == 0)
            #expect(state.unswept == nil && kernel.refused[deletion] == 5)
        }
    }
}
