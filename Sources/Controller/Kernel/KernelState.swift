import Addresses
import CScheduler
import GREBonding
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
    var scheduled: Set<String> = []
    var canSchedule = true

    // What a run before has left: see KernelState+Adoption.swift.
    var isAdopting = false
    /// What differs is no other's doing.
    var isQuiet = false
    var quietDrift: UInt64 = 0
    var onQuietDrift: (Drift) -> Void = { _ in }

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

    /// - Parameter report: takes a line for each thing that could not be done
    init(report: @escaping (String) -> Void) throws(KernelError) {
        let socket = try NetlinkSocket(.route)
        port = socket.port
        route = Exchange(socket)
        tables = try NFTablesClient()
        self.report = report
    }

    func objects(of owner: Owner) -> [KernelObject] { applied[owner] ?? [] }

    /// Requests to the kernel that were to change something.
    var changes: UInt64 { route.changes &+ tables.changes &+ security.changes }

    /// Whether all of it succeeded. What failed is left out of what is held to be there, so that the next call with
    /// the same objects tries it again.
    @discardableResult
    func apply(_ objects: [KernelObject], for owner: Owner) -> Bool {
        if isAdopting {
            places.replace(applied[owner] ?? [], by: objects, of: owner)
            applied[owner] = objects.isEmpty ? nil : objects
            return true
        }
        let plan = Plan(from: applied[owner] ?? [], to: objects)
        guard !plan.isEmpty else { return true }
        var failed: Set<KernelObject.Identity> = []
        var index = 0
        while index < plan.steps.count {
            // Elements that follow one another go into one transaction: a leg's maps change at once or not at all.
            let run = plan.steps[index...].prefix { $0.isElement }
            if !run.isEmpty {
                do throws(TransactionError) {
                    for deleted in try commit(Array(run)) { onDeleted(owner, deleted) }
                } catch {
                    refuse(error)
                    for step in run { failed.insert(step.identity) }
                }
                index += run.count
                continue
            }
            do {
                try perform(plan.steps[index])
            } catch {
                refuse(error)
                failed.insert(plan.steps[index].identity)
            }
            index += 1
        }
        let present = failed.isEmpty ? objects : objects.filter { !failed.contains($0.identity) }
        places.replace(applied[owner] ?? [], by: present, of: owner)
        applied[owner] = present.isEmpty ? nil : present
        return failed.isEmpty
    }

    func refuse(_ error: any Error) {
        refusals &+= 1
        report("\(error)")
    }

    /// Removes everything, bonds first; nothing is left that could send by the time a leg's protection goes.
    func clear() {
        for owner in applied.keys where owner != .base && owner != .security { apply([], for: owner) }
        apply([], for: .base)
        apply([], for: .security)
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
        let found = (try? route.link(.name(name)))??.index ?? 0
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

    /// Forgets a device's number; it may come back with another one.
    func forget(_ name: String) {
        if let number = indexes.removeValue(forKey: name) { names[number] = nil }
    }

    private func perform(_ step: Plan.Step) throws {
        switch step {
        case .create(let object): try create(object)
        case .change(let old, let new): try change(old, new)
        case .remove(let object): try remove(object)
        }
    }

    func create(_ object: KernelObject) throws {
        switch object {
        case .link(let name, let settings):
            for result in route.perform(Link.create(name, settings)) { _ = try result.get() }
            if settings.isUp == true { try route.perform(Link.setUp(.name(name), true)) }
            forget(name)
        case .reversePathFilter(let name, let filter):
            let before = try route.link(.name(name))?.ipv4?[.reversePathFilter]
            formerFilters[name] = before.flatMap(ReversePathFilter.init)
            onFormerFilter()
            try route.perform(Link.setReversePathFilter(.name(name), filter))
        case .address(let link, let prefix, let lease):
            try route.perform(InterfaceAddress(prefix, lease, link: index(of: link), now: Clock.now()).replace())
        case .route(let wanted): try route.perform(wanted.route(index(of: wanted.link)).replace())
        case .rule(let rule): try route.perform(rule.add())
        case .policy(let policy): try security.add(policy)
        case .state(let state): try security.add(state)
        case .ruleset(let ruleset):
            var transaction = Transaction()
            ruleset.write(to: &transaction)
            try tables.commit(transaction)
        case .colouring(let link, let colouring): try colour(link, colouring)
        case .element, .contents: _ = try commit([.create(object)])
        }
    }

    private func change(_ old: KernelObject, _ new: KernelObject) throws {
        switch (old, new) {
        case (_, .link(let name, let settings)): try route.perform(Link.change(.name(name), settings))
        case (_, .colouring(let link, let colouring)): try recolour(link, colouring)
        case (_, .reversePathFilter(let name, let filter)):
            try route.perform(Link.setReversePathFilter(.name(name), filter))
        case (.rule, .rule), (.policy, .policy), (.state, .state):
            try remove(old)
            try create(new)
        case (.ruleset(let before), .ruleset(let ruleset)): try amend(ruleset, from: before)
        case (.element, .element), (.contents, .contents): _ = try commit([.change(from: old, to: new)])
        default: try create(new)
        }
    }

    private func remove(_ object: KernelObject) throws {
        do {
            switch object {
            case .link(let name, _):
                try route.perform(Link.delete(.name(name)))
                forget(name)
                actions[name] = nil
                scheduled.remove(name)
            case .reversePathFilter(let name, _):
                if let former = formerFilters.removeValue(forKey: name) {
                    try route.perform(Link.setReversePathFilter(.name(name), former))
                }
            case .address(let link, let prefix, let lease):
                let address = InterfaceAddress(link: index(of: link), address: prefix)
                // With an address that is not for ever the kernel leaves the route of its network until that expires.
                if lease != nil, prefix.address.family == .v6 { try route.perform(address.replace()) }
                try route.perform(address.delete())
            case .route(let route): try self.route.perform(route.route(index(of: route.link)).delete())
            case .rule(let rule): try route.perform(rule.delete())
            case .policy(let policy): try security.remove(policy)
            case .state(let state): try security.remove(state.id)
            case .ruleset(let ruleset):
                var transaction = Transaction()
                transaction.deleteIfPresent(ruleset.table.id)
                try tables.commit(transaction)
            case .colouring(let link, _):
                let index = index(of: link)
                try route.perform(Qdisc.clsact(link: index).delete())
                if scheduled.remove(link) != nil {
                    scheduler?.remove(link: index)
                    try route.perform(Qdisc(link: index, .fq(FairQueue())).delete())
                }
                actions[link] = nil
            case .element, .contents: _ = try commit([.remove(object)])
            }
        } catch let error as KernelError {
            // Gone already, with its device or by another hand: that is what was wanted.
            switch error.errno {
            case .noEntry?, .noDevice?, .noProcess?, .addressNotAvailable?: return
            default: throw error
            }
        }
    }

    private func commit(_ steps: [Plan.Step]) throws(TransactionError) -> [DeletedElement] {
        var transaction = Transaction()
        for step in steps {
            switch step {
            case .create(.element(let set, let element)): transaction.create([element], in: set)
            case .change(.element(let set, let old), .element(_, let new)):
                transaction.delete([old], from: set, isReported: set.hasCounters)
                transaction.create([new], in: set)
            case .remove(.element(let set, let element)):
                transaction.delete([element], from: set, isReported: set.hasCounters)
            case .create(.contents(let set, let elements)), .change(_, .contents(let set, let elements)):
                transaction.flushSet(set.name, in: set.table)
                transaction.add(elements, to: set)
            case .remove(.contents(let set, _)): transaction.flushSet(set.name, in: set.table)
            default: break
            }
        }
        return try tables.commit(transaction)
    }
}

extension InterfaceAddress {
    init(_ prefix: IPPrefix, _ lease: LeasedAddress?, link: UInt32, now: Instant) {
        self.init(link: link, address: prefix, flags: prefix.address.family == .v6 ? .noDAD : [])
        if let lease { set(lease, now: now) }
    }

    /// The kernel takes an address with lifetimes away by itself, whether or not this program still runs.
    private mutating func set(_ lease: LeasedAddress, now: Instant) {
        `protocol` = lease.protocol
        // A valid lifetime of 0 is refused.
        preferredLifetime = Self.seconds(lease.preferredUntil, now)
        validLifetime = max(1, Self.seconds(lease.validUntil, now))
    }

    private static func seconds(_ until: Instant, _ now: Instant) -> UInt32 {
        until == .distantFuture ? .max : UInt32(clamping: max(0, (until - now).milliseconds / 1000))
    }
}

extension Plan.Step {
    var object: KernelObject {
        switch self {
        case .create(let object), .change(_, let object), .remove(let object): object
        }
    }

    var identity: KernelObject.Identity { object.identity }

    var isElement: Bool {
        switch object {
        case .element, .contents: true
        default: false
        }
    }
}
