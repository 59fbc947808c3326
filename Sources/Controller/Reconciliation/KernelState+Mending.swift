import Addresses
import GREBonding
import NFTables
import NetlinkKit

// Reads back what may not be as it was made, compares it field by field and writes what differs.
extension KernelState {
    /// After so much work packets that wait for their turn come first.
    private static let slice = Duration.milliseconds(5)
    /// Whoever undoes what is put right again and again costs no more than a look in so much time.
    private static let rest = Duration.milliseconds(100)
    private static let patience = Duration.seconds(1)

    /// Looks at what is suspected.
    /// - Returns: when it wants to be called again; nil: nothing is suspected
    func mend(_ now: Instant) -> Instant? {
        if isAdopting { return nil }
        let own = [checkPlans(now), tryQueue(now), finish(now)].compactMap { $0 }
        // What was refused is no other's doing.
        suspects.subtract(unfinished)
        guard !suspects.isEmpty else { return own.min() }
        guard restUntil <= now else { return (own + [restUntil]).min() }
        let before = drift
        let failed = look(now, slice: Self.slice)
        let time = Clock.now()
        let took = time - now
        restUntil = time + (suspects.owners.isEmpty && drift != before ? max(Self.rest, took) : took)
        if !failed.isEmpty {
            suspects.formUnion(failed)
            restUntil = time + Self.patience
        }
        return (own + (suspects.isEmpty ? [] : [restUntil])).min()
    }

    /// - Parameter slice: after so much work the rest stays suspected
    /// - Returns: what has to be tried again
    func look(_ now: Instant, slice: Duration) -> Suspects {
        var failed = Suspects()
        lookAtOwners(now, slice: slice, &failed)
        if suspects.owners.isEmpty {
            mendRoutes(&failed)
            mendRules(&failed)
            mendTables(&failed)
        }
        return failed
    }

    /// The same of what owners have for themselves.
    func lookAtOwners(_ now: Instant, slice: Duration, _ failed: inout Suspects) {
        if suspects.security {
            suspects.security = false
            failed.security = !mendSecurity()
        }
        var time = now
        while time - now < slice, let (owner, aspects) = suspects.takeOwner() {
            mend(owner, aspects, &failed)
            time = Clock.now()
        }
    }

    func note(_ one: Drift) {
        if isFinishing { return onFinished(one) }
        if isQuiet {
            quietDrift &+= 1
            return onQuietDrift(one)
        }
        drift[one.kind, default: 0] &+= 1
        onDrift(one)
    }

