import Addresses
import NFTables

/// All that a table of ours is to hold, whosever it is.
struct WantedTable {
    var ruleset: Ruleset
    /// By the set's name. What is not listed is filled by rules and left alone.
    private(set) var contents: [String: SetContents] = [:]

    init(_ ruleset: Ruleset) {
        self.ruleset = ruleset
        for set in ruleset.sets where !set.flags.contains(.dynamic) && !set.flags.contains(.timeout) {
            contents[set.name] = SetContents(set: set, elements: [])
        }
        for each in ruleset.elements { add(each.elements, to: each.set) }
    }

    mutating func add(_ elements: [Element], to set: NamedSet) {
        contents[set.name, default: SetContents(set: set, elements: [])].elements += elements
    }

    /// One of tens of thousands: without an array for it.
    mutating func add(_ element: Element, to set: NamedSet) {
        contents[set.name, default: SetContents(set: set, elements: [])].elements.append(element)
    }
}

/// What differs between a table as it is to be and as it was read, and what puts just that right. What others have put
/// beside it, chains or sets, stays; what they put into chains and sets of ours does not.
struct TableComparison {
    private(set) var drift: [Drift] = []
    private(set) var transaction = Transaction()
    /// Only the whole table anew would do.
    private var isWhole = false

    private let wanted: WantedTable
    private var name: TableName { wanted.ruleset.table.id }

    init(_ wanted: WantedTable, _ found: TableSnapshot?) {
        self.wanted = wanted
        guard let found else {
            drift = [.gone(.table, "\(wanted.ruleset.table.id)")]
            writeAll()
            return
        }
        compareTable(found)
        let missing = compareSets(found)
        compareCounters(found)
        compareChains(found)
        for contents in wanted.contents.values.sorted(by: { $0.set.name < $1.set.name }) {
            if missing.contains(contents.set.name) {
                transaction.add(contents.elements, to: contents.set)
            } else {
                compare(contents, found.elements[contents.set.name] ?? [])
            }
        }
        compareRules(found)
        if isWhole { writeAll() }
    }

    private mutating func writeAll() {
        transaction = Transaction()
        wanted.ruleset.write(to: &transaction)
        for contents in wanted.contents.values where !contents.elements.isEmpty {
            transaction.add(contents.elements, to: contents.set)
        }
    }

    private mutating func compareTable(_ found: TableSnapshot) {
        var comparison = Comparison(.table, "\(name)")
        let table = wanted.ruleset.table
        comparison.field("flags", found.table.flags.rawValue, table.flags.rawValue)
        if !comparison.drift.isEmpty { transaction.add(table) }
        comparison.field("comment", found.table.comment ?? "", table.comment ?? "")
        if found.table.comment != table.comment { isWhole = true }
        drift += comparison.drift
    }

    /// - Returns: the names of those that are gone
    private mutating func compareSets(_ found: TableSnapshot) -> Set<String> {
        let present = Dictionary(found.sets.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        var missing: Set<String> = []
        for set in wanted.ruleset.sets {
            guard let there = present[set.name] else {
                drift.append(.gone(.set, "\(name) \(set.name)"))
                transaction.add(set)
                missing.insert(set.name)
                continue
            }
            guard there.definition != set.definition else { continue }
            drift.append(
                Drift(kind: .set, object: "\(name) \(set.name)", field: "definition", found: "another", wanted: "ours"))
            isWhole = true
        }
        return missing
    }

    private mutating func compareCounters(_ found: TableSnapshot) {
        for counter in wanted.ruleset.counters {
            let there = found.objects.contains { object in
                if object.name == counter, case .counter = object.state { true } else { false }
            }
            if there { continue }
            drift.append(.gone(.counter, "\(name) \(counter)"))
            transaction.add(StatefulObject(name, counter, .counter(Counter())))
        }
    }

    private mutating func compareChains(_ found: TableSnapshot) {
        let present = Dictionary(found.chains.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        for chain in wanted.ruleset.chains {
            guard let there = present[chain.name] else {
                drift.append(.gone(.chain, "\(name) \(chain.name)"))
                transaction.add(chain)
                continue
            }
            guard there.definition != chain.definition else { continue }
            var comparison = Comparison(.chain, "\(name) \(chain.name)")
            comparison.field("policy", there.hook?.policy == .drop, chain.hook?.policy == .drop)
            var same = there.definition
            same.hook?.policy = chain.hook?.policy ?? .accept
            if same == chain.definition {
                transaction.add(chain)
            } else {
                comparison.differs("hook", "another", "ours")
                isWhole = true
            }
            drift += comparison.drift
        }
    }

    private mutating func compare(_ contents: SetContents, _ found: [Element]) {
        let set = contents.set
        // Of those found the last one of each key, and whether it is none of what is to go.
        var places = [ElementKey: Int](minimumCapacity: found.count)
        var isSettled = [Bool](repeating: false, count: found.count)
        for (place, element) in found.enumerated() {
            if let before = places.updateValue(place, forKey: ElementKey(element)) { isSettled[before] = true }
        }
        var removed: [Element] = [], added: [Element] = []
        for element in contents.elements {
            let place = places[ElementKey(element)].flatMap { isSettled[$0] ? nil : $0 }
            if let place {
                isSettled[place] = true
                // What is left of an element's time differs at any moment.
                if set.flags.contains(.timeout) || Self.isSame(found[place], element) { continue }
                removed.append(found[place])
            }
            drift.append(difference(set, element, place.map { found[$0] }, element))
            added.append(element)
        }
        for (place, element) in found.enumerated() where !isSettled[place] {
            drift.append(difference(set, element, element, nil))
            removed.append(element)
        }
        if !removed.isEmpty { transaction.delete(removed, from: set, isReported: set.hasCounters) }
        if !added.isEmpty { transaction.create(added, in: set) }
    }

    private func difference(_ set: NamedSet, _ key: Element, _ found: Element?, _ wanted: Element?) -> Drift {
        Drift(
            kind: .element, object: "\(name) \(set.name)", field: "\(ElementKey(key))",
            found: found.map(Self.text) ?? "none", wanted: wanted.map(Self.text) ?? "none")
    }

    private static func isSame(_ a: Element, _ b: Element) -> Bool {
        guard a.comment == b.comment else { return false }
        // A value may be read back as another case than it was written.
        if case .value(let a)? = a.data, case .value(let b)? = b.data { return ValueBytes(a) == ValueBytes(b) }
        return a.data == b.data
    }

    private static func text(_ element: Element) -> String {
        switch element.data {
        case .value(let value)?: ElementKey.text(value)
        case .verdict?: "verdict"
        case .object(let name)?: name
        case nil: "present"
        }
    }

    private mutating func compareRules(_ found: TableSnapshot) {
        for chain in wanted.ruleset.chains {
            let there = found.rules(in: chain.name).map(\.definition)
            let rules = wanted.ruleset.rules.filter { $0.chain == chain.name }
            guard there != rules.map(\.definition) else { continue }
            let place = zip(there, rules).enumerated().first { $1.0 != $1.1.definition }?.offset
            var comparison = Comparison(.rule, "\(name) \(chain.name)")
            if there.count != rules.count {
                comparison.field("count", there.count, rules.count)
            } else {
                comparison.differs("rule \((place ?? 0) + 1)", "another", rules[place ?? 0].comment ?? "ours")
            }
            // With a chain that is gone this was said already.
            if found.chains.contains(where: { $0.name == chain.name }) { drift += comparison.drift }
            transaction.flushChain(chain.name, in: name)
            for rule in rules { transaction.add(rule) }
        }
    }
}
