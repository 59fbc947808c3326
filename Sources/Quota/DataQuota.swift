/// How much a link may carry until a day of the month: counts, warns, and says when it is used up.
///
/// The clock may be wrong, before it is set or because somebody set it. So nothing is ever set to 0: there is one count
/// that only grows, and for each period what it was when the period was first seen. A clock that goes wrong and comes
/// back finds the former period, with all that was counted meanwhile.
public struct DataQuota: Hashable, Sendable {
    public struct Settings: Hashable, Sendable {
        /// Bytes of IP packets, both ways.
        public var volume: UInt64
        /// 1…31
        public var resetDay: Int
        /// Percent of the volume at which to warn, 1…99 each.
        public var warnings: [Int]

        public init(volume: UInt64, resetDay: Int = 1, warnings: [Int] = []) {
            self.volume = volume
            self.resetDay = resetDay
            self.warnings = warnings
        }
    }

    public enum Event: Hashable, Sendable {
        /// So many percent are used.
        case warning(Int)
        /// The volume is used up.
        case reached
        /// It no longer is: a new period, or a clock that was set.
        case available
        /// The clock went back to an earlier period.
        case clockWentBack
    }

    public let settings: Settings
    /// What has to outlive the program.
    public private(set) var record: QuotaRecord
    /// The volume is used up.
    public private(set) var isReached = false

    /// - Parameters:
    ///   - record: what is known from before; nil: nothing
    ///   - seconds: the wall clock's, since 1970-01-01T00:00Z
    public init(_ settings: Settings, record: QuotaRecord? = nil, wallClock seconds: Int64) {
        self.settings = settings
        self.record = record ?? QuotaRecord(resetDay: settings.resetDay)
        if self.record.resetDay != settings.resetDay {
            self.record.changeResetDay(settings.resetDay, wallClock: seconds)
        }
    }

    /// The period that the clock said last; nil before anything was counted.
    public var current: BillingPeriod? { record.periods.last?.period }

    /// Bytes in the current period.
    public var used: UInt64 { record.periods.last.map { record.total &- $0.base } ?? 0 }

    /// When the current period ends, in seconds since 1970-01-01T00:00Z.
    public var resets: Int64? { current?.next.begins(resetDay: settings.resetDay) }

    /// Takes what the kernel has counted and what the wall clock says.
    /// - Parameters:
    ///   - link: nil: the link is not there
    ///   - seconds: since 1970-01-01T00:00Z
    public mutating func count(_ link: LinkCount?, wallClock seconds: Int64) -> [Event] {
        var events: [Event] = []
        if let link {
            if let old = record.link { record.total &+= link.growth(since: old) }
            record.link = link
        }
        let period = BillingPeriod(containing: seconds, resetDay: settings.resetDay)
        if let last = current, period < last { events.append(.clockWentBack) }
        record.enter(period)
        if let share = settings.warnings.filter({ $0 <= percent }).max(), record.warn(share) {
            events.append(.warning(share))
        }
        let wasReached = isReached
        isReached = used >= settings.volume
        if isReached != wasReached { events.append(isReached ? .reached : .available) }
        return events
    }

    /// Percent of the volume, rounded down.
    public var percent: Int {
        let (scaled, overflow) = used.multipliedReportingOverflow(by: 100)
        return overflow ? .max : Int(clamping: scaled / max(settings.volume, 1))
    }
}
