import TestSupport
import Testing

@testable import GREBonding

@Suite struct ResequencerTests {
    private static let settings = Resequencer.Settings(bufferLimit: 4096, timer: 80_000_000)

    /// Feeds numbers and gives back the order in which they come out.
    private func run(_ arrivals: [(UInt32, Int)], _ r: inout Resequencer, at now: Int64 = 0) -> [UInt32] {
        var out: [UInt32] = []
        for (number, leg) in arrivals {
            r.receive(sequence: number, leg: leg, token: UInt64(number), now: now) { out.append(UInt32($0)) }
        }
        return out
    }

    @Test func inOrderPassesThrough() {
        var r = Resequencer(settings: Self.settings)
        #expect(run((10..<20).map { ($0, 0) }, &r) == Array(10..<20))
        #expect(r.depth == 0 && r.deadline == nil && r.statistics.inOrder == 10)
    }

    @Test func unlikeLegsComeOutInOrder() {
        var r = Resequencer(settings: Self.settings)
        // 0 and 3 went by leg 1, which is slower: leg 0 is ahead of it.
        #expect(run([(99, 0), (101, 0), (102, 0), (104, 0), (100, 1), (103, 1), (105, 0)], &r) == Array(99...105))
        #expect(r.statistics.late == 0 && r.statistics.passedOver == 0)
    }

    @Test func numbersWrap() {
        var r = Resequencer(settings: Self.settings)
        let start = UInt32.max - 2
        let numbers = (0..<6).map { start &+ UInt32($0) }
        #expect(run([0, 2, 1, 4, 3, 5].map { (numbers[$0], $0 % 2) }, &r) == numbers)
    }

    @Test func lossIsKnownWhenBothLegsHavePassedIt() {
        var r = Resequencer(settings: Self.settings)
        // 2 is lost. Leg 0 is beyond it at once; with leg 1 beyond it too nothing is waited for.
        #expect(run([(0, 0), (1, 1), (3, 0)], &r) == [0, 1])
        #expect(r.depth == 1)
        #expect(run([(4, 1)], &r) == [3, 4])
        #expect(r.statistics.passedOver == 1 && r.statistics.timedOut == 0)
    }

    @Test func aNumberBetweenTheMarksIsStillWaitedFor() {
        var r = Resequencer(settings: Self.settings)
        // 2 lost; 5 is under way on leg 1, whose mark is 4.
        #expect(run([(0, 0), (1, 1), (3, 0), (6, 0), (4, 1)], &r) == [0, 1, 3, 4])
        #expect(run([(5, 1)], &r) == [5, 6])
    }

    @Test func silentLegIsWaitedForNoLongerThanTheTimer() {
        var r = Resequencer(settings: Self.settings)
        #expect(run([(0, 0), (2, 0)], &r, at: 1000) == [0])
        #expect(r.deadline == 80_001_000)
        var out: [UInt64] = []
        r.expire(now: 80_000_999) { out.append($0) }
        #expect(out.isEmpty)
        r.expire(now: 80_001_000) { out.append($0) }
        #expect(out == [2] && r.deadline == nil && r.statistics.timedOut == 1)
        #expect(run([(1, 1)], &r) == [1])
        #expect(r.statistics.late == 1)
    }

    @Test func aSlowLegThatKeepsDeliveringIsWaitedFor() {
        var r = Resequencer(settings: .init(bufferLimit: 4096, timer: 1000, silence: 100))
        // 1 and 4 are in leg 1's long queue behind 2.
        #expect(run([(0, 0), (3, 0)], &r, at: 0) == [0])
        #expect(r.deadline == 100)
        #expect(run([(1, 1)], &r, at: 90) == [1])
        #expect(r.deadline == 190)
        #expect(run([(2, 1)], &r, at: 180) == [2, 3])
        #expect(run([(5, 0)], &r, at: 200) == [] && r.deadline == 300)
        // Signs of life on the leg that is ahead do not count.
        #expect(run([(6, 0)], &r, at: 290) == [] && r.deadline == 300)
        var out: [UInt64] = []
        r.expire(now: 300) { out.append($0) }
        #expect(out == [5, 6] && r.statistics.timedOut == 1)
    }

