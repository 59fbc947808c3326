import Addresses
import Configuration
import EventLog
import GREBonding
import Logging
import NFTables
import NetlinkKit
import Observation

/// When what the kernel has counted for each bond is read: all of it once a round, a piece at a time, so that neither a
/// scrape nor the round itself holds up the packets that wait for their turn.
struct SampleRounds {
    private(set) var due: Instant?
    /// The sets that are still to be read in this round, the next one last.
    private(set) var waiting: [CountedSet] = []
    private var begun = Instant(nanoseconds: 0)
    /// Numbers of bonds that became others, or lost a leg, since the set was asked for that is being read: what is read
    /// of them may be of before.
    private var changed: Set<UInt32> = []

    init() {}

    mutating func begin(_ now: Instant) { if due == nil { due = now } }

    mutating func end() {
        due = nil
        waiting = []
        changed = []
    }

    mutating func hasChanged(_ number: UInt32) { if !waiting.isEmpty { changed.insert(number) } }

    func isOfNow(_ number: UInt32) -> Bool { !changed.contains(number) }

    /// A set is asked for.
    mutating func asks() { changed = [] }

    /// Whether something is to be read now.
    /// - Parameter sets: asked for when a round begins
    mutating func isDue(_ now: Instant, _ sets: () -> [CountedSet]) -> Bool {
        guard let due, due <= now else { return false }
        if waiting.isEmpty {
            waiting = sets()
            begun = now
        }
        return !waiting.isEmpty
    }

    /// What is read now has ended.
    /// - Parameter bonds: how many there are
    mutating func next(bonds: Int) {
        _ = waiting.popLast()
        if waiting.isEmpty { due = begun + Self.pause(bonds) }
    }

    /// 2 s for few, 1 ms for each of many, 10 s at most.
    static func pause(_ bonds: Int) -> Duration { .milliseconds(min(max(bonds, 2000), 10_000)) }
}

/// A map that counts what one leg of all bonds receives or sends, and by which of its fields a bond is known.
struct CountedSet {
    var set: NamedSet
    var leg: LegID
    var isReceived: Bool
}

// What the kernel counted for each bond, read in rounds.
extension Aggregator {
    /// Bonds whose counters are asked for one by one when somebody wants to see them, at most.
    static let leastBatch = 20

    /// Reads what is due.
    func sampleBonds(_ now: Instant) {
        guard !settings.http.listen.isEmpty || watchedUntil > now else { return rounds.end() }
        rounds.begin(now)
        guard rounds.isDue(now, countedSets), let counted = rounds.waiting.last else { return }
        do throws(KernelError) {
            let listing: CounterListing
            if let counters { listing = counters } else { listing = CounterListing(try NetlinkSocket(.netfilter)) }
            counters = listing
            if !listing.isReading {
                rounds.asks()
                try listing.begin(counted.set)
            }
            let goesOn = try listing.next { key, value, counter in
                // What is received is found by where it comes from, what is sent by the bond itself.
                guard let number = BondNumbers.number(counted.isReceived ? value : key), rounds.isOfNow(number),
                    let id = numbers.session(of: number)
                else { return }
                ledger.sample(id, counted.leg, isReceived: counted.isReceived, counter, now)
            }
            if !goesOn { rounds.next(bonds: point.sessions.count) }
        } catch {
            common.kernelLog(.warning, "no-counters", "\(error)")
            rounds.next(bonds: point.sessions.count)
        }
    }

    private func countedSets() -> [CountedSet] {
        outers.values.flatMap { outer in
            outer.legs.flatMap { leg in
                [
                    CountedSet(set: outer.peers(leg), leg: leg.id, isReceived: true),
                    CountedSet(set: outer.destinations(leg), leg: leg.id, isReceived: false),
                ]
            }
        }
    }

    /// Somebody looks: rates are measured for a while.
    func isWatched(_ now: Instant) { watchedUntil = now + .seconds(60) }

    func read(_ ids: some Sequence<UInt32>, _ now: Instant) {
        var counters: [IPFamily: [(id: UInt32, counters: LegCounters)]] = [:]
        for id in ids {
            guard let one = legCounters(of: id) else { continue }
            counters[one.outer.family, default: []].append((id, one))
        }
        for group in counters.values {
            do {
                let found = try LegCounters.read(group.map(\.counters), common.state.tables)
                for (one, traffic) in zip(group, found) { ledger.sample(one.id, traffic, now) }
            } catch {
                common.kernelLog(.warning, "no-counters", "\(error)")
            }
        }
    }
}
