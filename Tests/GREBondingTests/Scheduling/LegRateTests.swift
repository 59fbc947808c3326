import TestSupport
import Testing

@testable import GREBonding

/// A link with a queue, loaded by what the rate says, drives the controller for a while.
struct LoadedLink {
    /// Bytes a second, and the round trip without a queue.
    var capacity: Double
    var base: Duration
    /// Each nth probe is lost; 0: none.
    var loses = 0
    /// Share of the rate that is sent.
    var demand = 1.0
    /// It is sent in the first half of so many milliseconds; 0: always.
    var burst = 0
    /// Nobody looks for so many milliseconds at first.
    var idle = 0
    /// Whether there is another leg, by which the peer answers within so many milliseconds.
    var otherLeg: Int64?
    /// Whether what is at rest is looked at the short way.
    var looksShortly = false
    /// For so long the peer's program is away: it answers nothing.
    var away = Duration.zero

    private(set) var backlog = 0.0
    private(set) var sent = 0.0
    private(set) var worst = Duration.zero
    private(set) var used = 0.0
    private var probes = 0
    private var under: [(sent: Instant, due: Instant)] = []
    private var sign: (sent: Instant, due: Instant)?
    private(set) var signs = 0

    init(_ mbit: Double, _ base: Duration) {
        capacity = mbit * 125_000
        self.base = base
    }

    var wait: Duration { .nanoseconds(Int64(backlog / capacity * 1e9)) }

    mutating func run(_ rate: inout LegRate, from start: Instant, seconds: Double) -> Instant {
        var now = start
        let step = Duration.milliseconds(1)
        worst = .zero
        used = 0
        for tick in 0..<Int(seconds * 1000) {
            now = now + step
            let wanted = rate.isWorthUsing && (burst == 0 || tick % burst < burst / 2) ? Double(rate.rate) * 0.001 * demand : 0
            let given = min(wanted, rate.end.map { max(0, Double($0) - sent) } ?? wanted)
            sent += given
            let before = backlog
            backlog = max(0, backlog + given - capacity * 0.001)
            used += before + given - backlog
            worst = max(worst, wait)
            for i in under.indices.reversed() where under[i].due <= now {
                rate.measured(now - under[i].sent, sent: under[i].sent, now: now)
                under.remove(at: i)
            }
            guard tick % 50 == 0, tick == 0 || tick >= idle else { continue }
            if let (sent, due) = sign, due <= now {
                rate.answeredByOther(sent: sent)
                sign = nil
            }
            let isAway = now - start < away
            if looksShortly, rate.isIdle(given: UInt64(sent), waiting: 0, canAsk: true, now: now) { continue }
            if rate.sampled(given: UInt64(sent), waiting: 0, hasOther: otherLeg != nil, now: now) {
                probes += 1
                if !isAway, loses == 0 || probes % loses != 0 { under.append((now, now + base + wait)) }
            }
            guard rate.wantsSign else { continue }
            signs += 1
            if !isAway, let otherLeg { sign = (now, now + .milliseconds(otherLeg)) }
        }
        used /= capacity * seconds
        return now
    }
}

