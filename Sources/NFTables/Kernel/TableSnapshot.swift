/// Everything in a table at one moment.
public struct TableSnapshot: Hashable, Sendable {
    /// To commit changes with, so that they fail if anything has happened since.
    public var generation: UInt32
    public var table: Table
    public var chains: [Chain]
    /// In the order in which they are evaluated, chain by chain.
    public var rules: [ChainRule]
    /// Sets and maps with a name of their own.
    public var sets: [NamedSet]
    /// By name of the set or map.
    public var elements: [String: [Element]]
    public var objects: [StatefulObject]

    public init(
        generation: UInt32, table: Table, chains: [Chain], rules: [ChainRule], sets: [NamedSet],
        elements: [String: [Element]], objects: [StatefulObject]
    ) {
        self.generation = generation
        self.table = table
        self.chains = chains
        self.rules = rules
        self.sets = sets
        self.elements = elements
        self.objects = objects
    }

    public func rules(in chain: String) -> [ChainRule] { rules.filter { $0.chain == chain } }

    /// Moves sets that belong to a rule from the list of sets into their rules, as they were asked for.
    func withAnonymousSetsInRules() -> TableSnapshot {
        var copy = self
        var anonymous: [String: AnonymousSet] = [:]
        for set in sets where set.flags.contains(.anonymous) {
            anonymous[set.name] = AnonymousSet(
                key: set.key, data: set.data, isInterval: set.flags.contains(.interval),
                elements: (elements[set.name] ?? []).map(\.definition))
            copy.elements[set.name] = nil
        }
        copy.sets.removeAll { $0.flags.contains(.anonymous) }
        for i in copy.rules.indices {
            copy.rules[i].expressions = copy.rules[i].expressions.map { expression in
                guard case .lookup(var lookup) = expression, case .named(let name) = lookup.set,
                    let set = anonymous[name]
                else { return expression }
                lookup.set = .anonymous(set)
                return .lookup(lookup)
            }
        }
        return copy
    }
}
