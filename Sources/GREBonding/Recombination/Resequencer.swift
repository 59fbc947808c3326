/// Puts the packets of one bond back in order (RFC 8157 §4.4, RFC 2890 §2.2). Sequence numbers go in, an order of
/// release comes out; the packets themselves stay where they are and are named by a token.
///
/// A gap ends in one of three ways: the missing packets come; every leg has delivered something that was sent after
/// them, and as a leg keeps its order they are lost; or the leg that may still bring them has been silent for longer
/// than it lets wait, as it showed before. A slow leg that keeps delivering is waited for, up to OUTOFORDER_TIMER: its
/// queue may be long.
public struct Resequencer: Sendable {
    public struct Settings: Hashable, Sendable {
        /// MAX_PERFLOW_BUFFER: packets held at most.
        public var bufferLimit: Int
        /// Nanoseconds of silence of a leg after which what it may still have is not waited for; at most so many where
        /// ``expected`` is known.
        public var silence: Int64
        /// Nanoseconds by which the slower leg is known to be later than the other; nil: the silence is not to follow
        /// what the legs show.
        public var expected: Int64?
        /// OUTOFORDER_TIMER: nanoseconds that a packet is held at most.
        public var timer: Int64
        /// Legs in use, 1…16.
        public var legs: Int
        /// Nanoseconds without a packet on a further leg after which those of the first leg may have come past this;
        /// nil: they never do.
        public var pause: Int64?

        /// Everything goes as it comes: only one leg is left.
        public static let passing = Settings(bufferLimit: 0, timer: 0)

        /// - Parameter silence: nil: `timer`, which alone decides then
        public init(
            bufferLimit: Int, timer: Int64, silence: Int64? = nil, expected: Int64? = nil, legs: Int = 2,
            pause: Int64? = nil
        ) {
            self.bufferLimit = bufferLimit
            self.timer = timer
            self.silence = min(silence ?? timer, timer)
            self.expected = expected.map { max($0, 0) }
            self.legs = min(max(legs, 1), 16)
            self.pause = pause
        }
    }

    /// Counters since the start, in packets unless said otherwise.
    public struct Statistics: Hashable, Sendable {
        public var inOrder: UInt64 = 0
        /// Held because an earlier number was missing.
        public var held: UInt64 = 0
        /// Came after a later number had been released: delivered out of order.
        public var late: UInt64 = 0
        /// Those of them that nothing had been given up for: the first leg's later numbers had come past this.
        public var overtaken: UInt64 = 0
        /// Numbers given up because both legs had passed them.
        public var passedOver: UInt64 = 0
        /// Numbers given up because the timer ran out.
        public var timedOut: UInt64 = 0
        /// Starts from a new number: the buffer would not have held the distance.
        public var resynchronized: UInt64 = 0
        /// Released at once although an earlier number was missing: packets of flows that use one leg only.
        public var independent: UInt64 = 0
        /// Longest wait of a packet that was released in order, nanoseconds.
        public var longestWait: Int64 = 0
    }

    struct Slot {
        var token: UInt64 = 0
        /// Arrival, nanoseconds; .min: empty.
        var arrival: Int64 = .min
        /// Its packet was released on arrival; only its number is kept.
        var isReleased = false
    }

    public var settings: Settings {
        didSet { if settings.legs != oldValue.legs { legs = Self.marks(settings) } }
    }
    public private(set) var statistics = Statistics()
    /// Packets held now, and numbers of those that did not wait.
    public internal(set) var depth = 0
    var expected: UInt32?
    /// The number after the highest one held or released.
    var horizon: UInt32 = 0
    /// The lowest number held; meaningful while something is. Kept so that no packet has to search a gap for it.
    var firstHeld: UInt32 = 0
    /// A ring, indexed by the low bits of the number; it grows to the limit as distances do, so that a bond which
    /// never needs it costs nothing.
    var ring: [Slot] = []
    var mask: UInt32 = 0
    /// The highest number seen on each leg, and when.
    private var legs: [LegMark]
    var lateInARow = 0
    /// When a packet came on a further leg last.
    var furtherSeen: Int64 = .min
    /// No packet of the first leg has come since it may have been past this: how far it is cannot be known. What comes
    /// goes at once, and its numbers are kept.
    var isJoining = false
    /// Numbers that may have been under way on a further leg when the first one was there again.
    var joined: (from: UInt32, to: UInt32) = (0, 0)
    /// How long after ``waitingSince`` what was missing came, lately.
    private var lateness = RecentExtreme(.greatest, window: .seconds(5))
    /// Since when a leg that may have the next number has said nothing while a later one waits.
    private var waitingSince: Int64 = 0
    /// Numbers that were given up last, and since when they had been waited for.
    private var givenUp: (from: UInt32, to: UInt32, since: Int64) = (0, 0, 0)