    /// Whether it succeeded. `failed` takes what has to be tried again.
    func attempt(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            refuse(error)
            return false
        }
    }

    // MARK: Devices and what is on them

    private func mend(_ owner: Owner, _ aspects: Suspects.Aspects, _ failed: inout Suspects) {
        if isAdopting { adopted.insert(owner) }
        var remade: Set<String> = []
        for object in objects(of: owner).sorted(by: { $0.rank < $1.rank }) {
            let done =
                switch object {
                case .link(let name, let settings) where aspects.contains(.links):
                    attempt { if try mendLink(name, settings) { remade.insert(name) } }
                case _ where object.link.map(remade.contains) ?? false:
                    // Went with its device.
                    attempt { try create(object) }
                case .reversePathFilter(let name, let filter) where aspects.contains(.links):
                    attempt { try mendFilter(name, filter) }
                case .address(let name, let prefix, let lease) where aspects.contains(.addresses):
                    attempt { try mendAddress(name, prefix, lease) }
                case .colouring(let name, let colouring) where aspects.contains(.colouring):
                    attempt { try mendColouring(name, colouring) }
                default: true
                }
            // Also what is not suspected itself, but went with its device.
            if !done { failed.add(object, of: owner) }
        }
        if !remade.isEmpty { onRecreated(owner) }
    }

    /// - Returns: whether what is on it has to be made anew
    private func mendLink(_ name: String, _ settings: LinkSettings) throws -> Bool {
        var found = try knownIndex(of: name).flatMap { try route.link(.index($0)) }
        // Nobody else's, whatever its name is.
        if found == nil { found = try route.link(.name(name)).flatMap { $0.alias == settings.alias ? $0 : nil } }
        guard let found else {
            note(.gone(.link, name))
            let former = knownIndex(of: name)
            actions[name] = nil
            if scheduled.removeValue(forKey: name) != nil, let former { scheduler?.remove(link: former) }
            forget(name)
            try create(.link(name: name, settings))
            return true
        }
        remember(name, found.index)
        let drift = found.drift(from: settings, name: name)
        if !drift.isEmpty {
            drift.forEach(note)
            if found.name != name { try rename(found, to: name) }
            if found.master != nil { try route.perform(Link.release(.name(name))) }
            if !found.matches(settings) { try route.perform(Link.change(.name(name), settings)) }
        }
        // One that was half made, and could not be removed, is whole now: what is on it is still to come.
        leftovers[.base]?.removeAll { $0.identity == .link(name) }
        return unmade.remove(name) != nil
    }

    private func rename(_ link: Link, to name: String) throws {
        do throws(KernelError) {
            try route.perform(Link.rename(link.index, to: name))
        } catch where error.errno == .busy {
            try route.perform(Link.setUp(.index(link.index), false))
            try route.perform(Link.rename(link.index, to: name))
            try route.perform(Link.setUp(.index(link.index), true))
        }
    }

    private func mendFilter(_ name: String, _ filter: ReversePathFilter) throws {
        if unmade.contains(name) { return }
        let present = try presentLink(name)?.ipv4?[.reversePathFilter]
        guard let present, present != filter.rawValue else { return }
        // It may be that it could not be made so before.
        rememberFilter(of: name, present)
        note(Drift(kind: .sysctl, object: name, field: "rp_filter", found: "\(present)", wanted: "\(filter.rawValue)"))
        try route.perform(Link.setReversePathFilter(.name(name), filter))
    }

    private func mendAddress(_ name: String, _ prefix: IPPrefix, _ lease: LeasedAddress?) throws {
        // A device of others that is down or gone: its end says when to look again.
        let number = index(of: name)
        let now = Clock.now()
        guard number != 0, !places.down.contains(name) else { return }
        if let lease, lease.validUntil <= now + Self.patience { return }
        let wanted = InterfaceAddress(prefix, lease, link: number, now: now)
        let found = try route.addresses(prefix.address.family, link: number).map(\.address)
            .first { $0.address == prefix && $0.link == number }
        guard let found else {
            note(.gone(.address, "\(prefix) \(name)"))
            try route.perform(wanted.replace())
            return
        }
        let drift = found.drift(from: wanted, name: name)
        guard !drift.isEmpty else { return }
        drift.forEach(note)
        // Only lifetimes can be changed where it is.
        if drift.contains(where: { !["valid", "preferred"].contains($0.field) }) { try route.perform(found.delete()) }
        try route.perform(wanted.replace())
    }

    // MARK: Routes and rules

    private func mendRoutes(_ failed: inout Suspects) {
        var groups: [RoutePlace: [(RouteToDevice, KernelObject.Identity)]] = [:]
        for identity in suspects.routes {
            guard let owner = places.routes[identity] else { continue }
            for case .route(let route) in objects(of: owner) where KernelObject.route(route).identity == identity {
                groups[RoutePlace(route), default: []].append((route, identity))
            }
        }
        suspects.routes = []
        for (place, wanted) in groups {
            let done = attempt {
                // The main table is others', too, and may be long.
                let number = place.table == Route.mainTable ? place.protocol : nil
                let present = Dictionary(
                    grouping: try route.routes(place.family, table: place.table, protocol: number), by: \.destination)
                for (object, _) in wanted { try mend(object, present[object.destination] ?? []) }
            }
            if !done { failed.routes.formUnion(wanted.map(\.1)) }
        }
    }

    private struct RoutePlace: Hashable {
        var table: UInt32
        var family: IPFamily
        var `protocol`: RouteProtocol

        init(_ route: RouteToDevice) {
            table = route.table
            family = route.destination.address.family
            `protocol` = route.protocol
        }
    }

    /// - Parameter present: routes to the same destination
    private func mend(_ object: RouteToDevice, _ present: [Route]) throws {
        let number = object.link.isEmpty ? 0 : index(of: object.link)
        guard object.link.isEmpty || (number != 0 && !places.down.contains(object.link)) else { return }
        let wanted = object.route(number)
        let found = present.first { $0.isInPlace(of: wanted) }
        guard found != wanted else { return }
        if let found {
            found.drift(from: wanted).forEach(note)
        } else {
            note(.gone(.route, "\(wanted.destination) table \(wanted.table)"))
        }
        // One of the same target that came before ours.
        let request = if let found, present.contains(wanted) { found.delete() } else { wanted.replace() }
        try route.perform(request)
    }

    private func mendRules(_ failed: inout Suspects) {
        guard suspects.rules else { return }
        suspects.rules = false
        let wanted = places.ruled.flatMap { owner in
            objects(of: owner).compactMap { if case .rule(let rule) = $0 { rule } else { nil } }
        }
        failed.rules = !attempt {
            let present = Set(try IPFamily.allCases.flatMap { try route.rules($0) })
            for rule in wanted where !present.contains(rule) {
                let family = rule.family == .v4 ? "IPv4" : "IPv6"
                note(.gone(.rule, "\(family) \(rule.priority)"))
                try route.perform(rule.add())
            }
        }
    }

    // MARK: nftables

    private func mendTables(_ failed: inout Suspects) {
        for table in suspects.tables {
            guard let wanted = wanted(table) else { continue }
            if !attempt({ try mend(wanted) }) { failed.tables.insert(table) }
        }
        suspects.tables = []
    }

    /// Makes a table's rules others without a gap, and without touching what others filled into its sets.
    func amend(_ ruleset: Ruleset, from old: Ruleset) throws {
        try mend(filled(WantedTable(ruleset)), isDrift: false)
        let table = ruleset.table.id
        var transaction = Transaction()
        let chains = Set(ruleset.chains.map(\.name)), sets = Set(ruleset.sets.map(\.name))
        for chain in old.chains where !chains.contains(chain.name) { transaction.flushChain(chain.name, in: table) }
        for chain in old.chains where !chains.contains(chain.name) { transaction.deleteChain(chain.name, in: table) }
        for set in old.sets where !sets.contains(set.name) { transaction.deleteSet(set.name, in: table) }
        if !transaction.isEmpty { _ = try tables.commit(transaction) }
    }

    private func mend(_ wanted: WantedTable, isDrift: Bool = true) throws {
        for attempt in 1... {
            let found = try tables.snapshot(of: wanted.ruleset.table.id)
            let comparison = TableComparison(wanted, found)
            guard !comparison.drift.isEmpty else { return }
            do throws(TransactionError) {
                let deleted = try tables.commit(comparison.transaction, generation: found?.generation)
                if isDrift { comparison.drift.forEach(note) }
                for one in deleted { if let owner = owner(of: one) { onDeleted(owner, one) } }
                return
            } catch {
                // Made for what was read: it has changed meanwhile.
                guard case .outdated = error, attempt < tables.snapshotAttempts else { throw error }
            }
        }
    }

    /// nil: it is no longer ours.
    private func wanted(_ table: TableName) -> WantedTable? {
        guard let base = places.tables[table] else { return nil }
        for case .ruleset(let ruleset) in objects(of: base) where ruleset.table.id == table {
            return filled(WantedTable(ruleset))
        }
        return nil
    }

    /// With what objects of ours hold in its sets.
    private func filled(_ empty: WantedTable) -> WantedTable {
        var wanted = empty
        let table = wanted.ruleset.table.id
        for contents in timedContents(table) { wanted.add(contents.elements, to: contents.set) }
        for objects in applied.values {
            for object in objects {
                switch object {
                case .element(let shared, let element) where shared.set.table == table:
                    wanted.add(element, to: shared.set)
                case .contents(let set, let elements) where set.table == table: wanted.add(elements, to: set)
                default: break
                }
            }
        }
        return wanted
    }

    private func owner(of deleted: DeletedElement) -> Owner? {
        applied.first { _, objects in
            objects.contains {
                if case .element(let shared, let element) = $0 {
                    shared.set.table == deleted.table && shared.set.name == deleted.set
                        && element.key == deleted.element.key
                } else {
                    false
                }
            }
        }?.key
    }
}
