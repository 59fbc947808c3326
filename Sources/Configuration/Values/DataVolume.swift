/// An amount of data in bytes.
public struct DataVolume: Hashable, Comparable, Sendable {
    public var bytes: UInt64

    public init(bytes: UInt64) { self.bytes = bytes }

    public static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }
}

extension DataVolume: LosslessStringConvertible {
    static let units: [(name: String, factor: UInt64)] = [
        ("B", 1), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ]

    /// "50 GB", "1.5 TB"; the unit is required. nil for anything else.
    public init?(_ description: String) {
        guard let value = DecimalText.parse(description, units: Self.units) else { return nil }
        bytes = value
    }

    /// The largest unit that shows the amount as a whole number.
    public var description: String {
        let unit = Self.units.last { bytes % $0.factor == 0 && bytes >= $0.factor } ?? Self.units[0]
        return "\(bytes / unit.factor) \(unit.name)"
    }
}
