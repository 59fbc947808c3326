import GREBonding
import NFTables
import Observation

/// What all bonds together have carried, leg by leg: grows whatever becomes of the kernel's counters, which begin anew
/// with each leg that is set up.
struct TrafficLedger {
    /// What went one way on one leg.
    struct Way {
        /// As the kernel has counted it.
        var counter = Counter()
        /// bit/s between the last two samples.
        var rate: UInt64 = 0
        /// When it was sampled last.
        var at: Instant?

        /// - Returns: by how much it has grown; the rate before and after
        fileprivate mutating func take(_ new: Counter, _ now: Instant) -> (grown: Counter, before: UInt64, after: UInt64) {
            let before = rate
            let old = at == nil ? Counter() : counter
            let grown =
                new.packets >= old.packets && new.bytes >= old.bytes
                ? Counter(packets: new.packets - old.packets, bytes: new.bytes - old.bytes) : new
            // Bytes × 8000 over milliseconds are bit/s.
            if let at { rate = grown.bytes &* 8000 / UInt64(max(1, (now - at).milliseconds)) }
            counter = new
            at = now
            return (grown, before, rate)
        }
    }

    /// Both ways on one leg.
    struct Leg {
        var received = Way()
        var sent = Way()

        fileprivate subscript(isReceived isReceived: Bool) -> Way {
            get { isReceived ? received : sent }
            set { if isReceived { received = newValue } else { sent = newValue } }
        }

        var traffic: LegTraffic { LegTraffic(received: received.counter, sent: sent.counter) }

        func rate(isGateway: Bool) -> Facts.Rate {
            isGateway ? Facts.Rate(down: received.rate, up: sent.rate) : Facts.Rate(down: sent.rate, up: received.rate)
        }
    }

    /// What a bond carried. Of thousands there is one for each: no more than its numbers.
    struct Entry {
        private var primary = Leg()
        private var secondary = Leg()

        subscript(leg: LegID) -> Leg {
            get { leg == .primary ? primary : secondary }
            set { if leg == .primary { primary = newValue } else { secondary = newValue } }
        }

        /// All of it together, at an aggregation point.
        var rate: Facts.Rate { primary.rate(isGateway: false) + secondary.rate(isGateway: false) }

        /// When all of it that was ever sampled had been.
        var at: Instant? {
            [primary.received.at, primary.sent.at, secondary.received.at, secondary.sent.at].compactMap { $0 }.min()
        }
    }

    /// Whether what is received goes down, towards the subscriber.
    private let isGateway: Bool
    private(set) var totals: [LegID: Facts.Traffic] = [:]
    /// Of all bonds at their last samples.
    private(set) var rates: [LegID: Facts.Rate] = [:]
    private(set) var entries: [UInt32: Entry] = [:]

    init(isGateway: Bool) { self.isGateway = isGateway }

    /// - Parameters:
    ///   - bond: any number that is the bond's own
    ///   - traffic: what the kernel has counted for it so far
    mutating func sample(_ bond: UInt32, _ traffic: [LegID: LegTraffic], _ now: Instant) {
        for (leg, both) in traffic {
            sample(bond, leg, isReceived: true, both.received, now)
            sample(bond, leg, isReceived: false, both.sent, now)
        }
    }

    /// The same one way and of one leg.
    mutating func sample(_ bond: UInt32, _ leg: LegID, isReceived: Bool, _ counter: Counter, _ now: Instant) {
        let taken = entries[bond, default: Entry()][leg][isReceived: isReceived].take(counter, now)
        add(taken.grown, leg, isReceived: isReceived)
        replaceRate(taken.before, by: taken.after, leg, isDown: isReceived == isGateway)
    }

    /// The leg is gone; when it comes again the kernel counts anew.
    mutating func stop(_ bond: UInt32, _ leg: LegID) {
        guard let gone = entries[bond]?[leg] else { return }
        replaceRates(of: gone, leg)
        entries[bond]?[leg] = Leg()
    }

    /// The bond is gone; what it carried stays in the totals.
    mutating func remove(_ bond: UInt32) {
        guard let entry = entries.removeValue(forKey: bond) else { return }
        for leg in [LegID.primary, .secondary] { replaceRates(of: entry[leg], leg) }
    }

    private mutating func replaceRates(of gone: Leg, _ leg: LegID) {
        replaceRate(gone.received.rate, by: 0, leg, isDown: isGateway)
        replaceRate(gone.sent.rate, by: 0, leg, isDown: !isGateway)
    }

    private mutating func add(_ grown: Counter, _ leg: LegID, isReceived: Bool) {
        guard grown != Counter() else { return }
        if isReceived {
            totals[leg, default: Facts.Traffic()].receivedPackets &+= grown.packets
            totals[leg, default: Facts.Traffic()].receivedBytes &+= grown.bytes
        } else {
            totals[leg, default: Facts.Traffic()].sentPackets &+= grown.packets
            totals[leg, default: Facts.Traffic()].sentBytes &+= grown.bytes
        }
    }

    private mutating func replaceRate(_ old: UInt64, by new: UInt64, _ leg: LegID, isDown: Bool) {
        guard old != new else { return }
        var all = rates[leg] ?? Facts.Rate()
        if isDown { all.down = all.down &- old &+ new } else { all.up = all.up &- old &+ new }
        rates[leg] = all
    }
}
