import Configuration
import GREBonding
import NetlinkKit

// A run that takes over from one that was killed: what it would make is there. So nothing is made, but all that is
// wanted is compared with what there is, a piece at a time, and what is ours and wanted no more goes.
extension KernelState {
    /// From now on what is applied is held to be there, until ``adopt(_:slice:)`` is over. Addresses with lifetimes are
    /// not: they are renewed.
    /// - Parameter filters: reverse path filters as they were before the run that began
    func beginAdoption(_ filters: [String: ReversePathFilter]) {
        isAdopting = true
        formerFilters = filters
    }

    /// Whether what an owner wants is still to be compared with what there is.
    func isHeld(_ owner: Owner) -> Bool { isAdopting && !adopted.contains(owner) }

    /// Takes what an owner wants for what there is.
    func hold(_ objects: [KernelObject], of owner: Owner) {
        places.replace(applied[owner] ?? [], by: objects, of: owner)
        applied[owner] = Self.fitted(objects)
        for object in objects { suspects.add(object, of: owner) }
    }

    /// Compares what was applied, puts right what differs, and in the end removes what else a run before has left. How
    /// much differed is ``quietDrift``.
    /// - Parameter slice: after so much work the rest waits for the next call
    /// - Returns: whether it is over
    func adopt(_ scope: SweepScope, slice: Duration) -> Bool {
        let refused = refusals
        isQuiet = true
        var failed = Suspects()
        if suspects.owners.isEmpty {
            failed = look(Clock.now(), slice: slice)
        } else {
            lookAtOwners(Clock.now(), slice: slice, &failed)
        }
        isQuiet = false
        suspects.formUnion(failed)
        // What the kernel refuses is looked at again later, as if others had changed it.
        guard suspects.isEmpty || refusals != refused else { return false }
        isAdopting = false
        adopted = []
        sweep(scope, mayWait: false)
        return true
    }

    /// The numbers of a device's actions, or its plan in the tables of this run's program, are there before anything is
    /// compared: so what colours its packets is never away.
    /// - Parameter present: what there is at the device's egress, whoever made it
    func takeOver(_ link: String, _ index: UInt32, _ colouring: Colouring, _ present: [ObservedFilter]) {
        guard scheduled[link] == nil, actions[link] == nil else { return }
        if present.contains(where: { $0.filter.priority == 1 && $0.filter.classifier.name == "bpf" }) {
            guard colouring.queues, canSchedule, (try? plan(link, index, colouring)) != nil else { return }
            scheduled[link] = ScheduledDevice(index, colouring)
            return
        }
        let numbers = Self.actionNumbers(present, colouring)
        if numbers.count == colouring.actions.joined().count { actions[link] = numbers }
    }
}
