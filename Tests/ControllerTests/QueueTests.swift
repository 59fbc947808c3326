import Addresses
import CScheduler
import GREBonding
import Testing

@testable import Controller

/// What the program before both legs is told.
@Suite struct SchedulerPlanTests {
    /// DSL with 1 MB/s, LTE with 2 MB/s and later by so many milliseconds.
    private func colouring(later: UInt64, rate: UInt64 = 2_000_000, isUsed: Bool = true) -> Colouring {
        var second = SecondLeg()
        second.rate = rate
        second.delay = later * 1_000_000
        second.isUsed = isUsed
        var colouring = Colouring(
            primary: 1 << 28, secondary: 2 << 28, mask: 0xF << 28, rate: 1_000_000, burst: 4000, overhead: 46)
        colouring.legs = 3
        colouring.marks = [1 << 28, 2 << 28]
        colouring.second = second
        return colouring
    }

    @Test func patienceGrowsWithWhatLTEIsLater() {
        #expect(colouring(later: 0).plan.patience == 5_000_000)
        #expect(colouring(later: 15).plan.patience == 5_000_000)
        let far = colouring(later: 215).plan
        #expect((250_000_000...260_000_000).contains(far.patience))
        #expect(far.target > far.patience && far.limit > far.target && far.interval > far.patience)
        // What tries a leg is too little to make a flow wait.
        var tried = colouring(later: 15, rate: 100_000)
        tried.second.end = 8_000
        #expect(tried.plan.patience == 5_000_000)
        // But a flow whose packets come so late once only grows no more.
        tried = colouring(later: 215)
        tried.second.end = 8_000
        #expect(tried.plan.patience == far.patience)
        // A packet that takes long on a slow leg comes later for that.
        #expect(colouring(later: 15, rate: 100_000).plan.patience > colouring(later: 15).plan.patience)
    }

    /// What a window of CUBIC is after it was told once to be smaller still fills both legs.
    @Test func aFlowThatIsToldToSlowDownHasEnoughLeft() {
        let near = colouring(later: 15).plan, far = colouring(later: 50).plan
        #expect(near.target == near.patience + 15_000_000)
        // By DSL 20 ms pass without a queue.
        let roundTrip = far.patience + 70_000_000
        #expect((roundTrip + far.target - far.patience) * 7 / 10 >= roundTrip / 100 * 99)
        #expect(far.limit >= far.target + 100_000_000)
        // A queue of half a second is not worth it.
        let veryFar = colouring(later: 215).plan
        #expect(veryFar.target == veryFar.patience + 15_000_000)
    }

    @Test func theFirstLegRestsForAsLongAsLTEIsLaterWhereThatIsNotLong() {
        #expect(colouring(later: 15).plan.later == 17_000_000)
        #expect(colouring(later: 215).plan.later == 0)
        #expect(colouring(later: 15, isUsed: false).plan.later == 0)
    }

    @Test func aFlowGrowsFromWhatDSLBringsSoonerToWhatBothHold() {
        let near = colouring(later: 15, rate: 2_000_000).plan.growth, far = colouring(later: 50, rate: 2_000_000).plan.growth
        #expect(near.0 < far.0 && near.1 < far.1)
        // In 15 ms and what a packet takes DSL has 15.7 kB, in 4 s 4 MB.
        #expect((15_000...16_500).contains(near.0) && (4_000_000...4_020_000).contains(near.1))
        // What LTE brings much later is of no use to a flow that begins.
        #expect(colouring(later: 215).plan.growth == (0, 0))
    }

    @Test func aLegThatIsNotWorthItIsNotUsed() {
        let plan = colouring(later: 215, isUsed: false).plan
        #expect(plan.legs == 1 && plan.patience == 0 && plan.target == 15_000_000)
        #expect(colouring(later: 15).plan.legs == 3)
        var alone = colouring(later: 15, isUsed: false)
        alone.legs = 2
        #expect(alone.plan.legs == 2)
    }

    @Test func noRateOrDelayTraps() {
        for rate in [0, 1, 8_000, .max] as [UInt64] {
            for later in [0, 500, .max / 1_000_000] as [UInt64] {
                _ = colouring(later: later, rate: rate).plan
            }
        }
    }
}

@Suite struct SampleTimesTests {
    /// However many are looked at, there is time for the rest.
    @Test func lookingHasAQuarterOfTheTimeAtMost() {
        #expect(SampleTimes.pause(10) == .milliseconds(200) && SampleTimes.pause(10_000) == .seconds(1))
        #expect(SampleTimes.pause(atLeast: .milliseconds(50), took: .milliseconds(12)) == .milliseconds(50))
        #expect(SampleTimes.pause(atLeast: .milliseconds(50), took: .milliseconds(150)) == .milliseconds(600))
    }
}

/// When the queue is tried again.
@Suite struct QueueTrialTests {
    private let start = Instant(nanoseconds: 7_000_000_000)