@Suite struct LegRateTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)
    private static let told = LegRate.Settings(ceiling: 1_960_000, least: 50_000)

    @Test(arguments: [0.8, 1.6, 4, 8, 16], [50, 150, 450] as [Int64])
    func capacityIsFoundAndTheQueueStaysShort(mbit: Double, base: Int64) {
        var rate = LegRate(Self.told)
        var link = LoadedLink(mbit, .milliseconds(base))
        let now = link.run(&rate, from: Self.start, seconds: 20)
        _ = link.run(&rate, from: now, seconds: 20)
        #expect(link.used > 0.9, "\(rate.rate)")
        // What a packet takes, and what is sent until the far end has answered, comes on top of what is aimed at.
        let packets = Int64(4500 * 8 / mbit / 1000)
        #expect(link.worst < .milliseconds(40 + packets + base / 8), "\(link.worst)")
    }

    /// A flow with a long round trip sends so while its window is small.
    @Test(arguments: [150, 290, 450]) func burstsFindTheCapacityOfAFarLeg(burst: Int) {
        var rate = LegRate(Self.told)
        var link = LoadedLink(14, .milliseconds(450))
        link.burst = burst
        var now = link.run(&rate, from: Self.start, seconds: 8)
        #expect(rate.rate > 1_500_000)
        link.burst = 0
        now = link.run(&rate, from: now, seconds: 20)
        _ = link.run(&rate, from: now, seconds: 20)
        #expect(link.used > 0.9 && link.worst < .milliseconds(100), "\(link.used) \(link.worst)")
    }

    @Test func aCountThatGoesBackDoesNotEndAProbe() {
        var rate = LegRate(Self.told)
        func asks(_ given: UInt64, _ waiting: UInt64, at time: Int64) -> Bool {
            rate.sampled(given: given, waiting: waiting, hasOther: false, now: Self.start + .milliseconds(time))
        }
        func answered(_ sent: Int64) {
            rate.measured(
                .milliseconds(45), sent: Self.start + .milliseconds(sent), now: Self.start + .milliseconds(sent + 45))
        }
        #expect(!asks(20_000, 0, at: 0) && asks(24_000, 0, at: 50) && rate.end == 24_000)
        answered(50)
        #expect(rate.end == nil)
        let first = asks(34_000, 4_000, at: 100)
        let less = asks(34_000, 9_000, at: 150)
        answered(100)
        let third = asks(40_000, 4_000, at: 210)
        #expect(first && !less && third)
    }

    @Test func theConfiguredRateIsNeverExceeded() {
        var rate = LegRate(Self.told)
        var link = LoadedLink(100, .milliseconds(50))
        _ = link.run(&rate, from: Self.start, seconds: 10)
        #expect(rate.rate == 1_960_000 && rate.capacity == nil)
    }

    @Test func withoutAConfiguredRateItIsFoundToo() {
        var rate = LegRate(.init(ceiling: nil, least: 50_000))
        var link = LoadedLink(80, .milliseconds(50))
        let now = link.run(&rate, from: Self.start, seconds: 20)
        _ = link.run(&rate, from: now, seconds: 10)
        #expect(link.used > 0.9 && link.worst < .milliseconds(60), "\(link.used) \(link.worst)")
    }

    @Test func aLinkThatSlowsDownAndRecoversIsFollowed() {
        var rate = LegRate(Self.told)
        var link = LoadedLink(16, .milliseconds(50))
        var now = link.run(&rate, from: Self.start, seconds: 10)
        link.capacity /= 4
        now = link.run(&rate, from: now, seconds: 5)
        now = link.run(&rate, from: now, seconds: 5)
        #expect(link.used > 0.85 && link.worst < .milliseconds(60), "\(link.used) \(link.worst)")
        link.capacity *= 4
        now = link.run(&rate, from: now, seconds: 5)
        _ = link.run(&rate, from: now, seconds: 5)
        #expect(link.used > 0.9)
    }

    @Test func aLostProbeIsNoQueue() {
        var rate = LegRate(Self.told)
        var link = LoadedLink(20, .milliseconds(50))
        link.loses = 50
        let now = link.run(&rate, from: Self.start, seconds: 10)
        _ = link.run(&rate, from: now, seconds: 10)
        #expect(link.used > 0.9 * 0.78, "\(link.used)")
    }

    /// A program that is started anew answers on no leg: its LTE is no worse for it. By a leg that is alone in its
    /// silence, or without another leg, the rate is cut.
    @Test(arguments: [(nil, false), (15, true), (80, true)] as [(Int64?, Bool)])
    func aPeerThatIsAwayIsNoQueue(other: Int64?, isKept: Bool) {
        var rate = LegRate(Self.told)
        var link = LoadedLink(16, .milliseconds(50))
        link.otherLeg = other
        var now = link.run(&rate, from: Self.start, seconds: 10)
        #expect(link.used > 0.8)
        link.away = .seconds(2)
        let before = rate.rate
        now = link.run(&rate, from: now, seconds: 2)
        #expect((rate.rate == before) == isKept, "\(rate.rate) of \(before)")
        if isKept { #expect(link.used > 0.8 && link.signs > 2, "\(link.used)") }
        // It is back while a probe is under way that it cannot have heard.
        link.away = .zero
        for _ in 0..<10 {
            now = link.run(&rate, from: now, seconds: 0.1)
            if isKept { #expect(rate.rate >= before / 4 * 3, "\(rate.rate) of \(before)") }
        }
        #expect(rate.rate > before / 4 * 3, "\(rate.rate) of \(before)")
    }

    @Test(arguments: [15, 80] as [Int64]) func aLegThatIsAloneInItsSilenceIsCut(other: Int64) {
        var rate = LegRate(Self.told)
        var link = LoadedLink(16, .milliseconds(50))
        link.otherLeg = other
        let now = link.run(&rate, from: Self.start, seconds: 10)
        let before = rate.rate
        link.loses = 1
        _ = link.run(&rate, from: now, seconds: 0.7)
        #expect(rate.rate <= before / 4, "\(rate.rate) of \(before)")
    }

    @Test func aLegThatIsTooSlowIsLeftAndTriedAgain() {
        var rate = LegRate(Self.told)
        var link = LoadedLink(0.16, .milliseconds(50))
        var now = link.run(&rate, from: Self.start, seconds: 5)
        #expect(!rate.isWorthUsing)
        // While it is left, it is tried for moments that grow rarer.
        var trials = 0
        var was = false
        for _ in 0..<1000 {
            now = link.run(&rate, from: now, seconds: 1)
            if rate.isWorthUsing, !was { trials += 1 }
            was = rate.isWorthUsing
        }
        #expect((2...8).contains(trials), "\(trials)")
        link.capacity = 1_000_000
        now = link.run(&rate, from: now, seconds: 620)
        _ = link.run(&rate, from: now, seconds: 10)
        #expect(link.used > 0.9)
    }

    /// Nothing is known of the leg, and for a second nobody looks.
    /// Two packets came apart when it was on trial, so that it seems to carry more. Bursts never fill it long enough for
    /// its capacity to be known.
    @Test(arguments: [200, 300, 400]) func aSlowLegThatPassedItsTrialIsLeft(burst: Int) {
        var rate = LegRate(Self.told)
        rate.measured(.milliseconds(120), sent: Self.start, now: Self.start + .milliseconds(120))
        rate.trial = nil
        var link = LoadedLink(0.16, .milliseconds(120))
        link.burst = burst
        _ = link.run(&rate, from: Self.start + .seconds(1), seconds: 6)
        #expect(!rate.isWorthUsing, "\(rate.rate), \(rate.capacity ?? 0)")
    }

    @Test(arguments: [50, 150, 450] as [Int64]) func aSlowLegGetsLittleBeforeItIsKnown(base: Int64) {
        var rate = LegRate(Self.told)
        var link = LoadedLink(0.16, .milliseconds(base))
        link.idle = 1000
        _ = link.run(&rate, from: Self.start, seconds: 6)
        #expect(!rate.isWorthUsing && link.worst < .milliseconds(500) && link.sent < 14_000, "\(link.worst) \(link.sent)")
    }

    /// At a low rate two packets take longer than it is between two looks.
    @Test func theSearchBeginsAtLowRatesToo() {
        var rate = LegRate(.init(ceiling: 490_000, least: 12_500))
        var link = LoadedLink(4, .milliseconds(50))
        _ = link.run(&rate, from: Self.start, seconds: 5)
        #expect(rate.end == nil && rate.rate > 400_000, "\(rate.rate)")
    }

    /// However little of it came last: nothing more may come before there is an answer.
    @Test func aWindowThatIsUsedUpIsAskedFor() {
        var rate = LegRate(Self.told)
        func asks(_ given: UInt64, at time: Int64) -> Bool {
            rate.sampled(given: given, waiting: 0, hasOther: false, now: Self.start + .milliseconds(time))
        }
        let first = asks(0, at: 0)
        let base = asks(0, at: 50)
        rate.measured(.milliseconds(40), sent: Self.start + .milliseconds(50), now: Self.start + .milliseconds(90))
        let most = asks(2400, at: 100)
        let rest = asks(2550, at: 150)
        #expect(!first && base && !most && rest)
    }

    /// Two packets one after the other do not wait for each other even on a slow leg.
    @Test func packetsThatCameApartSayNothing() {
        var rate = LegRate(Self.told)
        for i in 0..<200 as Range<UInt64> {
            let now = Self.start + .milliseconds(50 * Int64(i))
            if rate.sampled(given: i / 4 * 1546, waiting: 0, hasOther: false, now: now) {
                rate.measured(.milliseconds(50), sent: now, now: now + .milliseconds(20))
            }
        }
        #expect(rate.isWorthUsing && rate.end != nil)
    }

    @Test func oneLateAnswerDoesNotCondemn() {
        var rate = LegRate(Self.told)
        var now = Self.start
        var given: UInt64 = 0
        for i in 0..<40 as Range<Int64> {
            now = now + LegRate.interval
            given = min(given + 3_000, rate.end ?? .max)
            if rate.sampled(given: given, waiting: 0, hasOther: false, now: now) {
                rate.measured(.milliseconds(i == 8 || i == 9 ? 170 : 50), sent: now, now: now + .milliseconds(20))
            }
        }
        #expect(rate.isWorthUsing && rate.end == nil)
    }

    @Test func aLongerPathIsNotAQueueForEver() {
        var rate = LegRate(Self.told)
        var link = LoadedLink(20, .milliseconds(50))
        var now = link.run(&rate, from: Self.start, seconds: 10)
        link.base = .milliseconds(150)
        now = link.run(&rate, from: now, seconds: 20)
        _ = link.run(&rate, from: now, seconds: 10)
        #expect(link.used > 0.9 * 0.78, "\(link.used)")
    }

    @Test func withoutAnswersTheRateStays() {
        var rate = LegRate(Self.told)
        var link = LoadedLink(16, .milliseconds(50))
        link.loses = 1
        _ = link.run(&rate, from: Self.start, seconds: 30)
        #expect(rate.rate == 1_960_000 && rate.isWorthUsing)
    }

    /// From the first packet on, at any load: nothing is found later for it.
    @Test(arguments: [0.8, 16], [0, 150, 290, 450]) func theShortWayFindsTheSame(mbit: Double, burst: Int) {
        var rates = [LegRate(Self.told), LegRate(Self.told)]
        var used: [Double] = []
        for (number, looksShortly) in [false, true].enumerated() {
            var link = LoadedLink(mbit, .milliseconds(50))
            (link.burst, link.looksShortly) = (burst, looksShortly)
            let now = link.run(&rates[number], from: Self.start, seconds: 10)
            _ = link.run(&rates[number], from: now, seconds: 5)
            used.append(link.used)
        }
        #expect(used[0] == used[1] && used[0] > 0.3, "\(used)")
        #expect(rates[0].rate == rates[1].rate && rates[0].capacity == rates[1].capacity)
    }

    /// What was given to the leg and had not left yet, when it was looked at, is asked about when it has.
    @Test func whatWaitedIsNotAtRest() {
        var rate = LegRate(Self.told)
        func at(_ time: Int64) -> Instant { Self.start + .milliseconds(time) }
        var asked: [Bool] = [rate.sampled(given: 0, waiting: 0, hasOther: false, now: at(0))]
        asked.append(rate.sampled(given: 0, waiting: 0, hasOther: false, now: at(50)))
        rate.measured(.milliseconds(50), sent: at(50), now: at(100))
        let window = rate.end ?? 0
        asked.append(rate.sampled(given: window, waiting: window, hasOther: false, now: at(150)))
        #expect(asked == [false, true, false] && window > 0)
        let isIdle = rate.isIdle(given: window, waiting: 0, canAsk: true, now: at(200))
        #expect(!isIdle)
        let asks = rate.sampled(given: window, waiting: 0, hasOther: false, now: at(200))
        #expect(asks)
    }

    /// A leg that is not used may be looked at the short way: what follows is the same.
    @Test func anIdleLegIsKnownAtAGlance() {
        var (long, short) = (LegRate(Self.told), LegRate(Self.told))
        var link = LoadedLink(16, .milliseconds(50))
        let isKnown = short.isIdle(given: 0, waiting: 0, canAsk: true, now: Self.start)
        #expect(!isKnown, "nothing is known yet")
        let now = link.run(&long, from: Self.start, seconds: 5)
        short = long
        let total = long.total
        var looks = 0
        for tick in 1...100 as ClosedRange<Int64> {
            let then = now + .milliseconds(tick * 500)
            let asks = long.sampled(given: total, waiting: 0, hasOther: false, now: then)
            #expect(!asks)
            if !short.isIdle(given: total, waiting: 0, canAsk: true, now: then) {
                looks += 1
                _ = short.sampled(given: total, waiting: 0, hasOther: false, now: then)
            }
        }
        #expect(short == long && looks < 3, "\(looks)")
        let isIdle = short.isIdle(given: total + 1, waiting: 0, canAsk: true, now: now + .seconds(51))
        #expect(!isIdle)
    }

    /// After a restart thousands of gateways are not heard for a Hello Interval: to look at each as if it were in use costs
    /// as much as their Hellos.
    @Test func aLegThatCannotBeAskedAboutIsIdleUntilItIsUsed() {
        var rate = LegRate(Self.told)
        func at(_ time: Int64) -> Instant { Self.start + .milliseconds(time) }
        _ = rate.sampled(given: 5000, waiting: 0, hasOther: false, now: at(0))
        let unheard = rate.isIdle(given: 5000, waiting: 0, canAsk: false, now: at(200))
        let heard = rate.isIdle(given: 5000, waiting: 0, canAsk: true, now: at(400))
        let used = rate.isIdle(given: 5001, waiting: 0, canAsk: false, now: at(600))
        #expect(unheard && !heard && !used)
    }

    @Test func aLegThatIsHardlyUsedIsNotAsked() {
        var rate = LegRate(Self.told)
        var now = Self.start
        var asked = 0
        for i in 0..<100 as Range<UInt64> {
            if rate.sampled(given: i * 100, waiting: 0, hasOther: false, now: now) {
                asked += 1
                rate.measured(.milliseconds(50), sent: now, now: now + .milliseconds(50))
            }
            now = now + .seconds(1)
        }
        // Once, to know the round trip without load; and whenever as much was used as may be before it is known.
        #expect(asked <= 5 && !rate.isBusy && rate.rate == 62_500)
    }

    @Test func nothingTraps() {
        var random = SplitMix(state: 11)
        for seed in 0..<50 as Range<UInt64> {
            var rate = LegRate(.init(ceiling: seed % 2 == 0 ? nil : random.next(), least: random.next() >> 8))
            var now = Instant(nanoseconds: 0)
            for _ in 0..<400 {
                now = now + .nanoseconds(Int64(random.next(upperBound: UInt64(1) << 30)))
                let given = random.next() >> random.next(upperBound: UInt64(64))
                let hasOther = random.next() & 1 == 0
                if rate.sampled(given: given, waiting: random.next() >> 40, hasOther: hasOther, now: now) {
                    let sent = random.next(upperBound: UInt64(4)) == 0 ? Instant(nanoseconds: 1) : now
                    rate.measured(
                        .nanoseconds(Int64(random.next() >> 1) >> Int64(random.next(upperBound: UInt64(60)))),
                        sent: sent, now: now)
                }
                #expect(rate.rate >= 1)
            }
        }
    }
}
