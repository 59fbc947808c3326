/// A rate in bits per second.
public struct BitRate: Hashable, Comparable, Sendable {
    public var bitsPerSecond: UInt64

    public init(bitsPerSecond: UInt64) { self.bitsPerSecond = bitsPerSecond }

    /// 1000 bit/s each; saturates.
    public init(kilobitsPerSecond: UInt64) {
        let (value, overflow) = kilobitsPerSecond.multipliedReportingOverflow(by: 1000)
        bitsPerSecond = overflow ? .max : value
    }

    /// 1000 bit/s each, rounded down and limited to 32 bits: the unit of the protocol's bandwidth attributes
    /// (RFC 8157 §5.2.10, §5.2.11, §5.3.2, §5.6.1).
    public var kilobitsPerSecond: UInt32 { UInt32(clamping: bitsPerSecond / 1000) }

    /// Bytes per second, rounded down: the unit of the kernel's police action.
    public var bytesPerSecond: UInt64 { bitsPerSecond / 8 }

    /// The bytes that pass in `time` at this rate, rounded down; saturates.
    public func bytes(in time: Milliseconds) -> UInt64 {
        let product = bitsPerSecond.multipliedFullWidth(by: time.rawValue)
        guard product.high < 8000 else { return .max }
        return UInt64(8000).dividingFullWidth(product).quotient
    }

    public static func < (a: Self, b: Self) -> Bool { a.bitsPerSecond < b.bitsPerSecond }
}

extension BitRate: LosslessStringConvertible {
    static let units: [(name: String, factor: UInt64)] = [
        ("bit/s", 1), ("kbit/s", 1000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000),
    ]

    /// "50 Mbit/s", "1.5 Gbit/s"; the unit is required. nil for anything else.
    public init?(_ description: String) {
        guard let value = DecimalText.parse(description, units: Self.units) else { return nil }
        bitsPerSecond = value
    }

    /// The largest unit that shows the rate as a whole number.
    public var description: String {
        let unit = Self.units.last { bitsPerSecond % $0.factor == 0 && bitsPerSecond >= $0.factor } ?? Self.units[0]
        return "\(bitsPerSecond / unit.factor) \(unit.name)"
    }
}