    private struct LegMark {
        var highest: UInt32 = 0
        var seen: Int64 = .min
    }

    public init(settings: Settings) {
        self.settings = settings
        legs = Self.marks(settings)
    }

    private static func marks(_ settings: Settings) -> [LegMark] { Array(repeating: LegMark(), count: settings.legs) }

    /// When ``expire(now:release:)`` is due, nanoseconds; nil when nothing is held.
    public private(set) var deadline: Int64?

    /// Nanoseconds of silence that end a gap at present: what the legs showed and a quarter more.
    public var silence: Int64 {
        guard let expected = settings.expected, let learned = lateness.value else { return settings.silence }
        let known = max(expected, learned)
        return min(known &+ known / 4 &+ Self.margin, settings.silence)
    }

    /// Nanoseconds after which what was missing came, at most, of late; nil: nothing was.
    public var longestLateness: Int64? { lateness.value }

    /// Nanoseconds that a leg may be later than ever before.
    static let margin: Int64 = 10_000_000

    /// Nanoseconds that a sender lets its first leg rest at most when it begins to use another one, so that nothing
    /// overtakes before this knows that it has to put anything in order.
    public static let longestRest: Int64 = 64_000_000

    /// Takes a packet. `leg` counts from 0, higher ones than there are count as the last; `release` is called for each
    /// packet that may go now, in order. One of an `independent` flow goes at once, and its number counts as there.
    public mutating func receive(
        sequence: UInt32, leg: Int, token: UInt64, now: Int64, independent: Bool = false, release: (UInt64) -> Void
    ) {
        if settings.bufferLimit == 0 { return release(token) }
        let index = min(max(leg, 0), legs.count - 1)
        let wasJoining = isJoining
        if index > 0 { further(sequence, now, release) } else if isJoining { join(at: sequence) }
        guard let next = expected else {
            restart(at: sequence)
            legs[index] = LegMark(highest: sequence, seen: now)
            statistics.inOrder &+= 1
            return release(token)
        }
        if !isKnown(legs[index], now) || Int32(bitPattern: sequence &- legs[index].highest) > 0 {
            legs[index].highest = sequence
        }
        legs[index].seen = now
        let distance = Int32(bitPattern: sequence &- next)
        if isJoining {
            statistics.inOrder &+= 1
            if distance >= 0 { keep(sequence, Int(distance), now) }
            return release(token)
        } else if distance == 0 {
            lateInARow = 0
            statistics.inOrder &+= 1
            if depth > 0, !wasJoining { lateness.add(now &- waitingSince, at: now) }
            release(token)
            expected = next &+ 1
            if Int32(bitPattern: horizon &- next) <= 0 { horizon = next &+ 1 }
            if depth > 0 { drain(now, release) }
        } else if distance < 0 {
            late(sequence, index, now)
            release(token)
        } else {
            lateInARow = 0
            hold(sequence, distance, token, now, independent, release)
        }
        if depth > 0 { passOver(now, release) }
        updateDeadline()
    }

    /// Whether the mark of a leg says how far it is. After half of all numbers by the other legs the mark of a silent
    /// one would seem to be ahead of theirs; in this time no link carries so many.
    private func isKnown(_ leg: LegMark, _ now: Int64) -> Bool { leg.seen != .min && now &- leg.seen < Self.memory }

    private static let memory: Int64 = 10_000_000_000

    /// Releases what has waited for the whole timer.
    public mutating func expire(now: Int64, release: (UInt64) -> Void) {
        while depth > 0, let due = deadline, due <= now {
            if let next = expected {
                givenUp = (next, firstHeld, waitingSince)
                statistics.timedOut &+= gone(from: next, to: firstHeld)
            }
            skipGap()
            drain(now, release)
            updateDeadline()
        }
    }

    /// Releases everything, in order, and forgets the numbers: the bond no longer uses several legs, or its peer
    /// started anew.
    public mutating func flush(release: (UInt64) -> Void) {
        while depth > 0 {
            skipGap()
            drain(.min, release)
        }
        expected = nil
        ring = []
        mask = 0
        legs = Self.marks(settings)
        deadline = nil
        furtherSeen = .min
        isJoining = false
    }

    private mutating func restart(at sequence: UInt32) {
        expected = sequence &+ 1
        horizon = sequence &+ 1
        lateInARow = 0
    }

