import Addresses
import Configuration
import NetlinkKit

extension KernelState {
    /// Removes the devices, rules, routes and IPsec objects that are known to be ours and are none of what was applied:
    /// at the start of a run that makes all anew that is all of them.
    func sweep(_ kernel: KernelConfiguration, _ requestIDs: ClosedRange<UInt32>) {
        let wanted = Array(applied.values.joined())
        var links: Set<String> = [], rules: Set<Rule> = []
        for object in wanted {
            switch object {
            case .link(let name, _): links.insert(name)
            case .rule(let rule): rules.insert(rule)
            default: break
            }
        }
        let left = ((try? route.links()) ?? []).filter {
            $0.alias?.hasPrefix("spillway ") == true && !links.contains($0.name)
        }
        for name in deleteLinks(left.map(\.name)) { remove(Link.delete(.name(name))) }
        let priorities = kernel.rulePriority..<kernel.rulePriority + 16
        let number = RouteProtocol(rawValue: kernel.routeProtocol)
        for family in IPFamily.allCases {
            for rule in (try? route.rules(family)) ?? []
            where rule.protocol == number && priorities.contains(rule.priority) && !rules.contains(rule) {
                remove(rule.delete())
            }
            for found in (try? route.routes(family, protocol: number)) ?? []
            where found.protocol == number && places.routes[.route(table: found.table, found.destination)] == nil {
                remove(found.delete())
            }
        }
        // Last: what is left of a bond must not send in the clear.
        security.sweep(requestIDs, keeping: wanted)
    }

    /// Of something that nobody wants: once more where the kernel refuses it.
    func remove(_ request: NetlinkKit.Request) {
        for _ in 0..<2 {
            do throws(KernelError) {
                try route.perform(request)
                return
            } catch {
                if !error.isAbsence { refuse(error) }
            }
        }
    }
}
