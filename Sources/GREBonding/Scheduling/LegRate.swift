/// How much a leg carries, found from round trips while it is loaded, so that its own queue stays short. Counts of
/// bytes and round trips go in, a rate comes out; one probe is under way at a time.
///
/// While the queue is empty the rate grows. Once there is one, two probes that both waited in it tell the leg's
/// capacity: what was sent between them is what the leg carried between their arrivals. The rate is then the capacity,
/// less what lets the queue drain.
public struct LegRate: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        /// Bytes a second by configuration, which are never exceeded; nil: not known.
        public var ceiling: UInt64?
        /// Below so many bytes a second the leg is not worth using.
        public var least: UInt64

        public init(ceiling: UInt64?, least: UInt64) {
            self.ceiling = ceiling.map { min($0, LegRate.fastest) }
            self.least = min(least, LegRate.fastest)
        }
    }

    struct Probe: Hashable, Sendable {
        var sent: Instant
        /// Bytes given to the leg before it.
        var bytes: UInt64
        /// Whether the leg had got all that the rate allows just before it.
        var isFull = false
        /// Samples so far of which that is not true.
        var gaps: UInt64 = 0
        var wait: Duration = .zero
    }

    /// Between two samples of a leg in use.
    public static let interval = Duration.milliseconds(50)
    /// The queue that is aimed at; a probe that is late by so much more is overdue, and once more after that.
    static let target = Duration.milliseconds(10)
    static let patience = Duration.milliseconds(60)
    /// A leg counts as in use for so long after it was.
    static let lull = Duration.seconds(2)
    /// Bytes between two samples that are no mere sign of life.
    static let some: UInt64 = 200
    /// So long after an answer, and a round trip, the next probe waits for the leg to get all that the rate allows.
    static let fullWait = Duration.milliseconds(100)
    /// A probe that is late by so much more has the peer asked by the other leg, too.
    static let doubt = Duration.milliseconds(20)
    /// A probe is lost after so much more.
    static let loss = Duration.milliseconds(500)
    /// Probes in a row that find a queue although the rate was cut: the path has become longer.
    static let stuckLimit = 16
    static let lostLimit = 8
    /// A round trip that is long, nanoseconds.
    static let far: Int64 = 200_000_000
    static let slowest: UInt64 = 8_000
    static let fastest: UInt64 = 1 << 40
    /// How often the queue is let run dry, to see the round trip without it.
    static let drainInterval = Duration.seconds(20)
    static let trialWaits = (first: Duration.seconds(30), last: Duration.seconds(600))

    public var settings: Settings
    /// Bytes a second to be given to the leg, links' headers included.
    public internal(set) var rate: UInt64
    /// What was measured last; nil: the leg has never been full.
    public internal(set) var capacity: UInt64?
    /// Queue on the leg when it was measured last.
    public private(set) var wait: Duration = .zero
    var trial: LegTrial?
    var base = RecentExtreme(.least, window: .seconds(60))
    private var before: Duration?
    var probe: Probe?
    var answered: Probe?
    /// When a probe was sent last.
    private var asked: Instant?
    /// Bytes that the leg had been given at the last sample.
    var total: UInt64 = 0
    /// The last sample, as a probe that was not sent.
    var sample: Probe?
    private var gaps: UInt64 = 0
    /// When the peer was asked by the other leg whether it answers at all.
    var signAsked: Instant?
    var isSignAnswered = false
    /// Whether there is another leg to ask by.
    var hasOther = false
    /// Whether a message that is answered is to be sent by the other leg now. A peer that is away for a moment, as its
    /// program is started anew, answers on no leg: then a probe without an answer says nothing about this one.
    public internal(set) var wantsSign = false
    /// When the leg was in use last.
    var loaded: Instant?
    /// When the rate changed last.
    private var changed: Instant?
    var isSearching = true
    /// Whether the rate is what configuration says, and nothing was measured at it.
    var isTold = false
    /// What the leg gets once its trial was passed; nil: what a search begins with.
    var afterTrial: UInt64?
    private var stuck = 0
    private var stuckLeast: Duration = .zero
    var beforeCut: UInt64?
    /// How often the rate was halved for the probe that is under way.
    var cutCount: Int64 = 0
    private var drainAt: Instant?
    var trialAt: Instant?
    private var trialWait = Self.trialWaits.first
    var lostInARow = 0

    public init(_ settings: Settings) {
        self.settings = settings
        rate = Self.first(settings)
        trial = LegTrial(rate: rate)
        limit()
    }

    /// Where the search begins: a leg that carries so much is worth using.
    static func first(_ settings: Settings) -> UInt64 { settings.least &+ settings.least / 4 }

    /// Whether the leg carries enough to be used at all. While it does not, it is tried now and then.
    public internal(set) var isWorthUsing = true

    /// While nothing is known of the leg: the count of bytes given to it that may not be exceeded.
    public var end: UInt64? { trial?.end }

    /// Whether a sample is wanted soon, or only now and then. Flows with a long round trip load a leg in bursts.
    public var isBusy: Bool { probe != nil || loaded.map { $0 + Self.lull > sample?.sent ?? $0 } ?? false }

    /// Takes that the leg has been given nothing more, if there is nothing to be seen in that: what a bond costs that does
    /// not use it, as most do not most of the time.
    /// - Parameter canAsk: whether the peer has been heard and so would answer a probe
    /// - Returns: false: ``sampled(given:waiting:hasOther:now:)`` has to look
    public mutating func isIdle(given total: UInt64, waiting: UInt64, canAsk: Bool, now: Instant) -> Bool {
        guard total == self.total, waiting == 0, sample?.bytes == total, probe == nil, isWorthUsing,
            base.value != nil || !canAsk,
            // A window that was begun is asked about once it is used.
            (trial?.begun ?? total) == total
        else { return false }
        sample?.sent = now
        wantsSign = false
        gaps += 1
        return true
    }

    /// Takes how many bytes have been given to the leg since whenever, and how many of them have not left yet.
    /// - Parameter hasOther: whether the peer can be asked by another leg, too
    /// - Returns: whether a probe is to be sent now
    public mutating func sampled(given total: UInt64, waiting: UInt64, hasOther: Bool, now: Instant) -> Bool {
        wantsSign = false
        self.hasOther = hasOther
        // The count of those that wait goes by the present rate and is not exact: what has left never becomes less.
        let isContinued = total >= self.total
        let bytes = max(total - min(waiting, total), isContinued ? sample?.bytes ?? 0 : 0)
        self.total = total
        if !isWorthUsing {
            if trialAt == nil {
                trialAt = now + trialWait
                trialWait = min(trialWait * 2, Self.trialWaits.last)
            }
            if let trialAt, trialAt <= now { beginTrial() }
        }
        if base.value == nil, lostInARow >= Self.lostLimit {
            // Nobody answers: what is configured must do, or as much as the other leg has.
            rate = settings.ceiling ?? settings.least &* 20
            trial = nil
            return false
        }
        defer { sample = Probe(sent: now, bytes: bytes) }
        guard let last = sample, isContinued, now > last.sent else {
            probe = nil
            answered = nil
            trial?.begin(at: total)
            return false
        }
        if trial != nil { return tried(bytes, last, now) }
        let given = bytes - last.bytes
        let allowed = Self.carried(rate, now - last.sent)
        let isLoaded = given >= Self.some && given >= allowed / 16
        let isFull = isLoaded && given >= allowed / 10 * 6
        if isLoaded { loaded = now }
        if !isFull { gaps += 1 }
        if let probe {
            overdue(probe, now)
            if self.probe != nil || trial != nil { return false }
        }
        guard isLoaded || base.value == nil else { return false }
        // A probe is to meet what is sent at the present rate, and as much of it as there may be.
        if let changed, now - changed < Self.interval { return false }
        let roundTrips = Duration.nanoseconds(2 * (base.value ?? 0))
        if let asked, !isFull, now - asked < roundTrips + Self.fullWait { return false }
        asked = now
        probe = Probe(sent: now, bytes: bytes, isFull: isFull, gaps: gaps)
        signAsked = nil
        cutCount = 0
        return true
    }

    /// Takes a round trip of the leg: of a probe, or of another message.
    /// - Parameter sent: when the message left
    public mutating func measured(_ roundTrip: Duration, sent: Instant, now: Instant) {
        // One that is shorter than any other may be the late answer to a probe that was given up.
        if let probe, probe.sent == sent, let base = base.value, roundTrip.nanoseconds < base / 10 * 9,
            before ?? .zero >= .nanoseconds(base / 10 * 9)
        {
            before = roundTrip
            return self.probe = nil
        }
        base.add(roundTrip.nanoseconds, at: now.nanoseconds)
        before = roundTrip
        guard var probe, probe.sent == sent, let base = base.value else { return }
        self.probe = nil
        lostInARow = 0
        probe.wait = max(.zero, roundTrip - .nanoseconds(base))
        wait = probe.wait
        let last = answered
        answered = probe
        let wasCut = beforeCut
        beforeCut = nil
        if trial != nil { return judgeTrial(probe) }
        if isTold, judgeTold(probe) { return }
        if let wasCut, probe.wait <= Self.target { rate = max(rate, wasCut) }
        let carried = last.map { last in capacity(last, probe) } ?? nil
        if let carried {
            let old = capacity ?? carried
            capacity = carried > old / 2 && carried / 2 < old ? (old * 3 + carried) / 4 : carried
        }
        if probe.wait > allowed {
            tooMuch(probe, roundTrip, carried, at: wasCut ?? rate, now)
        } else if let last {
            stuck = 0
            grow(from: last, to: probe, now)
        }
        limit()
    }

    /// The leg is another one.
    public mutating func reset() { self = LegRate(settings) }

    // MARK: -

    /// A full packet or two may always be in the queue.
    var allowed: Duration {
        Self.target + .nanoseconds(Int64(clamping: 3_000 * 1_000_000_000 / max(rate, Self.slowest)))
    }

    /// What the leg carried between two probes that both waited; nil: it was not full.
    private func capacity(_ a: Probe, _ b: Probe) -> UInt64? {
        guard min(a.wait, b.wait) > Self.target / 2, b.bytes > a.bytes + 3000, a.gaps == b.gaps else { return nil }
        let time = (b.sent - a.sent + b.wait - a.wait).nanoseconds
        guard time > 1_000_000 else { return nil }
        return UInt64(min(Double(b.bytes - a.bytes) * 1e9 / Double(time), Double(Self.fastest)))
    }

    /// - Parameter sent: the rate that was too much
    private mutating func tooMuch(
        _ probe: Probe, _ roundTrip: Duration, _ carried: UInt64?, at sent: UInt64, _ now: Instant
    ) {
        isSearching = false
        stuckLeast = stuck == 0 ? roundTrip : min(stuckLeast, roundTrip)
        stuck += 1
        if stuck >= Self.stuckLimit {
            base = RecentExtreme(.least, window: .seconds(60))
            base.add(stuckLeast.nanoseconds, at: now.nanoseconds)
            stuck = 0
            return
        }
        // So that the queue has drained in about two round trips and a little.
        let time = roundTrip.nanoseconds + 100_000_000
        let share = max(0.5, 1 - Double((probe.wait - Self.target).nanoseconds) / Double(time))
        let full = carried.map { _ in capacity ?? rate } ?? min(rate, capacity ?? rate)
        rate = UInt64(Double(full) * share)
        // Where the leg is never full for long no capacity is known, but so little was too much.
        if capacity ?? sent < settings.least { isWorthUsing = false }
        note(now)
    }

    private mutating func grow(from last: Probe, to probe: Probe, _ now: Instant) {
        if let capacity, last.wait > allowed, rate < capacity {
            // The queue has drained.
            rate = capacity / 50 * 49
            return note(now)
        }
        // Only what was sent at the present rate says something about it.
        guard probe.isFull, changed.map({ $0 < probe.sent }) ?? true else { return }
        // Without a queue well beyond what was measured: the leg carries more than it did.
        if let capacity, rate > capacity / 4 * 5 {
            self.capacity = nil
            isSearching = true
        }
        if let drainAt, drainAt <= now, let capacity {
            self.drainAt = now + Self.drainInterval
            rate = capacity / 100 * 85
        } else {
            // The longer it takes to hear of a queue, the smaller the step.
            let isFast = isSearching || rate < (capacity ?? 0) / 2
            rate += !isFast ? rate / 32 : base.value ?? 0 > Self.far ? rate / 2 : rate
            if drainAt == nil { drainAt = now + Self.drainInterval }
        }
        note(now)
    }

    /// The rate has changed.
    mutating func note(_ now: Instant) { changed = now }

    mutating func limit() {
        rate = min(max(rate, Self.slowest), Self.fastest)
        if let ceiling = settings.ceiling { rate = min(rate, max(ceiling, 1)) }
        if rate > settings.least &* 4 {
            trialWait = Self.trialWaits.first
            trialAt = nil
        }
    }

    /// Bytes that go at a rate, bytes a second, in a time; none in a negative one.
    public static func carried(_ rate: UInt64, _ time: Duration) -> UInt64 {
        UInt64(min(Double(rate) * Double(max(0, time.nanoseconds)) / 1e9, 1e18))
    }
}
