import Formatting
import GREBonding
import NFTables

/// What a leg carries, and the most it has carried: its capacity as far as traffic has shown it (RFC 8157 §4.6).
struct LegMeter {
    /// Kbit/s of outer packets, their IP headers included.
    struct Rate: Hashable {
        var received: UInt32 = 0
        var sent: UInt32 = 0
    }

    private(set) var last: [LegID: Rate] = [:]
    private(set) var peak: [LegID: Rate] = [:]
    private var before: (traffic: [LegID: LegTraffic], at: Instant)?
    /// Over less than this one full packet more or less would look like a rate.
    static let window = Duration.seconds(1)

    init() {}

    /// - Parameter traffic: what the kernel has counted so far; a leg that began anew is measured from the next call on
    mutating func sample(_ traffic: [LegID: LegTraffic], _ now: Instant) {
        guard let before else {
            self.before = (traffic, now)
            return
        }
        guard now - before.at >= Self.window else { return }
        let milliseconds = UInt64(max(1, (now - before.at).milliseconds))
        func rate(_ new: UInt64, _ old: UInt64) -> UInt32 {
            new < old ? 0 : UInt32(clamping: (new - old).multipliedReportingOverflow(by: 8).partialValue / milliseconds)
        }
        last = [:]
        for (leg, new) in traffic {
            guard let old = before.traffic[leg] else { continue }
            let now = Rate(
                received: rate(new.received.bytes, old.received.bytes), sent: rate(new.sent.bytes, old.sent.bytes))
            let most = peak[leg] ?? Rate()
            last[leg] = now
            peak[leg] = Rate(received: max(most.received, now.received), sent: max(most.sent, now.sent))
        }
        self.before = (traffic, now)
    }

    /// Rates of a leg for the status; nil before it was measured.
    func json(_ leg: LegID) -> JSONObject? {
        guard let last = last[leg], let peak = peak[leg] else { return nil }
        var object = JSONObject()
        object.add("received_kbit", last.received)
        object.add("sent_kbit", last.sent)
        object.add("received_peak_kbit", peak.received)
        object.add("sent_peak_kbit", peak.sent)
        return object
    }
}
