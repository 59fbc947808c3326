/// What a quota has to remember.
public struct QuotaRecord: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var period: BillingPeriod
        /// The count when the period was first seen.
        var base: UInt64
        /// The highest share in percent that was warned of.
        var warned = 0
    }

    /// Which the periods go by.
    var resetDay: Int
    /// Bytes since the record began.
    var total: UInt64 = 0
    /// The last reading.
    var link: LinkCount?
    /// The last is the current one; before it those that were current before, at most ``limit`` in all.
    var periods: [Entry] = []

    static let limit = 4

    init(resetDay: Int) { self.resetDay = resetDay }

    /// Makes a period the current one.
    mutating func enter(_ period: BillingPeriod) {
        guard period != periods.last?.period else { return }
        if let known = periods.firstIndex(where: { $0.period == period }) {
            periods.append(periods.remove(at: known))
        } else if let last = periods.last, period < last.period {
            // A clock that goes back to where nothing is known of must not make anything available.
            periods.append(Entry(period: period, base: last.base, warned: last.warned))
        } else {
            periods.append(Entry(period: period, base: total))
        }
        if periods.count > Self.limit { periods.removeFirst() }
    }

    /// True when a share was not warned of in this period.
    mutating func warn(_ share: Int) -> Bool {
        guard let last = periods.indices.last, periods[last].warned < share else { return false }
        periods[last].warned = share
        return true
    }

    /// The periods are others from now on; what was used in the current one counts in the one that takes its place.
    mutating func changeResetDay(_ day: Int, wallClock seconds: Int64) {
        resetDay = day
        guard let last = periods.last else { return }
        let period = BillingPeriod(containing: seconds, resetDay: day)
        periods = [Entry(period: period, base: last.base, warned: last.warned)]
    }
}
