import GREBonding
import Observation

/// How many bonds use which legs, kept as they change: with thousands of them a scrape of the metrics does not go over
/// them all.
struct BondTally {
    private struct Entry: Hashable {
        var distribution: Bond.Distribution
        var legs: Set<LegID>
    }

    private var entries: [UInt32: Entry] = [:]
    private var numbers: [Entry: Int] = [:]

    init() {}

    /// - Parameter bond: nil: it has ended
    mutating func set(_ session: UInt32, _ bond: Bond?) {
        let entry = bond.map { Entry(distribution: $0.distribution, legs: Set($0.legs.keys)) }
        let before = entries[session]
        guard before != entry else { return }
        if let before, let number = numbers[before] { numbers[before] = number > 1 ? number - 1 : nil }
        if let entry { numbers[entry, default: 0] += 1 }
        entries[session] = entry
    }

    /// Bonds that have a leg.
    func up(_ leg: LegID) -> Int { numbers.reduce(0) { $0 + ($1.key.legs.contains(leg) ? $1.value : 0) } }

    func count(_ bonds: inout Facts.Bonds) {
        for (entry, number) in numbers { bonds.count(entry.distribution, number) }
    }
}
