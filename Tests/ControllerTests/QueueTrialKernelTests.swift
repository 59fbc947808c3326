import Addresses
import CLinux
import GREBonding
import Glibc
import NetlinkKit
import Testing

@testable import Controller

/// A queue before both legs that is refused and taken later, in a real kernel: SPILLWAY_KERNEL_TESTS=1.
@Suite(.serialized, .kernel) struct QueueTrialKernelTests {
    private static let qdisc = UInt16(RTM_NEWQDISC), filter = UInt16(RTM_NEWTFILTER)

    private func device(_ number: UInt32) -> [KernelObject] {
        let link = "bond\(number)"
        return [
            .link(name: link, LinkSettings(.dummy, mtu: 1400, isUp: true, alias: "spillway bond of \(number)")),
            .colouring(link: link, ReconciliationKernelTests.colouring(.queue)),
        ]
    }

    /// `police` or `bpf`, with what keeps packets: "police" and "bpf fq" are whole.
    private func chooser(_ number: UInt32) throws -> String {
        let filters = try shell("tc filter show dev bond\(number) egress")
        let queue = try shell("tc qdisc show dev bond\(number) root")
        let kinds = [
            filters.contains("police") ? "police" : "", filters.contains("bpf") ? "bpf" : "",
            queue.contains(" fq ") ? "fq" : "",
        ]
        return kinds.filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// Bonds without a queue: it is refused more than six times in a row. Its `clsact` never is.
    private func withoutQueue(
        _ errno: Int32 = EBUSY, _ body: (KernelState, RefusingTransport, () -> [String], () -> [Drift]) throws -> Void
    ) throws {
        var finished: [Drift] = []
        try inRefusingNamespace { state, kernel, said in
            state.onFinished = { finished.append($0) }
            kernel.refusals[Self.qdisc] = [0, errno]
            state.apply(device(0), for: .bond(0))
            for second in 1..<12 where state.actions["bond0"] == nil {
                kernel.refusals[Self.qdisc] = [0, errno]
                _ = state.mend(Clock.now() + .seconds(2 * Int64(second)))
            }
            #expect(try chooser(0) == "police")
            kernel.refusals[Self.qdisc] = []
            finished = []
            try body(state, kernel, said, { finished })
            state.clear()
            #expect(try !shell("ip link").contains("bond"))
        }
    }

    /// As if it had never been refused.
    private func expectQueues(_ state: KernelState, _ numbers: Range<UInt32>) throws {
        for number in numbers {
            #expect(try chooser(number) == "bpf fq")
            let filters = try shell("tc filter show dev bond\(number) egress")
            let program = filters.split(separator: "\n").filter { $0.contains("bpf") }
            #expect(!program.isEmpty && program.allSatisfy { $0.contains("pref 1 ") }, "\(filters)")
            let index = state.index(of: "bond\(number)")
            #expect(state.scheduler?.goesBy(ReconciliationKernelTests.colouring(.queue).plan, link: index) == true)
        }
        let changes = state.changes
        state.suspectAll()
        state.restUntil = Instant(nanoseconds: 0)
        _ = state.mend(Clock.now() + .seconds(3000))
        #expect(state.changes == changes && state.drift.isEmpty, "\(state.drift)")
    }

    @Test func aQueueIsTriedAgainUntilItIsTaken() throws {
        try withoutQueue { state, kernel, said, finished in
            let refused = kernel.refused[Self.qdisc] ?? 0
            #expect(refused == 6)
            #expect(said().contains { $0.contains("EBUSY: LTE takes what police refuses") }, "\(said())")
            // One that comes now does not wait for six refusals.
            #expect(state.apply(device(1), for: .bond(1)))
            #expect(try chooser(1) == "police")

            var due = try #require(state.queueTrial.due)
            kernel.refusals[Self.qdisc] = [EBUSY, EBUSY, EBUSY]
            let filters = try shell("tc filter show dev bond0 egress | grep -v installed")
            for (number, wait) in ([10, 20, 40] as [Int64]).enumerated() {
                #expect(state.mend(due + .milliseconds(-1)) == due)
                #expect(kernel.refused[Self.qdisc] == refused + number, "not before its time")
                #expect(state.mend(due) == due + .seconds(wait))
                due = due + .seconds(wait)
                let choosers = try [chooser(0), chooser(1)]
                #expect(choosers == ["police", "police"])
            }
            #expect(kernel.refused[Self.qdisc] == refused + 3)
            #expect(try shell("tc filter show dev bond0 egress | grep -v installed") == filters, "nobody notices")
            #expect(finished().isEmpty)

            for _ in 0..<100 where state.scheduled.count < 2 { _ = state.mend(due) }
            _ = state.mend(due)
            #expect(state.queueTrial.due == nil, "there is no more to try")
            #expect(Set(finished().map(\.object)) == ["bond0 fq", "bond1 fq"])
            try expectQueues(state, 0..<2)
            // The next one has its queue at once, or is refused six times.
            #expect(state.apply(device(2), for: .bond(2)))
            kernel.refusals[Self.qdisc] = [0, EBUSY]
            #expect(!state.apply(device(3), for: .bond(3)))
            _ = state.mend(Clock.now() + .seconds(1))
            try expectQueues(state, 0..<4)
        }
    }

    /// Whichever of the requests is refused, and those that take it back.
    @Test(arguments: [0, 1]) func aProgramThatIsRefusedChangesNothing(_ first: Int) throws {
        try withoutQueue { state, kernel, _, _ in
            let before = try shell("tc qdisc show dev bond0; tc filter show dev bond0 egress | grep -v installed")
            var now = Clock.now() + .seconds(5)
            if first == 0 {
                kernel.refusals[Self.filter] = [ENOMEM]
            } else {
                kernel.refusals = [Self.qdisc: [EPERM], UInt16(RTM_DELTFILTER): [EBUSY]]
            }
            let due = try #require(state.mend(now))
            #expect(due == now + .seconds(10))
            let after = try shell("tc qdisc show dev bond0; tc filter show dev bond0 egress | grep -v installed")
            if first == 0 {
                #expect(after == before)
            } else {
                #expect(try chooser(0) == "police bpf", "behind, where it does nothing")
            }
            #expect(state.scheduler?.plan(link: state.index(of: "bond0")) == nil)
            now = due
            _ = state.mend(now)
            try expectQueues(state, 0..<1)
        }
    }

    /// Refused when half of it is there: it is made anew, and something chooses all the time.
    @Test(arguments: [[EBUSY], [0, EBUSY], [0, 0, EBUSY]] as [[Int32]])
    func aQueueThatIsHalfThereIsMadeWhole(_ removals: [Int32]) throws {
        try withoutQueue { state, kernel, _, _ in
            let now = Clock.now() + .seconds(5)
            kernel.refusals[UInt16(RTM_DELTFILTER)] = removals
            _ = state.mend(now)
            #expect(kernel.refused[UInt16(RTM_DELTFILTER)] == 1)
            #expect(try chooser(0).contains("bpf"))
            _ = state.mend(Clock.now() + .seconds(20))
            try expectQueues(state, 0..<1)
        }
        try withoutQueue { state, kernel, _, _ in
            // The program is behind; it cannot come before.
            kernel.refusals[Self.filter] = [0, EEXIST]
            _ = state.mend(Clock.now() + .seconds(5))
            #expect(kernel.refused[Self.filter] == 1)
            #expect(try chooser(0) == "bpf fq")
            _ = state.mend(Clock.now() + .seconds(20))
            try expectQueues(state, 0..<1)
        }
    }

    /// With the last bond that is without there is nothing to try; with the next one there is.
    @Test func nothingIsTriedForNobody() throws {
        try withoutQueue { state, kernel, _, _ in
            state.apply([], for: .bond(0))
            #expect(state.mend(Clock.now() + .seconds(5)) == nil)
            #expect(state.apply(device(1), for: .bond(1)))
            #expect(try chooser(1) == "police")
            _ = state.mend(Clock.now() + .seconds(6))
            try expectQueues(state, 1..<2)
        }
    }

    /// A run that goes on with `police` of the run before tries it, too; a filter of others behind it stays.
    @Test func theNextRunTriesIt() throws {
        try withoutQueue { state, _, _, _ in
            try shell("tc filter add dev bond0 egress pref 5 handle 7 fw action drop")
            let next = try KernelState { Issue.record("\($0)") }
            next.isAdopting = true
            #expect(next.apply(device(0), for: .bond(0)))
            next.isAdopting = false
            next.actions = state.actions
            next.suspectAll()
            _ = next.mend(Clock.now())
            let before = try chooser(0)
            let due = try #require(next.queueTrial.due)
            #expect(before == "police" && due <= Clock.now() + .seconds(5))
            _ = next.mend(due)
            try expectQueues(next, 0..<1)
            #expect(try shell("tc filter show dev bond0 egress").contains("pref 5 fw"))
        }
    }

    /// What the kernel cannot have is not tried again.
    @Test func aKernelWithoutItIsLeftAlone() throws {
        try withoutQueue(ENOENT) { state, kernel, said, _ in
            #expect(kernel.refused[Self.qdisc] == 1)
            #expect(said().contains { $0.hasSuffix("instead of what a queue lets over") }, "\(said())")
            #expect(state.mend(Clock.now() + .seconds(3600)) == nil)
            let left = try chooser(0)
            #expect(left == "police")
        }
    }
}
