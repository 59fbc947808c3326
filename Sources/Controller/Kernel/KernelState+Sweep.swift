import Addresses
import Configuration
import NFTables
import NetlinkKit

/// What a sweep goes by.
struct SweepScope {
    var kernel: KernelConfiguration
    /// Of IPsec's policies.
    var requestIDs: ClosedRange<UInt32>
    /// Whether addresses go, too. A run that begins anew may be leased those of the run before again.
    var takesAddresses = false
}

extension SweepScope {
    /// - Parameter ipsec: nil: not set; what a run with it has left goes all the same
    init(_ kernel: KernelConfiguration, _ ipsec: IPsecConfiguration?, takesAddresses: Bool = false) {
        let requestIDs = (ipsec ?? IPsecConfiguration(keys: .configured)).requestIDs
        self.init(kernel: kernel, requestIDs: requestIDs, takesAddresses: takesAddresses)
    }
}

// What a run before has left.
extension KernelState {
    /// Removes what is known to be ours and is none of what was applied: at the start of a run that makes all anew that
    /// is all of it. What the kernel refuses is asked for again, here and by ``finish(_:)``.
    /// - Parameter mayWait: nobody's packets wait for this to return
    func sweep(_ sweep: SweepScope, mayWait: Bool) {
        unswept = sweep
        tryAgain(mayWait ? Self.attempts : 1, while: { unswept != nil }) { sweepAgain() }
        if unswept != nil { finishSoon() }
    }

    /// One more time, if there is anything left.
    func sweepAgain() {
        guard let sweep = unswept else { return }
        if isSwept(sweep) { unswept = nil }
    }

    /// - Returns: whether all that is ours could be seen, and went
    private func isSwept(_ sweep: SweepScope) -> Bool {
        let wanted = Array(applied.values.joined())
        var isWhole = sweepDevices(sweep, wanted)
        if sweep.takesAddresses { isWhole = sweepAddresses(sweep, wanted) && isWhole }
        isWhole = sweepTables() && isWhole
        // Last: what is left of a bond must not send in the clear.
        return isWhole && sweepSecurity(sweep, wanted)
    }

    private func sweepDevices(_ sweep: SweepScope, _ wanted: [KernelObject]) -> Bool {
        var links: Set<String> = [], rules: Set<Rule> = []
        for object in wanted {
            switch object {
            case .link(let name, _): links.insert(name)
            case .rule(let rule): rules.insert(rule)
            default: break
            }
        }
        var isWhole = true
        let left = list(try route.links(), &isWhole).filter {
            $0.alias?.hasPrefix("spillway ") == true && !links.contains($0.name)
        }
        for name in deleteLinks(left.map(\.name)) { isWhole = remove(Link.delete(.name(name))) && isWhole }
        let priorities = sweep.kernel.rulePriority..<sweep.kernel.rulePriority + 16
        let number = RouteProtocol(rawValue: sweep.kernel.routeProtocol)
        for family in IPFamily.allCases {
            for rule in list(try route.rules(family), &isWhole)
            where rule.protocol == number && priorities.contains(rule.priority) && !rules.contains(rule) {
                isWhole = isGone(\.isAbsenceOfRule) { try route.perform(rule.delete()) } && isWhole
            }
            for found in list(try route.routes(family, protocol: number), &isWhole)
            where found.protocol == number && places.routes[.route(table: found.table, found.destination)] == nil {
                isWhole = remove(found.delete()) && isWhole
            }
        }
        return isWhole
    }

    private func sweepAddresses(_ sweep: SweepScope, _ objects: [KernelObject]) -> Bool {
        let wanted = Set(objects.compactMap { object in
            if case .address(let link, let prefix, _) = object { "\(index(of: link)) \(prefix)" } else { nil }
        })
        var isWhole = true
        for family in IPFamily.allCases {
            for found in list(try route.addresses(family), &isWhole)
            where found.address.protocol == sweep.kernel.routeProtocol
                && !wanted.contains("\(found.address.link) \(found.address.address)")
            {
                isWhole = remove(found.address.delete()) && isWhole
            }
        }
        return isWhole
    }

    private func sweepTables() -> Bool {
        var transaction = Transaction()
        let all = [
            SegmentTable.table, PolicyTable.name, NameRules.table, SourceTable.table, PinTable.name,
            TableName(.ip, "spillway"), TableName(.ip6, "spillway"), TableName(.ip, "spillway_nat"),
            TableName(.ip, "spillway_dhcp"),
        ]
        for table in all where places.tables[table] == nil { transaction.deleteIfPresent(table) }
        return transaction.isEmpty || attempt { _ = try tables.commit(transaction) }
    }

    /// States that have our mark, whatever the settings are now, and policies.
    private func sweepSecurity(_ sweep: SweepScope, _ wanted: [KernelObject]) -> Bool {
        guard security.isAvailable else { return true }
        var states: Set<SecurityStateID> = [], policies: Set<SecurityPolicy> = []
        for object in wanted {
            switch object {
            case .state(let state): states.insert(state.id)
            case .policy(let policy): policies.insert(policy)
            default: break
            }
        }
        var isWhole = true
        for state in list(try security.everyState(), &isWhole)
        where LegKeys.made(state) && !states.contains(state.id) {
            isWhole = isGone { try security.remove(state.id) } && isWhole
        }
        for policy in list(try security.everyPolicy(), &isWhole)
        where LegPolicies.has(policy, sweep.requestIDs) && !policies.contains(policy) {
            isWhole = isGone { try security.remove(policy) } && isWhole
        }
        return isWhole
    }

    /// What cannot be listed for a reason that may pass is looked at again.
    private func list<Element>(_ read: @autoclosure () throws -> [Element], _ isWhole: inout Bool) -> [Element] {
        do {
            return try read()
        } catch {
            refuse(error)
            if (error as? KernelError)?.errno?.mayPass != false { isWhole = false }
            return []
        }
    }
}
