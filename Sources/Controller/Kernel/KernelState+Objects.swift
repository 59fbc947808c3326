import Addresses
import GREBonding
import NFTables
import NetlinkKit

// How each kind of object is made, changed and removed.
extension KernelState {
    func perform(_ step: Plan.Step) throws {
        switch step {
        case .create(let object): try create(object)
        case .change(let old, let new): try change(old, new)
        case .remove(let object): try remove(object)
        }
    }

    func create(_ object: KernelObject) throws {
        switch object {
        case .link(let name, let settings): try create(name, settings)
        case .reversePathFilter(let name, let filter):
            try rememberFilter(of: name, try route.link(.name(name))?.ipv4?[.reversePathFilter])
            // What is not known cannot be given back.
            guard formerFilters[name] != nil else {
                throw KernelError.refused(.init(Operation("read", "rp_filter of link \"\(name)\""), .noDevice))
            }
            try route.perform(Link.setReversePathFilter(.name(name), filter))
        case .address(let link, let prefix, let lease):
            try route.perform(InterfaceAddress(prefix, lease, link: number(of: link), now: Clock.now()).replace())
        case .route(let wanted):
            try route.perform(wanted.route(wanted.link.isEmpty ? 0 : number(of: wanted.link)).replace())
        case .rule(let rule): try add(rule)
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

    /// Whole, or not at all.
    private func create(_ name: String, _ settings: LinkSettings) throws(KernelError) {
        forget(name)
        unmade.insert(name)
        let requests = Link.create(name, settings)
        // The alias only when it is known that the device is this one: another's must not get it.
        try route.perform(requests[0])
        do throws(KernelError) {
            for request in requests.dropFirst() { try route.perform(request) }
            if settings.isUp == true { try route.perform(Link.setUp(.name(name), true)) }
        } catch {
            // What is half made goes before it is made again.
            if !remove(Link.delete(.name(name))) { leftovers[.base, default: []].append(.link(name: name, settings)) }
            throw error
        }
        unmade.remove(name)
    }

    /// What a device had before ours, to be given back; only the first time.
    func rememberFilter(of name: String, _ present: @autoclosure () throws -> UInt32?) rethrows {
        guard formerFilters[name] == nil else { return }
        formerFilters[name] = try present().flatMap(ReversePathFilter.init)
        onFormerFilter()
    }

    private func add(_ rule: Rule) throws(KernelError) {
        do throws(KernelError) {
            try route.perform(rule.add())
        } catch where error.errno == .exists {
            // Left by a run before, perhaps.
            guard try route.rules(rule.family).contains(rule) else { throw error }
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

    func remove(_ object: KernelObject) throws {
        if case .rule = object {
            try removing(\.isAbsenceOfRule) { try delete(object) }
        } else {
            try removing { try delete(object) }
        }
        forget(object)
    }

    private func delete(_ object: KernelObject) throws {
        switch object {
        case .link(let name, _): try route.perform(Link.delete(.name(name)))
        case .reversePathFilter(let name, _):
            if let former = formerFilters[name] { try route.perform(Link.setReversePathFilter(.name(name), former)) }
        case .address(let link, let prefix, let lease):
            let address = InterfaceAddress(link: try number(of: link), address: prefix)
            // With an address that is not for ever the kernel leaves the route of its network until that expires.
            if lease != nil, prefix.address.family == .v6 { try route.perform(address.replace()) }
            try route.perform(address.delete())
        case .route(let old): try route.perform(old.route(old.link.isEmpty ? 0 : number(of: old.link)).delete())
        case .rule(let rule): try route.perform(rule.delete())
        case .policy(let policy): try security.remove(policy)
        case .state(let state): try security.remove(state.id)
        case .ruleset(let ruleset):
            var transaction = Transaction()
            transaction.deleteIfPresent(ruleset.table.id)
            try tables.commit(transaction)
        case .colouring(let link, _):
            let index = try number(of: link)
            var requests = [Qdisc.clsact(link: index).delete()]
            if scheduled[link] != nil { requests.append(Qdisc(link: index, .fq(FairQueue())).delete()) }
            try route.performAll(requests)
        case .element, .contents: _ = try commit([.remove(object)])
        }
    }

    /// What is known of an object that is gone.
    func forget(_ object: KernelObject) {
        switch object {
        case .link(let name, _):
            forget(name)
            actions[name] = nil
            scheduled[name] = nil
        case .reversePathFilter(let name, _): formerFilters[name] = nil
        case .colouring(let link, _):
            actions[link] = nil
            scheduled[link] = nil
            if let number = knownIndex(of: link) { scheduler?.remove(link: number) }
        default: break
        }
    }

    func commit(_ steps: [Plan.Step]) throws(TransactionError) -> [DeletedElement] {
        var transaction = Transaction()
        for step in steps {
            switch step {
            case .create(.element(let shared, let element)): transaction.create([element], in: shared.set)
            case .change(.element(let shared, let old), .element(_, let new)):
                transaction.delete([old], from: shared.set, isReported: shared.set.hasCounters)
                transaction.create([new], in: shared.set)
            case .remove(.element(let shared, let element)):
                transaction.delete([element], from: shared.set, isReported: shared.set.hasCounters)
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
