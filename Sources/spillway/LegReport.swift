/// One leg of the gateway's bond, as the daemon's status has it.
struct LegReport {
    var name: String
    var receivedBytes: Int64
    var sentBytes: Int64
    /// Microseconds, of the last Hello.
    var roundTrip: Int64?

    static func read(_ status: String) -> [LegReport] {
        (JSONValue(status)?["bond"]?["legs"]?.members ?? []).map { name, leg in
            LegReport(
                name: name, receivedBytes: leg["traffic"]?["received_bytes"]?.integer ?? 0,
                sentBytes: leg["traffic"]?["sent_bytes"]?.integer ?? 0, roundTrip: leg["rtt_us"]?.integer)
        }
    }

    /// Mbit/s with three places; outer headers are counted.
    func rates(since before: [LegReport], seconds: Int) -> (down: String, up: String) {
        let old = before.first { $0.name == name }
        func rate(_ now: Int64, _ then: Int64?) -> String {
            // Bytes × 8 ÷ 1000 is kbit.
            Decimal.text(max(0, now - (then ?? 0)) * 8 / 1000 / Int64(max(1, seconds)))
        }
        return (rate(receivedBytes, old?.receivedBytes), rate(sentBytes, old?.sentBytes))
    }
}

/// Thousandths as a decimal fraction, without floating point.
enum Decimal {
    static func text(_ thousandths: Int64) -> String {
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}

extension String {
    /// Filled with blanks on the right, to at least two more than itself.
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(2, width - count)) }
}
