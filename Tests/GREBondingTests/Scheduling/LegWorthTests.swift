import TestSupport
import Testing

@testable import GREBonding

@Suite struct LegWorthTests {
    private static let start = Instant(nanoseconds: 5_000_000_000)

    /// DSL with 8 Mbit/s and 20 ms, LTE later by so much.
    private static func path(_ later: Int64) -> LegWorth.Path {
        .init(primaryRate: 673, primaryRoundTrip: .milliseconds(20), later: .milliseconds(later))
    }

    /// Seconds of 1000 packets of which a share is lost, until the leg is left or time is over.
    private func feed(
        _ worth: inout LegWorth, loss: Double, later: Int64, from start: Instant, seconds: Int = 60
    ) -> (left: Bool, now: Instant) {
        var now = start
        var owed = 0.0
        for _ in 0..<seconds {
            now = now + .seconds(1)
            owed += 1000 * loss
            let lost = owed.rounded(.down)
            owed -= lost
            if worth.counted(packets: 1000, losses: UInt64(lost), Self.path(later), now: now), worth.isLeft {
                return (true, now)
            }
        }
        return (worth.isLeft, now)
    }

    @Test(arguments: [
        (0, 15, false), (0.001, 15, false), (0.01, 15, false), (0.2, 15, true), (0, 65, false), (0.0005, 65, false),
        (0.01, 65, true), (0, 215, false), (0.001, 215, true), (0.01, 215, true),
    ] as [(Double, Int64, Bool)])
    func lossCountsAsMuchAsDelay(loss: Double, later: Int64, left: Bool) {
        var worth = LegWorth()
        #expect(feed(&worth, loss: loss, later: later, from: Self.start).left == left)
    }

    @Test func oneLossProvesNothing() {
        var worth = LegWorth()
        let changed = worth.counted(packets: 5, losses: 2, Self.path(215), now: Self.start)
        #expect(!changed && !worth.isLeft)
    }

    @Test func anOutageIsNoLossyLeg() {
        var worth = LegWorth()
        var now = Self.start
        for second in 0..<120 as Range<Int64> {
            now = now + .seconds(1)
            let changed = worth.counted(
                packets: 500, losses: second == 10 || second == 11 ? 500 : 0, Self.path(215), now: now)
            #expect(!changed)
        }
    }

    @Test func lossesOfTheOtherLegAreNotItsOwn() {
        var worth = LegWorth()
        for second in 0..<100 as Range<Int64> {
            let changed = worth.counted(packets: 0, losses: 50, Self.path(215), now: Self.start + .seconds(second))
            #expect(!changed)
        }
    }

    @Test func itComesBackAndTrialsGrowRarer() {
        var worth = LegWorth()
        var now = feed(&worth, loss: 0.01, later: 215, from: Self.start).now
        var waits: [Int64] = []
        for _ in 0..<7 {
            let begun = now
            while worth.isLeft {
                now = now + .seconds(1)
                _ = worth.counted(packets: 0, losses: 0, Self.path(215), now: now)
            }
            waits.append((now - begun).milliseconds / 1000)
            let before = now
            (_, now) = feed(&worth, loss: 0.01, later: 215, from: now)
            // A trial is over after a few losses.
            #expect(worth.isLeft && now - before <= .seconds(3))
        }
        #expect(waits == [60, 120, 240, 480, 960, 1200, 1200])
    }

    @Test func afterAGoodTrialTheNextWaitIsShort() {
        var worth = LegWorth()
        var now = Self.start
        for _ in 0..<3 {
            now = feed(&worth, loss: 0.01, later: 215, from: now).now
            while worth.isLeft {
                now = now + .seconds(1)
                _ = worth.counted(packets: 0, losses: 0, Self.path(215), now: now)
            }
        }
        now = feed(&worth, loss: 0, later: 215, from: now, seconds: 130).now
        now = feed(&worth, loss: 0.05, later: 215, from: now).now
        #expect(worth.isLeft && worth.deadline == now + .seconds(60))
    }

    @Test func nothingTraps() {
        var random = SplitMix(state: 5)
        var worth = LegWorth()
        for _ in 0..<10_000 {
            _ = worth.counted(
                packets: random.next() >> random.next(upperBound: UInt64(64)),
                losses: random.next() >> random.next(upperBound: UInt64(64)),
                .init(
                    primaryRate: Double(random.next() >> random.next(upperBound: UInt64(64))),
                    primaryRoundTrip: .nanoseconds(Int64(bitPattern: random.next())),
                    later: .nanoseconds(Int64(bitPattern: random.next()))),
                now: Instant(nanoseconds: Int64(bitPattern: random.next())))
            #expect((0...1).contains(worth.loss))
        }
    }
}
