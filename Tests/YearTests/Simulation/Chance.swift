import Addresses
import TestSupport

@testable import GREBonding

extension SplitMix {
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
