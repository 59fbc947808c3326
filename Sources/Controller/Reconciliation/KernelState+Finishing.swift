import GREBonding
import Glibc
import NFTables
import NetlinkKit

// What the kernel refused to this program: it is held to be wanted, looked at a moment later as if a stranger had
// changed it, and made as far as it is not there. What could not be removed is removed then.
extension KernelState {
    /// The reason for a refusal may have passed by then.
    private static let pause = Duration.milliseconds(100)
    private static let patience = Duration.seconds(1)
    /// How often the end asks for what could not be removed.
    private static let attempts = 4

    /// Takes note of a step that failed.
    func leave(_ step: Plan.Step, of owner: Owner) {
        if unfinished.isEmpty, leftovers.isEmpty { finishAt = Clock.now() + Self.pause }
        switch step {
        case .create(let object), .change(_, let object): unfinished.add(object, of: owner)
        case .remove(let object) where step.isElement: unfinished.add(object, of: owner)
        case .remove(let object): leftovers[owner, default: []].append(object)
        }
    }

    /// Asks again for what was refused.
    /// - Returns: when it wants to be called again; nil: nothing is left to do
    func finish(_ now: Instant) -> Instant? {
        if unfinished.isEmpty, leftovers.isEmpty { return nil }
        guard finishAt <= now else { return finishAt }
        removeLeftovers()
        let others = suspects
        suspects = unfinished
        isFinishing = true
        unfinished = look(now, slice: Self.patience)
        isFinishing = false
        unfinished.formUnion(suspects)
        suspects = others
        finishAt = Clock.now() + Self.patience
        return unfinished.isEmpty && leftovers.isEmpty ? nil : finishAt
    }

    /// What stands where other objects are about to be made goes first.
    func removeLeftovers(before objects: [KernelObject]) {
        if leftovers.isEmpty, ended.isEmpty { return }
        let wanted = Set(objects.map(\.identity))
        if ended.contains(where: { wanted.contains($0.link.identity) }) { deleteEnded() }
        for (owner, left) in leftovers {
            let inTheWay = left.filter { wanted.contains($0.identity) }
            if inTheWay.isEmpty { continue }
            for object in inTheWay { _ = isRemoved(object) }
            let others = left.filter { !wanted.contains($0.identity) }
            leftovers[owner] = others.isEmpty ? nil : others
        }
    }

    /// At the end: there is no later.
    func removeLeftovers(_ isMeant: (Owner) -> Bool) {
        for number in 1...Self.attempts {
            guard leftovers.keys.contains(where: isMeant) else { return }
            // The reason for it may need a moment to pass.
            if number > 1 { usleep(UInt32(Self.pause.nanoseconds / 1000)) }
            removeLeftovers(only: isMeant)
        }
    }

    private func isRemoved(_ object: KernelObject) -> Bool {
        do {
            try remove(object)
            return true
        } catch {
            refuse(error)
            return false
        }
    }

    private func removeLeftovers(only isMeant: (Owner) -> Bool = { _ in true }) {
        for (owner, left) in leftovers where isMeant(owner) {
            var still: [KernelObject] = []
            for object in left where !isRemoved(object) { still.append(object) }
            leftovers[owner] = still.isEmpty ? nil : still
        }
    }
}

extension Suspects {
    /// What is to be looked at when this object may not be as it is wanted, or be there although it is not.
    mutating func add(_ object: KernelObject, of owner: KernelState.Owner) {
        switch object {
        case .link, .reversePathFilter: add(owner, .links)
        case .address: add(owner, .addresses)
        case .colouring: add(owner, .colouring)
        case .route: routes.insert(object.identity)
        case .rule: rules = true
        case .policy, .state: security = true
        case .ruleset(let ruleset): tables.insert(ruleset.table.id)
        case .element(let set, _), .contents(let set, _): tables.insert(set.table)
        }
    }
}

extension KernelError {
    /// Whether it says that what was to be removed is not there.
    var isAbsence: Bool {
        switch errno {
        case .noEntry?, .noDevice?, .noProcess?, .addressNotAvailable?: true
        default: false
        }
    }
}
