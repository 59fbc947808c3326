import Addresses
import Configuration
import GREBonding
import NetlinkKit

// A run that takes over from one that was killed: what it would make is there. So nothing is made, but all that is
// wanted is compared with what there is, and what is ours and wanted no more goes.
extension KernelState {
    /// From now on what is applied is held to be there, until ``adopt(_:_:)``.
    /// - Parameter filters: reverse path filters as they were before the run that began
    func beginAdoption(_ filters: [String: ReversePathFilter]) {
        isAdopting = true
        formerFilters = filters
    }

    /// Compares all that was applied, puts right what differs, and removes what else a run before has left.
    /// - Returns: how many fields or objects differed
    func adopt(_ kernel: KernelConfiguration, _ requestIDs: ClosedRange<UInt32>) -> UInt64 {
        isAdopting = false
        for objects in applied.values {
            for case .colouring(let link, let colouring) in objects { adopt(link, colouring) }
        }
        isQuiet = true
        let before = rereads
        suspectAll()
        rereads = before
        let refused = refusals
        while !suspects.isEmpty, refusals == refused {
            restUntil = Instant(nanoseconds: 0)
            _ = mend(Clock.now())
        }
        isQuiet = false
        sweep(SweepScope(kernel: kernel, requestIDs: requestIDs, takesAddresses: true), mayWait: false)
        return quietDrift
    }

    /// The numbers of a device's actions, or its plan in the tables of this run's program, are there before anything is
    /// compared: so what colours its packets is never away.
    private func adopt(_ link: String, _ colouring: Colouring) {
        let number = index(of: link)
        guard number != 0, let present = try? route.filters(link: number, parent: .egress) else { return }
        if present.contains(where: { $0.filter.priority == 1 && $0.filter.classifier.name == "bpf" }) {
            guard colouring.queues, canSchedule, (try? plan(link, number, colouring)) != nil else { return }
            scheduled[link] = ScheduledDevice(number, colouring)
            return
        }
        let numbers = Self.actionNumbers(present, colouring)
        if numbers.count == colouring.actions.joined().count { actions[link] = numbers }
    }
}