    @Test func noPacketIsHeldLongerThanOutOfOrderTimer() {
        var r = Resequencer(settings: .init(bufferLimit: 4096, timer: 250, silence: 100))
        _ = run([(0, 0), (100, 0)], &r, at: 0)
        for i in 1...4 { _ = run([(UInt32(i), 1)], &r, at: Int64(i) * 60) }
        #expect(r.deadline == 250)
        var out: [UInt64] = []
        r.expire(now: 250) { out.append($0) }
        #expect(out == [100])
    }

    @Test func silenceFollowsWhatTheLegsShow() {
        let ms: Int64 = 1_000_000
        var r = Resequencer(
            settings: .init(bufferLimit: 4096, timer: 1000 * ms, silence: 400 * ms, expected: 15 * ms))
        #expect(r.silence == 400 * ms)
        _ = run([(0, 0), (2, 0)], &r, at: 0)
        // 20 ms is how late it came; a quarter more and a margin is waited from now on.
        #expect(run([(1, 1)], &r, at: 20 * ms) == [1, 2])
        #expect(r.silence == 35 * ms)
        _ = run([(4, 0)], &r, at: 100 * ms)
        #expect(r.deadline == 135 * ms)
        r.expire(now: 135 * ms) { _ in }
        // It comes after all: the next one is given that time.
        _ = run([(3, 1)], &r, at: 164 * ms)
        #expect(r.silence == 90 * ms && r.statistics.late == 1)
        // Without such trouble it is forgotten, down to what is expected.
        for second in 1...20 as ClosedRange<Int64> {
            let number = UInt32(second * 3 + 2)
            _ = run([(number, 0), (number + 2, 0)], &r, at: second * 1000 * ms)
            _ = run([(number + 1, 1)], &r, at: second * 1000 * ms + 4 * ms)
        }
        #expect(r.silence < 40 * ms)
    }

    @Test func independentPacketsDoNotWaitAndAreNotWaitedFor() {
        var r = Resequencer(settings: Self.settings)
        var out: [UInt32] = []
        func take(_ number: UInt32, _ leg: Int, _ independent: Bool) {
            r.receive(
                sequence: number, leg: leg, token: UInt64(number), now: 0, independent: independent
            ) { out.append(UInt32($0)) }
        }
        take(0, 0, false)
        take(2, 0, false)
        take(3, 0, true)
        take(4, 0, false)
        #expect(out == [0, 3])
        take(1, 1, false)
        #expect(out == [0, 3, 1, 2, 4])
        take(5, 0, true)
        take(6, 0, false)
        #expect(out == [0, 3, 1, 2, 4, 5, 6] && r.depth == 0 && r.statistics.independent == 1)
        // A number that is missing before an independent one is given up like any other.
        take(8, 0, true)
        r.expire(now: 80_000_000) { out.append(UInt32($0)) }
        take(9, 0, false)
        #expect(out.suffix(2) == [8, 9] && r.statistics.timedOut == 1)
    }

    // MARK: The first leg comes past it while no other leg is in use

    private static let pausing = Resequencer.Settings(bufferLimit: 256, timer: 80_000_000, pause: 1_000)

