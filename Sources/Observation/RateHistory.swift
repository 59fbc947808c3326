/// What the legs carried over the last hour, in steps: a ring of a fixed size.
public struct RateHistory: Sendable {
    /// Kbit/s of the first leg and of the second.
    public struct Point: Hashable, Sendable {
        public var down: (UInt32, UInt32) = (0, 0)
        public var up: (UInt32, UInt32) = (0, 0)

        public static func == (a: Self, b: Self) -> Bool { a.down == b.down && a.up == b.up }
        public func hash(into hasher: inout Hasher) {
            for value in [down.0, down.1, up.0, up.1] { hasher.combine(value) }
        }
    }

    /// Seconds between two points.
    public static let step: Int64 = 5
    /// An hour.
    public static let count = 720

    private var ring: [Point] = []
    private var next = 0

    public init() {}

    public mutating func add(_ legs: [Facts.Leg]) {
        func kbit(_ number: Int, _ direction: KeyPath<Facts.Rate, UInt64>) -> UInt32 {
            legs.indices.contains(number) ? UInt32(clamping: legs[number].rate[keyPath: direction] / 1000) : 0
        }
        let point = Point(down: (kbit(0, \.down), kbit(1, \.down)), up: (kbit(0, \.up), kbit(1, \.up)))
        if ring.count < Self.count {
            ring.append(point)
        } else {
            ring[next] = point
            next = (next + 1) % Self.count
        }
    }

    /// Oldest first.
    public var points: [Point] { Array(ring[next...] + ring[..<next]) }
}
