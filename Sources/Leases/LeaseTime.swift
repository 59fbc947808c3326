/// A point in time on a clock that never goes back and goes on while the system sleeps. The machines never read a
/// clock: every time comes in with an input.
public struct LeaseTime: Hashable, Comparable, Sendable {
    /// Nanoseconds since an origin of the caller's choice.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Never; what a lifetime of 0xFFFF_FFFF seconds leads to (RFC 2131 §3.3, RFC 8415 §7.7).
    public static let never = LeaseTime(nanoseconds: .max)

    public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    /// `seconds` later, held at the end of the range. 0xFFFF_FFFF seconds is ``never``.
    public func adding(seconds: UInt32) -> LeaseTime {
        seconds == .max ? .never : adding(nanoseconds: Int64(seconds) * 1_000_000_000)
    }

    /// `nanoseconds` later, held at the ends of the range.
    public func adding(nanoseconds: Int64) -> LeaseTime {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return LeaseTime(nanoseconds: overflow ? (nanoseconds < 0 ? .min : .max) : sum)
    }

    /// Nanoseconds from `earlier` until this time, held at the ends of the range.
    public func since(_ earlier: LeaseTime) -> Int64 {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return overflow ? (nanoseconds < earlier.nanoseconds ? .min : .max) : difference
    }

    /// Whole seconds from `now` until this time, rounded down; 0 when it is past, 0xFFFF_FFFF for ``never``.
    public func secondsLeft(at now: LeaseTime) -> UInt32 {
        self == .never ? .max : UInt32(clamping: min(Int64(UInt32.max - 1), max(0, since(now) / 1_000_000_000)))
    }
}

/// What the wall clock shows at one time: lease times are saved by it, because the other clock's origin is lost with
/// the system.
public struct WallClock: Hashable, Sendable {
    public var now: LeaseTime
    /// Nanoseconds since 1970-01-01 00:00 UTC at ``now``.
    public var unixNanoseconds: Int64

    public init(now: LeaseTime, unixNanoseconds: Int64) {
        self.now = now
        self.unixNanoseconds = unixNanoseconds
    }

    /// Unix time in seconds, rounded up or down; "never" for ``LeaseTime/never``.
    func text(_ time: LeaseTime, roundingUp: Bool) -> String {
        if time == .never { return "never" }
        let unix = LeaseTime(nanoseconds: unixNanoseconds).adding(nanoseconds: time.since(now)).nanoseconds
        let (seconds, rest) = unix.quotientAndRemainder(dividingBy: 1_000_000_000)
        return "\(roundingUp ? seconds + (rest > 0 ? 1 : 0) : seconds - (rest < 0 ? 1 : 0))"
    }

    /// nil for anything that ``text(_:roundingUp:)`` does not write. Held at the ends of the range.
    func time(_ text: some StringProtocol) -> LeaseTime? {
        if text == "never" { return .never }
        guard let seconds = Int64(text) else { return nil }
        let (unix, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return LeaseTime(nanoseconds: seconds < 0 ? .min : .max) }
        return now.adding(nanoseconds: LeaseTime(nanoseconds: unix).since(LeaseTime(nanoseconds: unixNanoseconds)))
    }
}
