/// What is known of how much a leg carries, for a process that goes on with the bond.
public struct LegRateRecord: Hashable, Sendable {
    /// Bytes a second that the leg is given at most, links' headers included: 1…2⁴⁰.
    public let rate: UInt64
    /// Bytes a second that it was found to carry, 1…2⁴⁰; nil: it has never been full.
    public let capacity: UInt64?
    /// The least round trip of late, 1 ns…10 s; nil: no probe was answered.
    public let base: Duration?
    /// Whether it carries enough to be used.
    public let isWorthUsing: Bool

    /// Longer than any probe is waited for.
    static let longestBase = Duration.seconds(10)

    /// nil outside of the ranges.
    public init?(rate: UInt64, capacity: UInt64?, base: Duration?, isWorthUsing: Bool) {
        let rates = 1...LegRate.fastest
        guard rates.contains(rate), capacity.map(rates.contains) ?? true,
            base.map({ $0 > .zero && $0 <= Self.longestBase }) ?? true
        else { return nil }
        (self.rate, self.capacity, self.base, self.isWorthUsing) = (rate, capacity, base, isWorthUsing)
    }

    /// Whether a number is another one by more than a quarter, or something is known of which the other knows nothing.
    func differs(from other: LegRateRecord) -> Bool {
        func isFar(_ new: UInt64?, _ old: UInt64?) -> Bool {
            guard let new, let old else { return new != old }
            return max(new, old) - min(new, old) > old / 4
        }
        return isWorthUsing != other.isWorthUsing || isFar(rate, other.rate) || isFar(capacity, other.capacity)
            || isFar(base.map { UInt64($0.nanoseconds) }, other.base.map { UInt64($0.nanoseconds) })
    }
}

/// What is known of the second leg's rate while a bond has one leg alone. To find it out again costs the next flow many
/// seconds where links are fast: TCP's first growth ends when the first leg is full.
public struct RememberedLegRate: Hashable, Sendable {
    /// What was known longer ago says nothing.
    static let longest = Duration.seconds(600)
    private let record: LegRateRecord
    private let since: Instant
    private var wasAway = false

    /// nil: nothing is known.
    public init?(_ record: LegRateRecord?, now: Instant) {
        guard let record else { return nil }
        self.record = record
        since = now
    }

    /// A bond has one leg alone, or none: what was known until now is kept.
    /// - Parameter isUp: whether the second leg is there
    public static func rest(
        _ remembered: inout RememberedLegRate?, _ known: LegRateRecord?, isUp: Bool, now: Instant
    ) {
        if let known = RememberedLegRate(known, now: now) { remembered = known }
        if !isUp { remembered?.left() }
    }

    /// The leg itself was lost.
    mutating func left() { wasAway = true }

    /// What a bond that has both legs again begins with. A leg that was away may carry less than it did, so it gets half of
    /// that, and is measured anew; if it was not worth using, it may be now. nil: what a new leg begins with.
    public func record(now: Instant) -> LegRateRecord? {
        guard now - since <= Self.longest else { return nil }
        guard wasAway else { return record }
        guard record.isWorthUsing else { return nil }
        return LegRateRecord(
            rate: max(record.rate / 2, 1), capacity: record.capacity.map { max($0 / 2, 1) }, base: record.base,
            isWorthUsing: true)
    }
}

/// What the record of a run holds of a leg's rate. Rates change many times a second; what is a little different, or was
/// written just now, is not written again.
public struct KeptLegRate: Hashable, Sendable {
    /// Between two times that it is written.
    static let pause = Duration.seconds(2)
    public private(set) var record: LegRateRecord?
    private var keptAt: Instant?

    public init() {}

    /// - Returns: whether it is to be written
    public mutating func keep(_ new: LegRateRecord, now: Instant) -> Bool {
        if let record, !new.differs(from: record) { return false }
        if let keptAt, now - keptAt < Self.pause { return false }
        record = new
        keptAt = now
        return true
    }
}

extension LegRate {
    /// What another process would have to know now; nil: nothing is known of the leg.
    public var record: LegRateRecord? {
        guard trial == nil && !isTold || !isWorthUsing else { return nil }
        // A cut for a probe that may be lost is not known to be right.
        return LegRateRecord(
            rate: max(rate, beforeCut ?? 0), capacity: capacity, base: base.value.map(Duration.nanoseconds),
            isWorthUsing: isWorthUsing)
    }

    /// Goes on with what a process before has found. The first sample says where the leg's count of bytes begins.
    /// - Parameter record: nil: nothing is known of the leg but what configuration says
    public init(_ settings: Settings, _ record: LegRateRecord?, now: Instant) {
        self.init(settings)
        guard let record else {
            beginAsTold()
            return
        }
        rate = record.rate
        capacity = record.capacity
        if let base = record.base { self.base.add(base.nanoseconds, at: now.nanoseconds) }
        isSearching = capacity == nil
        isWorthUsing = record.isWorthUsing
        trial = nil
        limit()
    }
}
