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
        var before: [KernelObject.Identity: KernelObject] = [:]
        for object in old { before[object.identity] = object }
        var after: [KernelObject.Identity: KernelObject] = [:]
        for object in new { after[object.identity] = object }
        for object in Self.ordered(after.values, by: new) {
            switch before[object.identity] {
            case nil: steps.append(.create(object))
            case object?: break
            case let present?: steps.append(.change(from: present, to: object))
            }
        }
        for object in Self.ordered(before.values, by: old).reversed() where after[object.identity] == nil {
            steps.append(.remove(object))
        }
    }

    var isEmpty: Bool { steps.isEmpty }

    private static func ordered(
        _ values: some Collection<KernelObject>, by list: [KernelObject]
    ) -> [KernelObject] {
        var position: [KernelObject.Identity: Int] = [:]
        for (i, object) in list.enumerated() { position[object.identity] = i }
        return values.sorted {
            ($0.rank, position[$0.identity] ?? 0) < ($1.rank, position[$1.identity] ?? 0)
        }
    }
}
