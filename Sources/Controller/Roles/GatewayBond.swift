import Addresses
import Configuration
import GREBonding
import NFTables
import NetlinkKit

/// The gateway's kernel objects for its bond.
struct GatewayBond {
    var settings: HomeGatewayConfiguration
    var outer: OuterTable
    /// Bytes of an outer packet that reach the aggregator by each leg.
    var paths: [LegID: UInt32]

    private var device: String { settings.tunnel.name.description }
    private var number: RouteProtocol { RouteProtocol(rawValue: settings.kernel.routeProtocol) }

    /// Bytes of an inner packet: what fits the narrower leg.
    var mtu: UInt32 {
        switch settings.tunnel.mtu {
        case .bytes(let mtu): mtu
        case .automatic:
            PathMTU.inner(paths.values, outer: outer.family, carriesIPv6: settings.tunnel.address6 != nil)
        }
    }

    func objects(_ bond: Bond) -> [KernelObject] {
        let mtu = self.mtu
        let policy = LegPolicy(settings)
        let known = policy.committed(bond.committedInformationRate, settings.colour)
        let cir = known ?? Colouring.unknownRate
        let header = Int(Overhead.outer(outer.family, numbered: policy.numbersPackets))
        let objects = BondObjects(
            outer: outer, device: device, canonicalRemote: settings.kernel.canonical(outer.family).remote, mtu: mtu,
            alias: "spillway bond with \(bond.aggregator)",
            receiveFrom: bond.legs.mapValues { _ in bond.aggregator },
            sendTo: bond.legs.mapValues { _ in bond.aggregator }, sendFrom: bond.legs,
            colouring: Colouring(
                policy.distribution(bond.distribution, isRateKnown: known != nil), table: outer,
                rate: cir.bytesPerSecond, burst: UInt32(clamping: settings.colour.burstBytes(cir: cir, mtu: mtu)),
                overhead: header + settings.dsl.linkOverhead,
                secondaryRate: settings.lte.upstream?.bytesPerSecond ?? 0,
                secondaryOverhead: header + settings.lte.linkOverhead, queues: settings.colour.overflow == .queue,
                policy: policy), numbersPackets: policy.numbersPackets
        ).objects(bond)
        return objects
            + [
                .reversePathFilter(link: device, .loose), .ruleset(SegmentTable.fixed(mtu: mtu)),
                .element(outer.guarded, .init(outer.value(bond.aggregator))),
            ] + addresses() + lan()
    }

    private func addresses() -> [KernelObject] {
        [settings.tunnel.address, settings.tunnel.address6].compactMap { $0 }.map { .address(link: device, $0) }
    }

    /// The LAN's traffic, and what this host sends from the bond's own address, goes to the bond. What the main table
    /// knows better than by its default route stays where it is.
    private func lan() -> [KernelObject] {
        guard settings.tunnel.defaultRoute else { return [] }
        let table = settings.kernel.table
        let priority = settings.kernel.rulePriority + 8
        var objects: [KernelObject] = []
        for family in [IPFamily.v4, .v6] {
            let own = family == .v4 ? settings.tunnel.address : settings.tunnel.address6
            guard own != nil || (family == .v4 && !settings.tunnel.masquerade) else { continue }
            objects.append(.route(RouteToDevice(.all(family), link: device, table: table, protocol: number)))
            for name in settings.lan {
                var better = Rule(
                    family, priority: priority, .lookup(table: Route.mainTable), inputLink: name.description, protocol: number)
                better.suppressPrefixLength = 0
                objects.append(.rule(better))
                objects.append(
                    .rule(
                        Rule(
                            family, priority: priority + 1, .lookup(table: table), inputLink: name.description,
                            protocol: number)))
            }
            if let own {
                objects.append(
                    .rule(
                        Rule(
                            family, priority: priority + 1, .lookup(table: table), from: IPPrefix(host: own.address),
                            protocol: number)))
            }
        }
        return objects
    }
}

extension Bond.Distribution {
    var first: Self {
        switch self {
        case .only: self
        case .overflow(let first, _): .only(first)
        }
    }
}
