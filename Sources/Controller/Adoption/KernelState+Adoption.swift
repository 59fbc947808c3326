import Addresses
import Configuration
import GREBonding
import NFTables
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
        sweepUnwanted(kernel, requestIDs)
        return quietDrift
    }

    /// The numbers of a device's actions, or its plan in the tables of this run's program, are there before anything is
    /// compared: so what colours its packets is never away.
    private func adopt(_ link: String, _ colouring: Colouring) {
        let number = index(of: link)
        guard number != 0, let present = try? route.filters(link: number, parent: .egress) else { return }
        if present.contains(where: { $0.filter.priority == 1 && $0.filter.classifier.name == "bpf" }) {
            guard colouring.queues, canSchedule, (try? plan(number, colouring)) != nil else { return }
            scheduled.insert(link)
            return
        }
        let own = Set(Self.priorities(colouring))
        let numbers = present.filter { own.contains($0.filter.priority) }
            .sorted { $0.filter.priority < $1.filter.priority }.flatMap { $0.actions.map(\.action.index) }
        if numbers.count == colouring.actions.joined().count { actions[link] = numbers }
    }

    private var wantedObjects: some Sequence<KernelObject> { applied.values.lazy.joined() }

    /// What is known to be ours and is none of what was applied.
    private func sweepUnwanted(_ kernel: KernelConfiguration, _ requestIDs: ClosedRange<UInt32>) {
        var links: Set<String> = [], rules: Set<Rule> = [], addresses: Set<String> = []
        for object in wantedObjects {
            switch object {
            case .link(let name, _): links.insert(name)
            case .rule(let rule): rules.insert(rule)
            case .address(let link, let prefix, _): addresses.insert("\(index(of: link)) \(prefix)")
            default: break
            }
        }
        sweepTables()
        for link in (try? route.links()) ?? []
        where link.alias?.hasPrefix("spillway ") == true && !links.contains(link.name) {
            _ = route.perform([Link.delete(.index(link.index))])
        }
        let priorities = kernel.rulePriority..<kernel.rulePriority + 16
        let number = RouteProtocol(rawValue: kernel.routeProtocol)
        for family in IPFamily.allCases {
            for rule in (try? route.rules(family)) ?? []
            where rule.protocol == number && priorities.contains(rule.priority) && !rules.contains(rule) {
                _ = route.perform([rule.delete()])
            }
            for found in (try? route.routes(family, protocol: number)) ?? [] where found.protocol == number {
                if places.routes[.route(table: found.table, found.destination)] == nil {
                    _ = route.perform([found.delete()])
                }
            }
            for found in (try? route.addresses(family)) ?? []
            where found.address.protocol == kernel.routeProtocol
                && !addresses.contains("\(found.address.link) \(found.address.address)")
            {
                _ = route.perform([found.address.delete()])
            }
        }
        security.sweep(requestIDs, keeping: Array(wantedObjects))
    }

    private func sweepTables() {
        var transaction = Transaction()
        let all = [
            SegmentTable.table, PolicyTable.name, NameRules.table, SourceTable.table, TableName(.ip, "spillway"),
            TableName(.ip6, "spillway"), TableName(.ip, "spillway_nat"), TableName(.ip, "spillway_dhcp"),
        ]
        for table in all where places.tables[table] == nil { transaction.deleteIfPresent(table) }
        _ = try? tables.commit(transaction)
    }
}
