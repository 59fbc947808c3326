/// What turns one set of objects into another, in the order in which it is done.
struct Plan: Equatable {
    enum Step: Equatable {
        case create(KernelObject)
        case change(from: KernelObject, to: KernelObject)
        case remove(KernelObject)
    }

    var steps: [Step] = []

    /// Minimal: what is equal on both sides is not touched. Creations and changes come first and in order of rank, so
    /// that nothing is sent over a leg before it can be received on it; removals come last and the other way round.
    init(from old: [KernelObject], to new: [KernelObject]) {
        if old == new { return }
        let before = Self.ordered(old), after = Self.ordered(new)
        if before.isEmpty {
            steps = after.map { .create($0.object) }
            return
        }
        let present = Dictionary(uniqueKeysWithValues: before.map { ($0.identity, $0.object) })
        for (identity, object) in after {
            switch present[identity] {
            case nil: steps.append(.create(object))
            case object?: break
            case let present?: steps.append(.change(from: present, to: object))
            }
        }
        let wanted = Set(after.map(\.identity))
        for (identity, object) in before.reversed() where !wanted.contains(identity) { steps.append(.remove(object)) }
    }

    var isEmpty: Bool { steps.isEmpty }

    /// By rank, those of one rank as they are in the list; of several that are the same object the last counts.
    private static func ordered(_ list: [KernelObject]) -> [(identity: KernelObject.Identity, object: KernelObject)] {
        let identities = list.map(\.identity)
        var last = [KernelObject.Identity: Int](minimumCapacity: list.count)
        for (i, identity) in identities.enumerated() { last[identity] = i }
        let ranks = list.map(\.rank)
        var result: [(identity: KernelObject.Identity, object: KernelObject)] = []
        result.reserveCapacity(last.count)
        // There are few ranks: to go over the list for each costs less than to sort it.
        for rank in Set(ranks).sorted() {
            for i in list.indices where ranks[i] == rank && (last.count == list.count || last[identities[i]] == i) {
                result.append((identities[i], list[i]))
            }
        }
        return result
    }
}
