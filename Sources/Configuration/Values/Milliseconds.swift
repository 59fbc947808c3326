/// A length of time in whole milliseconds, never negative.
public struct Milliseconds: Hashable, Comparable, Sendable {
    public var rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Saturates.
    public static func seconds(_ seconds: UInt64) -> Self {
        let (value, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return Self(overflow ? .max : value)
    }

    /// Whole seconds, rounded down and limited to 32 bits: the unit of most of the protocol's timers.
    public var seconds: UInt32 { UInt32(clamping: rawValue / 1000) }

    public var duration: Duration { .milliseconds(Int64(clamping: rawValue)) }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension Milliseconds: LosslessStringConvertible {
    static let units: [(name: String, factor: UInt64)] = [
        ("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// "80 ms", "1.5 s", "24 h"; the unit is required. nil for anything else.
    public init?(_ description: String) {
        guard let value = DecimalText.parse(description, units: Self.units) else { return nil }
        rawValue = value
    }

    /// The largest unit that shows the time as a whole number.
    public var description: String {
        let unit = Self.units.last { rawValue % $0.factor == 0 && rawValue >= $0.factor } ?? Self.units[0]
        return "\(rawValue / unit.factor) \(unit.name)"
    }
}
