/// Limits how often one reason is logged: a burst, then a steady rate. Pure: the clock is the caller's.
///
/// A token bucket per reason. At most 256 reasons are told apart; those beyond share one bucket, so that reasons made
/// from what a peer sends can't use up memory.
public struct RateLimiter: Hashable, Sendable {
    public enum Decision: Hashable, Sendable {
        /// Write the line; so many before it, of the same reason, were not written.
        case write(suppressed: Int)
        case suppress
    }

    /// Lines that may follow one another without a pause, at least 1.
    public let burst: UInt64
    /// Milliseconds until one more line may be written, at least 1.
    public let interval: UInt64

    static let reasonLimit = 256

    private struct Bucket: Hashable {
        /// Milliseconds of credit: `interval` buys a line.
        var credit: UInt64
        var updated: UInt64
        var suppressed = 0
    }

    private var buckets: [String: Bucket] = [:]

    public init(burst: UInt64 = 10, interval: UInt64 = 1000) {
        self.burst = max(1, burst)
        self.interval = max(1, interval)
    }

    /// `now`: milliseconds of a clock that never goes back. Should it do so all the same, nothing is refilled.
    public mutating func admit(_ reason: String, now: UInt64) -> Decision {
        let key = buckets[reason] != nil || buckets.count < Self.reasonLimit ? reason : ""
        let (product, overflow) = burst.multipliedReportingOverflow(by: interval)
        let full = overflow ? UInt64.max : product
        var bucket = buckets[key] ?? Bucket(credit: full, updated: now)
        if now > bucket.updated {
            let (sum, overflow) = bucket.credit.addingReportingOverflow(now - bucket.updated)
            bucket.credit = overflow ? full : min(full, sum)
            bucket.updated = now
        }
        defer { buckets[key] = bucket }
        guard bucket.credit >= interval else {
            bucket.suppressed &+= 1
            return .suppress
        }
        bucket.credit -= interval
        let suppressed = bucket.suppressed
        bucket.suppressed = 0
        return .write(suppressed: suppressed)
    }
}
