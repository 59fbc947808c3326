import Addresses
import Configuration
import EventLog
import GREBonding
import Logging
import NFTables
import NetlinkKit
import Observation

/// Whose counters are read when: a few bonds at a time, all of them once a round, so that neither a scrape nor the round
/// itself holds up the packets that wait for their turn.
struct SampleRounds {
    private(set) var due: Instant?
    private var waiting: [UInt32] = []
    private var batch = 0
    private var pause = Duration.zero

    /// Bonds that are read together at least: what one exchange with the kernel is good for.
    static let leastBatch = 20

    init() {}

    mutating func begin(_ now: Instant) { if due == nil { due = now } }

    mutating func end() {
        due = nil
        waiting = []
    }

    /// The bonds that are to be read now.
    /// - Parameter all: the bonds there are, asked for when a round begins
    mutating func take(_ now: Instant, _ all: () -> [UInt32]) -> ArraySlice<UInt32> {
        guard let time = due, time <= now else { return [] }
        if waiting.isEmpty {
            waiting = all()
            // 2 s for few, 1 ms for each of many, 10 s at most.
            let round = Int64(min(max(waiting.count, 2000), 10_000))
            batch = max(Self.leastBatch, waiting.count / Int(round / 100))
            let steps = max(1, (waiting.count + batch - 1) / batch)
            pause = .milliseconds(round / Int64(steps))
        }
        due = now + pause
        let taken = waiting.suffix(batch)
        waiting.removeLast(taken.count)
        return taken
    }
}

// What the kernel counted for each bond, read in rounds.
extension Aggregator {
    /// Reads what is due.
    func sampleBonds(_ now: Instant) {
        guard !settings.http.listen.isEmpty || watchedUntil > now else { return rounds.end() }
        rounds.begin(now)
        let ids = rounds.take(now) { point.sessions.values.compactMap { $0.bond == nil ? nil : $0.id } }
        guard !ids.isEmpty else { return }
        read(ids, now)
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
