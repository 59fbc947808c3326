import Formatting

/// The time between two resets of a quota: from 00:00 UTC of the reset day of one month to that of the next. In months
/// that are too short the last day stands for it.
public struct BillingPeriod: Hashable, Comparable, Sendable {
    /// Months since 0000-01 to the one in which it begins.
    public private(set) var month: Int64

    /// 9999-12-31T23:59:59Z; a clock that says more says this.
    static let endOfTime: Int64 = 253_402_300_799
    static let months: ClosedRange<Int64> = 1969 * 12...9999 * 12 + 11

    init(month: Int64) { self.month = month }

    /// The period that a time belongs to.
    /// - Parameters:
    ///   - seconds: since 1970-01-01T00:00Z
    ///   - resetDay: 1…31
    public init(containing seconds: Int64, resetDay: Int) {
        let seconds = min(max(seconds, 0), Self.endOfTime)
        let date = UTCTime.date(seconds: seconds)
        month = date.year * 12 + date.month - 1
        if BillingPeriod(month: month).begins(resetDay: resetDay) > seconds { self = BillingPeriod(month: month - 1) }
    }

    public var next: BillingPeriod { BillingPeriod(month: month + 1) }

    /// Seconds since 1970-01-01T00:00Z.
    public func begins(resetDay: Int) -> Int64 {
        let year = month >= 0 ? month / 12 : (month - 11) / 12
        let number = month - year * 12 + 1
        let first = UTCTime.days(year: year, month: number, day: 1)
        let following = number == 12 ? (year + 1, 1) : (year, number + 1)
        let length = UTCTime.days(year: following.0, month: following.1, day: 1) - first
        return (first + min(Int64(max(resetDay, 1)), length) - 1) * 86_400
    }

    public static func < (a: Self, b: Self) -> Bool { a.month < b.month }
}
