import Addresses
import Configuration
import DNSAnswers
import EventLog
import Formatting
import GREBonding
import Logging
import NFTables
import NetlinkKit

// Which way flows of the LAN take: RFC 8157 §4.5, §5.6.2.
extension HomeGateway {
    /// Reports what cannot be applied by its description; the rest is.
    func takeFilterList() {
        operatorSets = MatchSets(filterList)
        for problem in operatorSets.problems {
            common.log(.warning, "filter-item-skipped", problem.item, ["why": problem.reason])
        }
        namesWanted()
        applyPolicy()
    }

    /// Host names of all lists; `use` is the list's number (``MatchGroup``).
    var wantedNames: [(pattern: String, use: Int)] {
        MatchGroup.allCases.flatMap { group in
            (group == .operator ? operatorSets : policy.sets[group])?.names.map { ($0, group.rawValue) } ?? []
        }
    }

    /// What host names are wanted has changed.
    func namesWanted() {
        names.watch(
            wantedNames.compactMap { name in NamePattern(name.pattern).map { WatchedName($0, use: name.use) } })
    }

    func readBypassPaths() {
        guard let dsl = legs.first(where: { $0.id == .primary }) else { return }
        var paths: [IPFamily: BypassPath] = [:]
        for family in IPFamily.allCases {
            do throws(KernelError) {
                paths[family] = try BypassPath.read(common.state.route, dsl.settings, family, settings.kernel)
            } catch {
                paths[family] = bypassPaths[family]
                unread(error)
            }
        }
        guard paths != bypassPaths else { return }
        bypassPaths = paths
        applyPolicy()
    }

    /// While the bond has lost DSL, everything goes through what is left of it; without a bond there is only DSL's own
    /// state to go by.
    func applyPolicy() {
        if session.bond == nil { primaryLost = false }
        let open = primaryLost ? [:] : bypassPaths
        var objects: [KernelObject] = [.ruleset(policy.ruleset())]
        for shape in MatchShape.allCases {
            guard let elements = operatorSets.elements[shape] else { continue }
            objects.append(.contents(PolicyTable.set(.operator, shape), elements))
        }
        for (family, path) in open { objects += bypassObjects(family, path) }
        common.state.apply(objects, for: .policy)
        // What went that way has a source that is good only there.
        for family in bypassOpen where open[family] == nil {
            common.state.forgetConnections(family, mark: policy.mark(.bypass), mask: settings.kernel.markMask)
        }
        bypassOpen = Set(open.keys)
    }

    /// For the status.
    var policyJSON: JSONObject {
        var object = JSONObject()
        object.add("bypass_open", bypassOpen.map { $0 == .v4 ? "ipv4" : "ipv6" }.sorted())
        object.add("operator_items", operatorSets.applied)
        object.add("operator_skipped", operatorSets.problems.prefix(100).map { "\($0.item): \($0.reason)" })
        return object
    }

    private func bypassObjects(_ family: IPFamily, _ path: BypassPath) -> [KernelObject] {
        let kernel = settings.kernel
        let number = RouteProtocol(rawValue: kernel.routeProtocol)
        let table = kernel.table + 3
        var objects: [KernelObject] = [
            .route(RouteToDevice(.all(family), link: policy.dsl, gateway: path.gateway, table: table, protocol: number)),
            .element(SharedSet(PolicyTable.open), Element(.raw([family.protocolNumber]))),
        ]
        // Answers may come from where the main table would not look for them on this link.
        if family == .v4, self.family == .v6 { objects.append(.reversePathFilter(link: policy.dsl, .loose)) }
        for name in settings.lan {
            objects.append(
                .rule(
                    Rule(
                        family, priority: kernel.rulePriority + 9, .lookup(table: table), inputLink: name.description,
                        mark: .init(policy.mark(.bypass), mask: kernel.markMask), protocol: number)))
        }
        return objects
    }
}