    private mutating func late(_ sequence: UInt32, _ leg: Int, _ now: Int64) {
        statistics.late &+= 1
        lateInARow += 1
        if mayHavePassed(sequence) { statistics.overtaken &+= 1 }
        // Numbers come again; those of long ago are others.
        if sequence &- givenUp.from < givenUp.to &- givenUp.from, now &- givenUp.since < Self.memory {
            lateness.add(now &- givenUp.since, at: now)
        }
        // Nothing but late numbers: the sender restarted its count, or was away for half the number space.
        if lateInARow >= 32, depth == 0 {
            statistics.resynchronized &+= 1
            restart(at: sequence)
            legs = Self.marks(settings)
            legs[leg] = LegMark(highest: sequence, seen: now)
        }
    }

    private mutating func hold(
        _ sequence: UInt32, _ distance: Int32, _ token: UInt64, _ now: Int64, _ independent: Bool,
        _ release: (UInt64) -> Void
    ) {
        if Int(distance) >= settings.bufferLimit {
            statistics.resynchronized &+= 1
            while depth > 0 {
                skipGap()
                drain(now, release)
            }
            restart(at: sequence)
            return release(token)
        }
        grow(toHold: Int(distance) + 1)
        let slot = Int(sequence & mask)
        if ring[slot].arrival != .min {
            // The same number twice: the first one counts, the second is not kept back.
            statistics.late &+= 1
            return release(token)
        }
        ring[slot] = Slot(token: token, arrival: now, isReleased: independent)
        if depth == 0 || Int32(bitPattern: sequence &- firstHeld) < 0 { firstHeld = sequence }
        depth += 1
        if independent {
            statistics.independent &+= 1
            release(token)
        } else {
            statistics.held &+= 1
        }
        if Int32(bitPattern: sequence &- horizon) >= 0 { horizon = sequence &+ 1 }
    }

    /// Releases the run of packets that starts at the expected number.
    private mutating func drain(_ now: Int64, _ release: (UInt64) -> Void) {
        guard var next = expected else { return }
        while depth > 0 {
            let slot = Int(next & mask)
            guard ring[slot].arrival != .min else { break }
            if !ring[slot].isReleased {
                if now != .min { statistics.longestWait = max(statistics.longestWait, now &- ring[slot].arrival) }
                release(ring[slot].token)
            }
            ring[slot].arrival = .min
            depth -= 1
            next &+= 1
        }
        expected = next
        guard depth > 0, Int32(bitPattern: firstHeld &- next) < 0 else { return }
        while ring[Int(next & mask)].arrival == .min { next &+= 1 }
        firstHeld = next
    }

    /// Gives up numbers that every leg in use has passed.
    private mutating func passOver(_ now: Int64, _ release: (UInt64) -> Void) {
        guard legs.count > 1, var lower = legs.first?.highest else { return }
        for leg in legs {
            if !isKnown(leg, now) { return }
            if Int32(bitPattern: leg.highest &- lower) < 0 { lower = leg.highest }
        }
        // Only numbers below all marks are known to be lost; one above the lowest mark may be under way.
        while depth > 0, let next = expected, Int32(bitPattern: lower &- next) > 0 {
            let number = Int32(bitPattern: firstHeld &- lower) < 0 ? firstHeld : lower
            statistics.passedOver &+= gone(from: next, to: number)
            expected = number
            if number != firstHeld { return }
            drain(now, release)
        }
    }

    /// Moves the expected number to the first one held.
    private mutating func skipGap() { if depth > 0 { expected = firstHeld } }

    private mutating func updateDeadline() {
        guard depth > 0, let next = expected else {
            deadline = nil
            return
        }
        let arrival = ring[Int(firstHeld & mask)].arrival
        // The legs that have not passed the gap yet, and when one of them last gave a sign of life.
        var alive = arrival
        for leg in legs where leg.seen != .min && Int32(bitPattern: leg.highest &- next) < 0 {
            alive = max(alive, leg.seen)
        }
        waitingSince = alive
        let patience = mayHavePassed(next) ? joiningSilence ?? silence : silence
        deadline = min(alive &+ patience, arrival &+ settings.timer)
    }

    mutating func grow(toHold count: Int) {
        guard count > ring.count else { return }
        var size = max(64, ring.count)
        while size < count { size *= 2 }
        let old = ring
        let oldMask = mask
        ring = Array(repeating: Slot(), count: size)
        mask = UInt32(size - 1)
        guard depth > 0, var number = expected else { return }
        while number != horizon {
            ring[Int(number & mask)] = old[Int(number & oldMask)]
            number &+= 1
        }
    }
}
