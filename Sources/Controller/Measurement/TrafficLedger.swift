import GREBonding
import NFTables
import Observation

/// What all bonds together have carried, leg by leg: grows whatever becomes of the kernel's counters, which begin anew
/// with each leg that is set up.
struct TrafficLedger {
    struct Entry {
        var traffic: [LegID: LegTraffic]
        var rates: [LegID: Facts.Rate] = [:]
        var at: Instant
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
        let before = entries[bond]
        let milliseconds = UInt64(max(1, before.map { (now - $0.at).milliseconds } ?? 1))
        var entry = Entry(traffic: traffic, at: now)
        for (leg, new) in traffic {
            let old = before?.traffic[leg]
            let received = Self.growth(new.received, old?.received)
            let sent = Self.growth(new.sent, old?.sent)
            totals[leg, default: Facts.Traffic()].receivedPackets &+= received.packets
            totals[leg, default: Facts.Traffic()].receivedBytes &+= received.bytes
            totals[leg, default: Facts.Traffic()].sentPackets &+= sent.packets
            totals[leg, default: Facts.Traffic()].sentBytes &+= sent.bytes
            // Bytes × 8000 over milliseconds are bit/s.
            if before != nil {
                let (down, up) = isGateway ? (received, sent) : (sent, received)
                entry.rates[leg] = Facts.Rate(
                    down: down.bytes &* 8000 / milliseconds, up: up.bytes &* 8000 / milliseconds)
            }
        }
        replaceRates(before?.rates ?? [:], by: entry.rates)
        entries[bond] = entry
    }

    /// The bond is gone; what it carried stays in the totals.
    mutating func remove(_ bond: UInt32) {
        guard let entry = entries.removeValue(forKey: bond) else { return }
        replaceRates(entry.rates, by: [:])
    }

    private mutating func replaceRates(_ old: [LegID: Facts.Rate], by new: [LegID: Facts.Rate]) {
        for (leg, rate) in old {
            let all = rates[leg] ?? Facts.Rate()
            rates[leg] = Facts.Rate(down: all.down &- rate.down, up: all.up &- rate.up)
        }
        for (leg, rate) in new { rates[leg] = (rates[leg] ?? Facts.Rate()) + rate }
    }

    private static func growth(_ new: Counter, _ old: Counter?) -> Counter {
        guard let old, new.packets >= old.packets, new.bytes >= old.bytes else { return new }
        return Counter(packets: new.packets - old.packets, bytes: new.bytes - old.bytes)
    }
}
