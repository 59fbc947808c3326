/// The gateway's side of Hello on one leg: when to send, what was answered, how long it took, when to give up
/// (RFC 8157 §5.4, §5.2.6, §5.2.7).
struct HelloMonitor: Hashable, Sendable {
    private struct UnderWay: Hashable {
        var timestamp: Timestamp
        var sent: Instant
    }

    private(set) var rtt = RoundTripTime()
    /// When the next Hello is due.
    private(set) var next: Instant
    /// Hellos sent since the last answer.
    private(set) var unanswered = 0
    /// Whether the last Hello was the last one that the leg may leave unanswered.
    private var isLastAttempt = false
    private(set) var sentCount: UInt64 = 0
    /// Those that a later answer passed over are not in it.
    private(set) var answeredCount: UInt64 = 0
    /// Hellos under way, oldest first. An answer is matched by the timestamp it carries back.
    private var underWay: [UnderWay] = []

    /// When packets came by the leg last.
    private var heard: Instant?
    /// Since when a flow on the leg has brought nothing.
    private var silentSince: Instant?
    /// Samples in a row with packets on the leg.
    private var streak = 0

    private var lastSent: Instant?
    /// A further Hello that the interval alone would not bring.
    private var extra: Instant?

    /// - Parameter extra: when to ask once more, whatever the interval says.
    init(next: Instant, extra: Instant? = nil) {
        self.next = next
        self.extra = extra
    }

    /// Marks one Hello as sent; nil when the allowed attempts are used up and the leg has failed. A leg that brings
    /// packets has not failed: its queues may be so full that Hellos are lost in them.
    mutating func send(now: Instant, interval: Duration, attempts: UInt32) -> Timestamp? {
        if unanswered >= Int(attempts) {
            guard let heard, now - heard < Constants.silence * 2 else { return nil }
            unanswered = Int(attempts) - 1
        }
        unanswered += 1
        isLastAttempt = unanswered >= Int(attempts)
        sentCount &+= 1
        let timestamp = Timestamp(now)
        underWay.append(UnderWay(timestamp: timestamp, sent: now))
        lastSent = now
        if underWay.count > 16 { underWay.removeFirst() }
        // The first of a series waits a whole interval only when it is answered: see ``answered``.
        next = now + min(interval, retry(now))
        return timestamp
    }

    /// Marks a Hello as sent that only measures: no attempt is counted, and the next one keeps its time.
    mutating func probe(now: Instant) -> Timestamp {
        let timestamp = Timestamp(now)
        underWay.append(UnderWay(timestamp: timestamp, sent: now))
        if underWay.count > 16 { underWay.removeFirst() }
        return timestamp
    }

    /// Takes an answer; the round trip it measured, or nil when it answers nothing that is under way.
    mutating func answered(_ timestamp: Timestamp, receivedAt: Instant, interval: Duration) -> Duration? {
        guard let index = underWay.firstIndex(where: { $0.timestamp == timestamp }) else { return nil }
        let sent = underWay[index].sent
        underWay.removeFirst(index + 1)
        unanswered = 0
        answeredCount &+= 1
        silentSince = nil
        next = max(sent + interval, receivedAt)
        if let extra {
            if sent >= extra { self.extra = nil } else { next = min(next, max(extra, receivedAt)) }
        }
        let sample = max(receivedAt - sent, .zero)
        rtt.add(sample, at: receivedAt)
        return sample
    }

    /// Goes on at another interval, counted from the last Hello; the first one keeps its time.
    mutating func pace(_ interval: Duration, now: Instant) {
        guard let lastSent, unanswered == 0 else { return }
        next = max(lastSent + interval, now)
        if let extra { next = min(next, max(extra, now)) }
    }

    /// Brings the next Hello forward. What is already unanswered keeps its pace: haste must not use up the attempts.
    mutating func hurry(now: Instant) { if unanswered == 0 { next = min(next, now) } }

    /// Takes what a sample of the kernel's counters says about the leg. When a flow brings nothing any more for
    /// ``Constants/silence``, a Hello asks at once, and is repeated at the pace of the round trip: a leg in use that
    /// falls silent must not take three Hello Intervals to be found out. A few packets now and then are no flow.
    mutating func sampled(received: Bool, sent: Bool, now: Instant) {
        streak = received || sent ? min(streak + 1, Constants.flowSamples) : 0
        let flows = streak == Constants.flowSamples
        if received {
            heard = now
            silentSince = flows ? now : nil
        } else if flows, silentSince == nil {
            silentSince = now
        }
        guard isSilent(now) else { return }
        let pace = unanswered == 0 ? Constants.probeInterval : retry(now)
        next = min(next, max(now, lastSent.map { $0 + pace } ?? now))
    }

    private func isSilent(_ now: Instant) -> Bool { silentSince.map { now - $0 >= Constants.silence } ?? false }

    mutating func clearRTT() { rtt = RoundTripTime() }

    /// Time to wait for an answer before the next attempt: the smoothed round trip and four deviations. At least a
    /// second, so that a queue that fills does not look like a dead leg. On a leg that brings nothing at all, whose
    /// queue would bring something, the attempts before the last one share that time: an answer to the first one still
    /// counts. The last one has all of it, or else one lost Hello would end a leg with a long round trip.
    private func retry(_ now: Instant) -> Duration {
        guard let smoothed = rtt.smoothed else { return Constants.helloRetry }
        let wait = smoothed + rtt.deviation * 4
        guard isSilent(now) else { return max(Constants.helloRetry, wait) }
        return max(Constants.probeRetry, isLastAttempt ? wait : wait / 3)
    }
}

/// A round-trip time: the last measurement, and one smoothed for display and timers (the weights of RFC 6298). The
/// threshold of RFC 8157 §5.2.4 looks at measurements, never at the smoothed value.
public struct RoundTripTime: Hashable, Sendable {
    public private(set) var last: Duration?
    public private(set) var smoothed: Duration?
    public private(set) var deviation: Duration = .zero
    private var recent = RecentExtreme(.least, window: .seconds(60))

    public init() {}

    /// The least of late: without a queue on the way, if there ever was none.
    public var least: Duration? { recent.value.map { .nanoseconds($0) } }

    mutating func add(_ sample: Duration, at now: Instant) {
        last = sample
        recent.add(sample.nanoseconds, at: now.nanoseconds)
        guard let old = smoothed else {
            smoothed = sample
            deviation = sample / 2
            return
        }
        let difference = sample > old ? sample - old : old - sample
        deviation = (deviation * 3 + difference) / 4
        smoothed = (old * 7 + sample) / 8
    }
}

extension Timestamp {
    /// The time since the system restarted, RFC 8157 §5.4.1.
    init(_ instant: Instant) {
        let ms = max(0, instant.nanoseconds / 1_000_000)
        self.init(seconds: UInt32(truncatingIfNeeded: ms / 1000), milliseconds: UInt32(ms % 1000))
    }
}
