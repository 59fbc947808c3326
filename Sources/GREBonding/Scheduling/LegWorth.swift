/// Whether the secondary leg adds anything to what one TCP flow gets, by its loss and by how late its packets come
/// (problem statement §4.4.1): the round-trip threshold of RFC 8157 §5.2.12 sees neither. The gateway feeds it, being
/// the end that most is sent to and the one that may ask for the primary leg alone (§5.6.3).
///
/// A flow of window W over a path of round trip R that loses a share p gets W/R with W² = 3/(2p). With the primary leg
/// full, a flow that sends x packets a second beyond its rate c loses p·x of them, so that x·(c + x) = 3/(2·p·R²).
public struct LegWorth: Hashable, Sendable {
    /// What is known of the legs, beside what is counted.
    public struct Path: Hashable, Sendable {
        /// Full packets a second that the primary leg carries.
        public var primaryRate: Double
        public var primaryRoundTrip: Duration
        /// By how much packets of the secondary leg are later, one way, waits for missing ones included.
        public var later: Duration

        public init(primaryRate: Double, primaryRoundTrip: Duration, later: Duration) {
            self.primaryRate = primaryRate
            self.primaryRoundTrip = primaryRoundTrip
            self.later = later
        }

        /// Of a flow that fills the primary leg's queue before it uses the secondary one.
        var roundTrip: Double {
            let ns = max(0, primaryRoundTrip.nanoseconds) &+ max(0, later.nanoseconds) / 4 &* 9
            return max(Double(ns) / 1e9, 0.001)
        }

        /// Loss on the secondary leg at which a flow gains a share of the primary leg's rate, at most.
        func loss(gaining share: Double) -> Double {
            let x = primaryRate * share
            return 1.5 / (roundTrip * roundTrip * max(x * (primaryRate + x), 1))
        }
    }

    /// What a flow must gain for the leg to be kept.
    static let leastGain = 0.05
    /// Samples with losses that prove something, so that an outage does not, and how far beyond the limit the losses
    /// must be: a factor.
    static let evidence = 3.0
    static let excess = 2.0
    /// Counts are halved after so long.
    static let memory = Duration.seconds(60)
    static let waits = (first: Duration.seconds(60), last: Duration.seconds(1200))
    /// Packets on the leg that make a trial of so long a success.
    static let proof = 2000.0

    /// Whether the leg is left at present.
    public private(set) var isLeft = false
    private var packets = 0.0
    private var losses = 0.0
    private var lossySamples = 0.0
    private var halved: Instant?
    private var provenPackets = 0.0
    private var wait = Self.waits.first
    private var returnAt: Instant?

    public init() {}

    /// When the leg is tried again, at the next count; nil: it is in use.
    public var deadline: Instant? { returnAt }

    /// Share of the leg's packets that were lost, of late.
    public var loss: Double { packets > 0 ? min(1, losses / packets) : 0 }

    /// Takes what came by the secondary leg, and what was missing, since the last time, about a second ago.
    /// - Returns: whether ``isLeft`` changed
    public mutating func counted(packets new: UInt64, losses lost: UInt64, _ path: Path, now: Instant) -> Bool {
        if isLeft {
            guard let returnAt, returnAt <= now else { return false }
            self.returnAt = nil
            isLeft = false
            forget(now)
            return true
        }
        if let halved, now - halved >= Self.memory {
            packets /= 2
            losses /= 2
            lossySamples /= 2
            if provenPackets >= Self.proof { wait = Self.waits.first }
            self.halved = now
        } else if halved == nil {
            halved = now
        }
        // What was lost was sent on the leg, too. More losses than packets are not its own.
        packets += Double(new) + Double(min(lost, new))
        losses += Double(min(lost, new))
        if lost > 0, new > 0 { lossySamples += 1 }
        provenPackets += Double(new)
        guard lossySamples >= Self.evidence, loss >= path.loss(gaining: Self.leastGain) * Self.excess else { return false }
        isLeft = true
        returnAt = now + wait
        wait = min(wait * 2, Self.waits.last)
        return true
    }

    /// The legs are others now.
    public mutating func reset() { self = LegWorth() }

    private mutating func forget(_ now: Instant) {
        packets = 0
        losses = 0
        lossySamples = 0
        provenPackets = 0
        halved = now
    }
}
