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
    var inner: InnerAddresses
    var secondary = SecondLeg()

    private var esp: ESPOverhead? { ESPOverhead(settings.ipsec) }
    private var device: String { settings.tunnel.name.description }
    private var number: RouteProtocol { RouteProtocol(rawValue: settings.kernel.routeProtocol) }

    /// Bytes of an inner packet: what fits the narrower leg, and no more than the aggregator says.
    var mtu: UInt32 {
        let carriesIPv6 = settings.tunnel.address6 != nil || settings.tunnel.dhcp6
        let own =
            switch settings.tunnel.mtu {
            case .bytes(let mtu): mtu
            case .automatic: PathMTU.inner(paths.values, outer: outer.family, carriesIPv6: carriesIPv6, esp: esp)
            }
        return min(own, inner.mtu ?? own)
    }

    func objects(_ bond: Bond) -> [KernelObject] {
        let mtu = self.mtu
        let policy = LegPolicy(settings)
        let known = policy.committed(bond.committedInformationRate, settings.colour)
        let cir = known ?? Colouring.unknownRate
        let header = Int(Overhead.outer(outer.family, numbered: policy.numbersPackets) + (esp?.typical ?? 0))
        let sets = outer.bondSets()
        let objects = BondObjects(
            outer: outer, sets: sets, device: device,
            canonicalRemote: settings.kernel.canonical(outer.family).remote, mtu: mtu,
            alias: "spillway bond with \(bond.aggregator)",
            receiveFrom: bond.legs.mapValues { _ in bond.aggregator },
            sendTo: bond.legs.mapValues { _ in bond.aggregator }, sendFrom: bond.legs,
            colouring: Colouring(
                policy.distribution(bond.distribution, isRateKnown: known != nil), table: outer,
                rate: cir.bytesPerSecond, burst: UInt32(clamping: settings.colour.burstBytes(cir: cir, mtu: mtu)),
                overhead: header + settings.dsl.linkOverhead, secondary: secondary,
                secondaryOverhead: header + settings.lte.linkOverhead, queues: settings.colour.overflow == .queue,
                policy: policy, pins: !settings.pins.isEmpty), numbersPackets: policy.numbersPackets
        ).objects(bond)
        return objects
            + [
                .reversePathFilter(link: device, .loose), .ruleset(SegmentTable.fixed(mtu: mtu)),
                .element(sets.guarded, .init(outer.value(bond.aggregator))),
            ] + addresses() + lan()
    }

    private func addresses() -> [KernelObject] {
        var objects: [KernelObject] = [inner.ipv4, inner.ipv6].compactMap { $0 }.map { .address(link: device, $0) }
        if settings.tunnel.dhcp { objects.append(.ruleset(HomeGateway.answerTable(device))) }
        if settings.tunnel.masquerade, case .v4(let address)? = inner.ipv4?.address {
            objects.append(.ruleset(translation(to: address)))
        }
        return objects
    }

    /// Source translation of the LAN's IPv4, so that one address of the subscriber's is all the operator sees. Where it
    /// is leased the kernel ends translations with the address.
    private func translation(to address: IPv4Address) -> Ruleset {
        var set = Ruleset(Table(.ip, "spillway_nat", comment: "spillway: the LAN behind the bond's address"))
        set.chains = [Chain(set.table.id, "translate", hook: Hook(.nat, .postrouting, .sourceNat))]
        set.rules = [
            ChainRule(
                set.table.id, "translate", .match(.outputInterfaceName, .equal(.interfaceName(device))),
                .match(.ipSaddr, .notEqual(.ipv4(address))),
                settings.tunnel.dhcp ? .masquerade : .snat(to: .ipv4(address)))
        ]
        return set
    }

    /// The LAN's traffic, and what this host sends from the bond's own address, goes to the bond. What the main table
    /// knows better than by its default route stays where it is.
    private func lan() -> [KernelObject] {
        guard settings.tunnel.defaultRoute else { return [] }
        let table = settings.kernel.table
        let priority = settings.kernel.rulePriority + 8
        var objects: [KernelObject] = []
        for family in [IPFamily.v4, .v6] {
            let sources = inner.sources(family)
            guard !sources.isEmpty || (family == .v4 && !settings.tunnel.masquerade) else { continue }
            objects.append(.route(RouteToDevice(.all(family), link: device, table: table, protocol: number)))
            var better = Rule(family, priority: priority, .lookup(table: Route.mainTable), protocol: number)
            better.suppressPrefixLength = 0
            var bonded = Rule(family, priority: priority + 2, .lookup(table: table), protocol: number)
            for name in settings.lan {
                better.inputLink = name.description
                bonded.inputLink = name.description
                objects += [.rule(better), .rule(bonded)]
            }
            (better.inputLink, bonded.inputLink) = (nil, nil)
            for source in sources {
                better.source = source
                bonded.source = source
                objects += [.rule(better), .rule(bonded)]
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
