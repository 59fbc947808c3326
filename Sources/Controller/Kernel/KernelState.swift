import Addresses
import CScheduler
import GREBonding
import Glibc
import NFTables
import NetlinkKit

/// Brings the kernel to the desired state, owner by owner, and undoes it.
final class KernelState {
    /// Whose objects: the daemon's own, the addresses by which it is found, those that protect legs, those that watch
    /// names, or one bond's.
    enum Owner: Hashable {
        case base
        case addresses
        case security
        case policy
        case names
        case bond(UInt32)
    }

    let route: Exchange
    /// The number of its socket.
    let port: UInt32?
    let tables: NFTablesClient
    let security = SecurityKernel()
    var applied: [Owner: [KernelObject]] = [:]
    private var indexes: [String: UInt32] = [:]
    private var names: [UInt32: String] = [:]
    /// What the actions of a coloured device are numbered, in the order of ``Colouring/actions``.
    var actions: [String: [UInt32]] = [:]
    /// For connection tracking; opened when it is first needed.
    private lazy var connections = (try? NetlinkSocket(.netfilter)).map { Exchange($0) }
    var formerFilters: [String: ReversePathFilter] = [:]
    /// Called before one of them is changed for the first time: the next run must know how it was.
    var onFormerFilter: () -> Void = {}
    let report: (String) -> Void
    /// Requests that failed.
    private(set) var refusals: UInt64 = 0
    /// Takes an element of a set with counters that is gone, with what it had counted, and whose it was.
    var onDeleted: (Owner, DeletedElement) -> Void = { _, _ in }
    var scheduler: SchedulerProgram?
    /// Devices with one queue for both legs. Where the kernel cannot have it, `police` stands in.
    var scheduled: [String: ScheduledDevice] = [:]
    var canSchedule = true
    /// See KernelState+QueueTrial.swift.
    var queueTrial = QueueTrial()

    // What a run before has left: see KernelState+Adoption.swift.
    var isAdopting = false
    /// Owners whose devices were compared meanwhile: what changes of theirs is written again.
    var adopted: Set<Owner> = []
    /// What differs is no other's doing.
    var isQuiet = false
    var quietDrift: UInt64 = 0
    var onQuietDrift: (Drift) -> Void = { _ in }

    // What the kernel refused and is asked for again: see KernelState+Finishing.swift.
    var unfinished = Suspects()
    /// Devices of bonds that have ended, and whose: see KernelState+Ended.swift.
    var ended: [(link: KernelObject, owner: Owner)] = []
    /// Whether somebody calls ``deleteEnded()`` after each round of events; else devices go at once.
    var deletesTogether = false
    var leftovers: [Owner: [KernelObject]] = [:]
    /// What a run before has left, if not all of it has gone.
    var unswept: SweepScope?
    /// Devices of ours that could not be made: what has such a name, if anything, is another's.
    var unmade: Set<String> = []
    var finishAt = Instant(nanoseconds: 0)
    /// What differs was refused before.
    var isFinishing = false
    /// Takes what was refused before and is asked for again.
    var onFinished: (Drift) -> Void = { _ in }
    /// Times that a bond's queue could not be made.
    var queueRefusals = 0

    // What others do to objects of ours: see KernelState+Mending.swift.
    var places = ObjectIndex()
    var suspects = Suspects()
    /// What was found to differ, by kind.
    var drift: [Drift.Kind: UInt64] = [:]
    /// How often all was read again.
    var rereads: UInt64 = 0
    /// When the next look may be taken.
    var restUntil = Instant(nanoseconds: 0)
    var planChecks = PlanChecks()
    /// Takes each thing that differs.
    var onDrift: (Drift) -> Void = { _ in }
    /// Takes the owner of a device that was made anew.
    var onRecreated: (Owner) -> Void = { _ in }
    /// What sets with times hold, from those who fill them.
    var timedContents: (TableName) -> [SetContents] = { _ in [] }

    /// Loads the program that chooses legs, for those who want it. To load it takes a capability (CAP_BPF) that the
    /// daemon gives up before it starts.
    func loadScheduler() throws(SystemError) {
        if scheduler == nil { scheduler = try SchedulerProgram() }
    }

    /// - Parameters:
    ///   - transport: what requests about devices, addresses, routes and rules go by, given the socket
    ///   - report: takes a line for each thing that could not be done
    init(
        transport: (NetlinkSocket) -> any NetlinkTransport = { $0 }, report: @escaping (String) -> Void
    ) throws(KernelError) {
        let socket = try NetlinkSocket(.route)
        port = socket.port
        route = Exchange(transport(socket))
        tables = try NFTablesClient()
        self.report = report
    }

    func objects(of owner: Owner) -> [KernelObject] { applied[owner] ?? [] }

    /// Requests to the kernel that were to change something.
    var changes: UInt64 { route.changes &+ tables.changes &+ security.changes }

