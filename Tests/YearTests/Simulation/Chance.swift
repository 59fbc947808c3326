import Addresses

@testable import GREBonding

/// A small seeded generator, so that a failing year can be repeated.
struct SplitMix: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &self) }

    mutating func happens(percent: Int) -> Bool { number(0...99) < percent }

    mutating func seconds(_ range: ClosedRange<Double>) -> Duration {
        .nanoseconds(Int64(Double.random(in: range, using: &self) * 1e9))
    }

    mutating func leg() -> LegID { happens(percent: 50) ? .primary : .secondary }

    mutating func pick<T>(_ items: [T]) -> T { items[number(0...items.count - 1)] }
}

/// How many values there are in something, whatever is private in it: what grows with each bond that comes and goes is
/// a leak, wherever it is kept.
func weight(of value: Any) -> Int {
    let mirror = Mirror(reflecting: value)
    return mirror.children.reduce(1) { $0 + weight(of: $1.value) }
}
