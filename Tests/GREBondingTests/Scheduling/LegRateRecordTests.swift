import Testing

@testable import GREBonding

/// A process goes on with what another one has found of a leg.
@Suite struct LegRateRecordTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)
    private static let told = LegRate.Settings(ceiling: 1_960_000, least: 50_000)

    /// Another process goes on: the link is full from the first second on, as it was, and no longer queue comes of it.
    /// What the kernel has counted before says nothing.
    @Test(arguments: [50, 150] as [Int64]) func whatWasKnownBeforeHolds(base: Int64) throws {
        var first = LegRate(Self.told)
        var link = LoadedLink(8, .milliseconds(base))
        #expect(first.record == nil, "nothing is known during a trial")
        let now = link.run(&first, from: Self.start, seconds: 20)
        let record = try #require(first.record)
        #expect(link.sent > 10_000_000 && record.capacity == first.capacity && record.base == .milliseconds(base))
        var second = LegRate(Self.told, record, now: now)
        #expect(second.end == nil && second.rate == first.rate && second.record == record)
        let asks = second.sampled(given: UInt64(link.sent), waiting: 0, hasOther: false, now: now)
        #expect(!asks && second.rate == first.rate && !second.isBusy)
        _ = link.run(&second, from: now, seconds: 1)
        #expect(link.used > 0.8 && link.worst < .milliseconds(40 + base / 8), "\(link.used) \(link.worst)")
    }

    @Test func whatIsLeftStaysLeftForAWhile() throws {
        var first = LegRate(Self.told)
        var link = LoadedLink(0.16, .milliseconds(50))
        var now = link.run(&first, from: Self.start, seconds: 5)
        var second = LegRate(Self.told, first.record, now: now)
        #expect(!second.isWorthUsing)
        link.capacity = 1_000_000
        now = link.run(&second, from: now, seconds: 29)
        #expect(!second.isWorthUsing && second.record == first.record)
        _ = link.run(&second, from: now, seconds: 10)
        #expect(second.isWorthUsing && second.rate > 800_000)
    }

    /// While the other leg was lost this one stayed what it was; one that was lost itself begins with half, and is measured.
    @Test func whatIsKnownOutlivesALostLeg() throws {
        var first = LegRate(Self.told)
        var link = LoadedLink(8, .milliseconds(50))
        let now = link.run(&first, from: Self.start, seconds: 10)
        let known = try #require(first.record)
        var remembered = try #require(RememberedLegRate(known, now: now))
        #expect(remembered.record(now: now + .seconds(60)) == known)
        remembered.left()
        let half = try #require(remembered.record(now: now + .seconds(60)))
        #expect(half.rate == known.rate / 2 && half.capacity == known.capacity.map { $0 / 2 } && half.base == known.base)
        #expect(remembered.record(now: now + .seconds(601)) == nil, "too long ago")
        #expect(RememberedLegRate(nil, now: now) == nil)
        let bad = LegRateRecord(rate: 100, capacity: nil, base: nil, isWorthUsing: false)
        var worthless = try #require(RememberedLegRate(bad, now: now))
        #expect(worthless.record(now: now) == bad, "it stays left for a while")
        worthless.left()
        #expect(worthless.record(now: now) == nil, "it is tried like a new one")
        // It is full again within a second, or found to carry a tenth.
        for mbit in [8, 0.8] {
            var again = LegRate(Self.told, half, now: now)
            var link = LoadedLink(mbit, .milliseconds(50))
            let then = link.run(&again, from: now, seconds: 2)
            _ = link.run(&again, from: then, seconds: 10)
            #expect(link.used > 0.8, "\(mbit): \(link.used) \(link.worst)")
            #expect(link.worst < .milliseconds(mbit == 8 ? 60 : 500), "\(mbit): \(link.worst)")
        }
    }

    /// A leg that carries what configuration says is full soon. One that carries a tenth is found to, and one that carries
    /// a hundredth is left: what comes until the first probe is late is all that is too much.
    @Test(arguments: [(15.6, 0.9), (8, 0.9), (1.6, 0.8), (0.16, 0)], [50, 150, 450] as [Int64])
    func aLegBeginsWithHalfOfWhatIsTold(leg: (mbit: Double, share: Double), base: Int64) {
        var rate = LegRate(Self.told, nil, now: Self.start)
        #expect(rate.rate == 980_000 && rate.end == nil && rate.record == nil, "what is told is not known")
        var link = LoadedLink(leg.mbit, .milliseconds(base))
        // The round trip is known before the leg is used.
        link.demand = 0
        var now = link.run(&rate, from: Self.start, seconds: 2)
        #expect(rate.rate == 980_000)
        link.demand = 1
        now = link.run(&rate, from: now, seconds: 5)
        #expect(link.worst * leg.mbit < .milliseconds(8 * (350 + base)), "\(link.worst)")
        now = link.run(&rate, from: now, seconds: 5)
        let share = base < 450 ? leg.share : leg.share / 4
        #expect(link.used >= share && rate.isWorthUsing == (leg.share > 0), "\(link.used) \(rate)")
        if leg.mbit > 1, base < 450 { #expect(link.worst < .milliseconds(100), "\(link.worst)") }
    }

    @Test func aFarLegIsTried() {
        var rate = LegRate(Self.told, nil, now: Self.start)
        rate.arrivesLater(by: .milliseconds(62))
        #expect(rate.end == nil)
        rate.arrivesLater(by: .milliseconds(65))
        #expect(rate.end != nil && rate.rate == 62_500)
        let known = LegRateRecord(rate: 1_000_000, capacity: nil, base: nil, isWorthUsing: true)
        var second = LegRate(Self.told, known, now: Self.start)
        second.arrivesLater(by: .milliseconds(200))
        #expect(second.end == nil && second.record == known, "what was found holds")
    }

    @Test func withoutBeingToldALegIsTried() {
        let rate = LegRate(LegRate.Settings(ceiling: nil, least: 50_000), nil, now: Self.start)
        #expect(rate.end != nil && rate.rate == 62_500)
        let less = LegRate(LegRate.Settings(ceiling: 100_000, least: 50_000), nil, now: Self.start)
        #expect(less.end != nil && less.rate == 62_500, "half of it would be too little to begin with")
    }

    /// A record may say anything, and settings may be others now.
    @Test func aRateThatWasKnownIsHeldToTheSettings() throws {
        let record = LegRateRecord(rate: 1 << 40, capacity: 1 << 40, base: .milliseconds(50), isWorthUsing: true)
        var rate = LegRate(Self.told, record, now: Self.start)
        #expect(rate.rate == 1_960_000)
        var link = LoadedLink(8, .milliseconds(50))
        let now = link.run(&rate, from: Self.start, seconds: 10)
        _ = link.run(&rate, from: now, seconds: 10)
        #expect(link.used > 0.9 && link.worst < .milliseconds(60), "\(link.used) \(link.worst)")
    }

    /// A rate that is cut for a probe which may be lost is not what the next process begins with.
    @Test func whatIsKnownOutlivesALostProbe() throws {
        var rate = LegRate(Self.told)
        var link = LoadedLink(16, .milliseconds(50))
        let now = link.run(&rate, from: Self.start, seconds: 10)
        let before = try #require(rate.record)
        link.loses = 1
        _ = link.run(&rate, from: now, seconds: 0.4)
        #expect(rate.rate < before.rate / 2)
        #expect(try #require(rate.record).rate > before.rate / 10 * 8)
    }
}
