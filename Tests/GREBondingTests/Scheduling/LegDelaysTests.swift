import TestSupport
import Testing

@testable import GREBonding

@Suite struct LegDelaysTests {
    private func at(_ ms: Int64) -> Instant { Instant(nanoseconds: ms * 1_000_000) }
    private func stamp(_ ms: UInt64) -> Timestamp { Timestamp(totalMilliseconds: ms) }

    @Test func clocksNeedNotAgree() {
        var delays = LegDelays()
        #expect(delays.difference == nil)
        // The gateway's clock is 90 s ahead. DSL takes 10 ms and LTE 25 ms, once 80 ms.
        delays.heard(stamp(90_000), on: .primary, at: at(10))
        #expect(delays.difference == nil)
        delays.heard(stamp(90_100), on: .secondary, at: at(180))
        delays.heard(stamp(91_100), on: .secondary, at: at(1125))
        #expect(delays.difference == .milliseconds(15))
    }

    @Test func aSlowerDSLIsNoDifference() {
        var delays = LegDelays()
        delays.heard(stamp(0), on: .primary, at: at(60))
        delays.heard(stamp(0), on: .secondary, at: at(20))
        #expect(delays.difference == .zero)
    }

    @Test func anOldPathIsForgotten() {
        var delays = LegDelays()
        delays.heard(stamp(0), on: .secondary, at: at(20))
        for second in 0..<200 as Range<Int64> {
            delays.heard(stamp(UInt64(second) * 1000), on: .primary, at: at(second * 1000 + 10))
            delays.heard(stamp(UInt64(second) * 1000), on: .secondary, at: at(second * 1000 + 75))
        }
        #expect(delays.difference == .milliseconds(65))
        delays.forget(.secondary)
        #expect(delays.difference == nil)
    }

    /// Milliseconds in 32 bits, or another start of the system.
    @Test func aClockThatBeganAnewIsNotComparedWithItself() {
        var delays = LegDelays()
        for second in 0..<600 as Range<UInt64> {
            for (leg, late) in [(LegID.primary, Int64(10)), (.secondary, 25)] {
                let sent = (1 << 32) - 100_000 + second * 1000 + (leg == .primary ? 0 : 300)
                delays.heard(stamp(sent % (1 << 32)), on: leg, at: at(Int64(sent) + late))
                if second > 0, let difference = delays.difference { #expect(difference == .milliseconds(15)) }
            }
        }
        #expect(delays.difference == .milliseconds(15))
    }

    @Test func noTimestampTrapsOrIsBelievedTooFar() {
        var random = SplitMix(state: 7)
        var delays = LegDelays()
        for _ in 0..<10_000 {
            let time = Timestamp(seconds: random.next(), milliseconds: random.next())
            delays.heard(
                time, on: LegID(rawValue: UInt8(random.next(upperBound: UInt64(3)))),
                at: Instant(nanoseconds: Int64(bitPattern: random.next())))
            if let difference = delays.difference { #expect((.zero ... LegDelays.limit).contains(difference)) }
        }
    }
}