    /// Seconds after each refusal.
    private func waits(_ trial: inout QueueTrial, _ count: Int) -> [Int64] {
        (0..<count).compactMap { _ in
            guard let due = trial.due else { return nil }
            _ = trial.take { ["bond0"] }
            trial.refused(due, mayPass: true)
            return trial.due.map { ($0 - due).milliseconds / 1000 }
        }
    }

    @Test func eachRefusalDoublesTheTimeUpToTenMinutes() {
        var trial = QueueTrial()
        #expect(trial.due == nil)
        trial.standIn(start)
        #expect(trial.due == start + .seconds(5))
        // Another bond's.
        trial.standIn(start + .seconds(3))
        #expect(trial.due == start + .seconds(5))
        #expect(waits(&trial, 9) == [10, 20, 40, 80, 160, 320, 600, 600, 600])
    }

    @Test func itBeginsAnewWhenTheQueueWasTaken() {
        var trial = QueueTrial()
        trial.standIn(start)
        #expect(waits(&trial, 4).last == 80)
        // One is taken, the next one refused.
        _ = trial.take { ["bond0", "bond1"] }
        trial.taken()
        trial.refused(start, mayPass: true)
        #expect(trial.due == start + .seconds(5))
        #expect(waits(&trial, 4).last == 80)
        // All are taken, or none is there any more.
        #expect(trial.take { [] } == nil)
        #expect(trial.due == nil)
        trial.standIn(start)
        #expect(trial.due == start + .seconds(5))
    }

    @Test func whatTheKernelCannotHaveIsNotTriedAgain() {
        var trial = QueueTrial()
        trial.standIn(start, mayPass: false)
        trial.standIn(start)
        #expect(trial.due == nil)
        var other = QueueTrial()
        other.standIn(start)
        other.refused(start, mayPass: false)
        other.standIn(start)
        #expect(other.due == nil)
    }

    @Test func noDeviceKeepsTheQueueFromTheOthers() {
        var trial = QueueTrial()
        trial.standIn(start)
        let all = ["bond0", "bond1", "bond2"]
        var firsts: Set<String> = []
        for _ in all {
            if let first = trial.take({ all }) { firsts.insert(first) }
            trial.refused(start, mayPass: true)
        }
        #expect(firsts == Set(all))
        var taken: Set<String> = []
        while let next = trial.take({ all.filter { !taken.contains($0) } }) { taken.insert(next) }
        #expect(taken == Set(all))
    }
}

/// Which flow is inside.
@Suite struct FlowTests {
    private static let outer: [UInt8] = [0x45, 0, 0, 84, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 0, 9, 192, 0, 0, 8]
    private static let gre: [UInt8] = [0x30, 0, 8, 0, 0, 0, 0, 7, 0, 0, 0, 1]

    private func header(_ packet: [UInt8]) -> OuterHeader? { OuterHeader(packet.span.bytes) }

    private func flow(_ inner: [UInt8]) throws -> UInt64 {
        try #require(header(Self.outer + Self.gre + inner)).flow
    }

    private func ipv4(_ number: UInt8, port: UInt8 = 80, source: UInt8 = 2, fragment: UInt8 = 0) -> [UInt8] {
        [0x45, 0, 0, 40, 0, 1, fragment, 0, 64, number, 0, 0, 203, 0, 113, source, 192, 168, 2, 10, 0, port, 1, 2, 9, 9]
    }

    private func ipv6(_ number: UInt8, port: UInt8) -> [UInt8] {
        [0x60, 1, 2, 3, 0, 20, number, 64] + [UInt8](repeating: 0x20, count: 32) + [0, port, 1, 2]
    }

    @Test func addressesProtocolAndPortsTellFlowsApart() throws {
        let flows = try [
            ipv4(6), ipv4(17), ipv4(6, port: 81), ipv4(6, source: 3), ipv4(1), ipv6(6, port: 80), ipv6(17, port: 80),
        ].map(flow)
        #expect(Set(flows).count == flows.count && !flows.contains(0))
        #expect(try flow(ipv4(6)) == flows[0])
        // An echo's checksum is no port.
        #expect(try flow(ipv4(1, port: 7)) == flows[4])
    }

    @Test func whatHasNoPortsToGoByIsNotKnown() throws {
        #expect(try flow(ipv4(17, fragment: 0x20)) == 0)
        #expect(try flow(ipv4(17, fragment: 0x01)) == 0)
        #expect(try flow(Array(ipv4(6).prefix(22))) == 0)
        #expect(try flow(Array(ipv6(6, port: 80).prefix(42))) == 0)
        #expect(try flow([0x10] + [UInt8](repeating: 0, count: 40)) == 0)
        // Don't Fragment is no fragment.
        #expect(try flow(ipv4(17, fragment: 0x40)) != 0)
    }

    @Test func lengthIsThatOfTheOuterPacket() throws {
        #expect(try #require(header(Self.outer + Self.gre)).length == 84)
    }
}