    /// Whether all of it succeeded. What failed is tried again by ``finish(_:)``.
    @discardableResult
    func apply(_ objects: [KernelObject], for owner: Owner) -> Bool {
        if isHeld(owner), owner != .addresses, !objects.isEmpty {
            hold(objects, of: owner)
            return true
        }
        removeLeftovers(before: objects)
        let plan = Plan(from: applied[owner] ?? [], to: objects)
        guard !plan.isEmpty else { return true }
        let leaving = Set(plan.steps.compactMap { if case .remove(.link(let name, _)) = $0 { name } else { nil } })
        var failed: [Plan.Step] = []
        var index = 0
        while index < plan.steps.count {
            // Elements that follow one another go into one transaction: a leg's maps change at once or not at all.
            let run = plan.steps[index...].prefix { $0.isElement }
            if !run.isEmpty {
                do throws(TransactionError) {
                    for deleted in try commit(Array(run)) { onDeleted(owner, deleted) }
                } catch {
                    refuse(error)
                    failed += run
                }
                index += run.count
                continue
            }
            let step = plan.steps[index]
            index += 1
            // What is on a device that could not be made comes with it.
            if let link = step.object.link, unmade.contains(link), !step.makesDevice { continue }
            if case .remove(let object) = step, let link = object.link, leaving.contains(link) {
                // What is on a device that goes, goes with it.
                guard step.removesDevice else { forget(object); continue }
                if deletesTogether, case .bond = owner { end(object, of: owner); continue }
            }
            do {
                try perform(step)
            } catch {
                refuse(error)
                failed.append(step)
            }
        }
        for case .remove(.link(let name, _)) in plan.steps { unmade.remove(name) }
        places.replace(applied[owner] ?? [], by: objects, of: owner)
        applied[owner] = objects.isEmpty ? nil : Self.fitted(objects)
        for step in failed { leave(step, of: owner) }
        return failed.isEmpty
    }

    /// Without the room that an array has that has grown: there are thousands of them.
    static func fitted(_ objects: [KernelObject]) -> [KernelObject] { objects.map { $0 } }

    func refuse(_ error: any Error) {
        refusals &+= 1
        report("\(error)")
    }

    /// Removes everything, bonds first; nothing is left that could send by the time a leg's protection goes.
    func clear() {
        for owner in applied.keys where owner != .base && owner != .security { apply([], for: owner) }
        deleteEnded()
        removeLeftovers { $0 != .base && $0 != .security }
        apply([], for: .base)
        removeLeftovers { $0 != .security }
        apply([], for: .security)
        removeLeftovers { _ in true }
        tryAgain(Self.attempts, while: { unswept != nil }) { sweepAgain() }
    }

    /// Connections with this mark begin anew with their next packets.
    func forgetConnections(_ family: IPFamily, mark: UInt32, mask: UInt32) {
        guard let connections else { return report("no netfilter socket") }
        if case .failure(let error)? = connections.perform([ConnectionTable.forget(family, mark: mark, mask: mask)]).first {
            report("\(error)")
        }
    }

    /// nil: it is not tracked.
    func connection(_ tuple: ConnectionTuple) throws(KernelError) -> TrackedConnection? {
        try connections?.connection(tuple)
    }

    /// What the program that chooses legs has for a device; nil: nothing.
    func schedulerView(_ link: UInt32) -> (plan: scheduler_plan, state: scheduler_state)? {
        guard let plan = scheduler?.plan(link: link), let state = scheduler?.state(link: link) else { return nil }
        return (plan, state)
    }

    /// Interface number of a device; 0 when there is none.
    func index(of name: String) -> UInt32 {
        if let known = indexes[name] { return known }
        if unmade.contains(name) { return 0 }
        let found = if_nametoindex(name)
        if found != 0 { remember(name, found) }
        return found
    }

    /// The number that a device had when it was last asked for; nil: it was not.
    func knownIndex(of name: String) -> UInt32? { indexes[name] }

    /// The name of a device whose number was asked for.
    func name(of index: UInt32) -> String? { names[index] }

    func remember(_ name: String, _ number: UInt32) {
        forget(name)
        indexes[name] = number
        names[number] = name
    }

    /// Interface number of a device that must be there.
    func number(of name: String) throws(KernelError) -> UInt32 {
        let found = index(of: name)
        if found != 0 { return found }
        throw .refused(.init(Operation("find", "link \"\(name)\""), .noDevice))
    }

    /// Forgets a device's number; it may come back with another one.
    func forget(_ name: String) {
        if let number = indexes.removeValue(forKey: name) { names[number] = nil }
    }
}

extension Plan.Step {
    var object: KernelObject {
        switch self {
        case .create(let object), .change(_, let object), .remove(let object): object
        }
    }

    /// Whether it is a device that is to be made.
    var makesDevice: Bool { if case .create(.link) = self { true } else { false } }

    var removesDevice: Bool { if case .remove(.link) = self { true } else { false } }

    var isElement: Bool {
        switch object {
        case .element, .contents: true
        default: false
        }
    }
}