    @Test func whatTheFirstLegHadPastItIsNotWaitedFor() {
        var r = Resequencer(settings: Self.pausing)
        // 102 to 107 went past it.
        #expect(run([(100, 1), (101, 1), (108, 0), (109, 0), (111, 0), (110, 1), (112, 0)], &r) == [
            100, 101, 108, 109, 110, 111, 112,
        ])
        #expect(r.depth == 0 && r.deadline == nil && r.statistics.timedOut == 0 && r.statistics.passedOver == 0)
        // What a further leg has had longer than that is late.
        #expect(run([(105, 1)], &r) == [105])
        #expect(r.statistics.late == 1 && r.statistics.overtaken == 1)
    }

    /// The second leg is known to be 20 ms later, so what it may still have has 35 ms.
    private static let resting = Resequencer.Settings(
        bufferLimit: 256, timer: 1_000_000_000, silence: 400_000_000, expected: 20_000_000, pause: 1_500_000_000)

    @Test func whatAFurtherLegHasAfterARestOfTheFirstIsWaitedFor() {
        var r = Resequencer(settings: Self.resting)
        #expect(run([(100, 1), (101, 1), (104, 0), (102, 1), (105, 0), (103, 1), (106, 0)], &r) == [
            100, 101, 102, 103, 104, 105, 106,
        ])
        #expect(r.depth == 0 && r.statistics.late == 0 && r.statistics.held == 2)
    }

    @Test func aFurtherLegThatIsBeyondTellsThatTheFirstHadThem() {
        var r = Resequencer(settings: Self.resting)
        #expect(run([(100, 1), (104, 0), (105, 0), (102, 1)], &r) == [100, 102])
        #expect(run([(107, 1)], &r) == [104, 105])
        #expect(run([(106, 0)], &r) == [106, 107])
        #expect(r.depth == 0 && r.statistics.passedOver == 0 && r.statistics.late == 0)
    }

    @Test func theFirstGapAfterARestEndsSoon() {
        var r = Resequencer(settings: Self.resting)
        #expect(run([(100, 1), (104, 0)], &r) == [100])
        #expect(r.deadline == 35_000_000)
        var out: [UInt64] = []
        r.expire(now: 35_000_000) { out.append($0) }
        #expect(out == [104] && r.statistics.timedOut == 0)
        // Those of after it count.
        #expect(run([(108, 0), (107, 1)], &r, at: 36_000_000) == [107, 108])
        #expect(r.statistics.passedOver == 2)
    }

    @Test func noFirstLegRestsForAFarOne() {
        var settings = Self.resting
        settings.expected = Resequencer.longestRest + 1
        var r = Resequencer(settings: settings)
        #expect(run([(100, 1), (104, 0)], &r) == [100, 104])
    }

    @Test func aFasterLegsNumbersAreKeptUntilTheFirstLegIsThere() {
        var r = Resequencer(settings: Self.pausing)
        #expect(run([(100, 1), (101, 1), (103, 1), (98, 0), (99, 0), (102, 0), (104, 0)], &r) == [
            100, 101, 103, 98, 99, 102, 104,
        ])
        #expect(r.depth == 0 && r.statistics.late == 0 && r.statistics.passedOver == 0)
    }

    @Test func aPauseIsTakenIntoAccountEachTime() {
        var r = Resequencer(settings: Self.pausing)
        #expect(run([(0, 1), (1, 0), (2, 1), (3, 0)], &r) == [0, 1, 2, 3])
        #expect(run([(5, 0), (4, 1)], &r, at: 999) == [4, 5])
        #expect(run([(40, 1), (44, 1), (41, 0), (42, 0), (43, 0), (45, 0)], &r, at: 1999) == [40, 44, 41, 42, 43, 45])
        #expect(r.depth == 0 && r.statistics.resynchronized == 0)
    }

    @Test func aPauseLetsGoWhatIsHeld() {
        var r = Resequencer(settings: Self.pausing)
        #expect(run([(0, 1), (1, 0), (3, 0)], &r) == [0, 1])
        #expect(run([(9, 1), (9, 1), (9, 0)], &r, at: 1000) == [3, 9, 9, 9])
        #expect(r.depth == 0 && r.deadline == nil)
    }

    @Test func jumpBeyondTheBufferStartsAnew() {
        var r = Resequencer(settings: .init(bufferLimit: 64, timer: 80_000_000))
        #expect(run([(0, 0), (2, 0), (1000, 0), (1001, 1)], &r) == [0, 2, 1000, 1001])
        #expect(r.statistics.resynchronized == 1 && r.depth == 0)
    }

    @Test func restartedSenderIsFollowed() {
        var r = Resequencer(settings: Self.settings)
        _ = run([(5000, 0)], &r)
        #expect(run((0..<40).map { ($0, 0) }, &r) == Array(0..<40))
        #expect(r.statistics.resynchronized == 1)
        #expect(run([(41, 0), (40, 1)], &r) == [40, 41])
    }

    @Test func duplicatesGoAtOnceAndNothingIsCountedTwice() {
        var r = Resequencer(settings: Self.settings)
        #expect(run([(0, 0), (2, 0), (2, 0), (0, 0), (1, 1)], &r) == [0, 2, 0, 1, 2])
        #expect(r.depth == 0)
    }

    /// As the program's loop does: what is due is done before anything else comes.
    private func loop(_ arrivals: [(UInt32, Int)], _ r: inout Resequencer, from start: Int64) -> [UInt32] {
        var out: [UInt32] = []
        for (n, (number, leg)) in arrivals.enumerated() {
            let now = start + Int64(n) * 1_000_000
            if let due = r.deadline, due <= now { r.expire(now: now) { out.append(UInt32($0)) } }
            r.receive(sequence: number, leg: leg, token: UInt64(number), now: now) { out.append(UInt32($0)) }
        }
        return out
    }

    /// The mark of a leg that was silent meanwhile seems to be ahead of all others.
    @Test func aLegThatWasSilentForMoreThanHalfOfAllNumbersIsWaitedFor() {
        var r = Resequencer(settings: Self.settings)
        #expect(run([(0, 0), (1, 1)], &r) == [0, 1])
        var number: UInt32 = 1
        for second in 1...15 as ClosedRange<Int64> {
            number += 200_000_000
            #expect(run([(number, 1)], &r, at: second * 1_000_000_000) == [number])
        }
        let next = (1...6).map { number + $0 }
        let arrivals = [(1, 1), (3, 1), (0, 0), (5, 1), (2, 0), (4, 0)].map { (next[$0], $1) }
        let out = loop(arrivals, &r, from: 15_900_000_000)
        #expect(out == next && r.statistics.late == 0)
    }

    /// What came while nobody knew how far the first leg was is gone; what comes after that is put in order.
    @Test func aFurtherLegThatIsFasterIsPutInOrderFromTheFirstLegsNextPacketOn() {
        var r = Resequencer(
            settings: .init(bufferLimit: 4096, timer: 80_000_000, silence: 60_000_000, pause: 1_500_000_000))
        let out = loop([(3, 1), (5, 1), (1, 0), (6, 1), (8, 1), (2, 0), (4, 0), (7, 0)], &r, from: 1_000_000_000)
        #expect(out == [3, 5, 1, 2, 4, 6, 7, 8])
        #expect(r.statistics.late == 0 && r.statistics.timedOut == 0)
    }

    @Test func numbersThatWereGivenUpWhenTheyWereOthersSayNothing() {
        var r = Resequencer(settings: Self.settings)
        _ = run([(0, 0), (100, 0)], &r)
        r.expire(now: 80_000_000) { _ in }
        #expect(r.statistics.timedOut == 99 && r.longestLateness == nil)
        var number: UInt32 = 100
        for hour in 1...21 as ClosedRange<Int64> {
            number &+= 204_522_252
            _ = run([(number, 0)], &r, at: hour * 3_600_000_000_000)
        }
        #expect(number == 96)
        // One of them is late.
        _ = run([(50, 0)], &r, at: 22 * 3_600_000_000_000)
        #expect(r.statistics.late == 1 && r.longestLateness == nil)
    }

    @Test func flushReleasesAllInOrder() {
        var r = Resequencer(settings: Self.settings)
        _ = run([(0, 0), (5, 0), (3, 0)], &r)
        var out: [UInt64] = []
        r.flush { out.append($0) }
        #expect(out == [3, 5] && r.depth == 0 && r.deadline == nil)
    }

    /// Every packet comes out exactly once, whatever the order, the duplicates and the jumps.
    @Test(arguments: 1...200)
    func nothingIsLostOrInvented(seed: Int) {
        var random = SplitMix(state: UInt64(seed))
        let pause: Int64? = seed % 3 == 0 ? 2000 : nil
        var r = Resequencer(settings: .init(bufferLimit: 128, timer: 1000, pause: pause))
        var put: [UInt64: Int] = [:]
        var got: [UInt64: Int] = [:]
        var now: Int64 = 0
        var base = random.next() as UInt32
        for token in 0..<2000 as Range<UInt64> {
            switch random.next(upperBound: UInt64(100)) {
            case 0: base = random.next()
            case 1: base = base &- 1
            default: base = base &+ 1
            }
            let number = base &- UInt32(random.next(upperBound: UInt64(16)))
            put[token, default: 0] += 1
            r.receive(
                sequence: number, leg: Int(random.next(upperBound: UInt64(2))), token: token, now: now,
                independent: seed % 2 == 0 && random.next(upperBound: UInt64(4)) == 0
            ) {
                got[$0, default: 0] += 1
            }
            now += Int64(random.next(upperBound: UInt64(300)))
            if let deadline = r.deadline, deadline <= now { r.expire(now: now) { got[$0, default: 0] += 1 } }
            #expect(r.depth <= 128)
        }
        r.flush { got[$0, default: 0] += 1 }
        #expect(put == got)
    }
}
