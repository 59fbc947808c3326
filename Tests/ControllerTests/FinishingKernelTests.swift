import GREBonding
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
            #expect(state.apply([], for: .bond(0)), "there is nothing of ours to remove")
            try shell("ip link show bond0")
            try shell("ip link del bond0")
            settle(state, Clock.now())
            #expect(try !shell("ip link").contains("bond0"))
        }
    }
}
