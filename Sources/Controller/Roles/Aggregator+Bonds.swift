import Addresses
import Configuration
import EventLog
import GREBonding
import Leases
import Logging
import NetlinkKit

// What the kernel has for each bond.
extension Aggregator {
    func apply(_ id: UInt32, _ bond: Bond?) {
        // What it was comes before what it becomes.
        if let former = takeover?.takeBond(id) { run(former) }
        tally.set(id, bond)
        guard let bond, let outer = outers[bond.aggregator.family], let sets = bondSets[bond.aggregator.family],
            let subscriber = subscribers[bond.client]
        else {
            leases?.remove(id)
            common.state.apply([], for: .bond(id))
            forgetLTE(of: id)
            lteRemembered[id] = nil
            if let number = numbers.number(of: id) { rounds.hasChanged(number) }
            numbers.release(id)
            watch.set(id, at: [], isNarrow: false, now: Clock.now())
            if let key = keys.removeValue(forKey: id) { common.queue.set(key, nil) }
            ledger.remove(id)
            return
        }
        let number = numbers.take(id)
        rounds.hasChanged(number)
        for leg in [LegID.primary, .secondary] where bond.legs[leg] == nil { ledger.stop(id, leg) }
        let device = "\(settings.tunnel.prefix)\(number)"
        let mtu = mtu(of: bond, id, subscriber)
        let policy = LegPolicy(settings.colour, subscriber.rates)
        let known = policy.committed(bond.committedInformationRate, settings.colour)
        let cir = known ?? Colouring.unknownRate
        let overhead = Int(Overhead.outer(outer.family, numbered: policy.numbersPackets) + (esp?.typical ?? 0)) + 14
        setLTERate(of: id, bond, cir, subscriber.rates.lteDownstream)
        var objects = BondObjects(
            outer: outer, sets: sets, device: device, canonicalRemote: BondNumbers.address(number, outer.family),
            mtu: mtu, alias: "spillway bond of \(bond.client)", receiveFrom: bond.legs, sendTo: bond.legs, sendFrom: [:],
            colouring: Colouring(
                policy.distribution(bond.distribution, isRateKnown: known != nil), table: outer,
                rate: cir.bytesPerSecond, burst: UInt32(clamping: settings.colour.burstBytes(cir: cir, mtu: mtu)),
                overhead: overhead, secondary: secondLeg(of: id, subscriber.rates.lteDownstream),
                secondaryOverhead: overhead, queues: settings.colour.overflow == .queue, policy: policy,
                pins: !settings.pins.isEmpty),
            numbersPackets: policy.numbersPackets
        ).objects(bond)
        var routes = subscriber.routes
        if let address = subscriber.address { routes.append(IPPrefix(host: .v4(address))) }
        if let address = subscriber.address6 { routes.append(IPPrefix(host: .v6(address))) }
        if let prefix = subscriber.prefix { routes.append(prefix) }
        let client = ClientIdentity(bond.client)
        if let client, let leases { routes += leases.resources(of: client).filter { !routes.contains($0) } }
        for prefix in routes {
            objects.append(
                .route(
                    RouteToDevice(
                        prefix, link: device, protocol: RouteProtocol(rawValue: settings.kernel.routeProtocol))))
        }
        common.state.apply(objects, for: .bond(id))
        let link = common.state.index(of: device)
        if let client, link != 0 {
            leases?.add(ServedBond(session: id, link: link, client: client, group: subscriber.pool ?? "", mtu: mtu))
        }
        keys[id] = bond.key
        described[id] = (bond.client, device)
        resequence(id)
    }

    func resequence(_ id: UInt32) {
        guard let bond = point.sessions[id]?.bond else { return }
        common.queue.set(
            bond.key,
            bond.legs.count > 1
                ? .init(settings.resequencer, expected: secondaryDelay(of: id).nanoseconds) : .passing)
    }

    /// Where the kernel counts for a session.
    func legCounters(of id: UInt32) -> LegCounters? {
        guard let bond = point.sessions[id]?.bond, let outer = outers[bond.aggregator.family],
            let number = numbers.number(of: id)
        else { return nil }
        return LegCounters(
            outer: outer, key: bond.key, receiveFrom: bond.legs,
            canonicalRemote: BondNumbers.address(number, outer.family))
    }

    /// What the kernel counted for a session, leg by leg.
    func traffic(of id: UInt32) -> [LegID: LegTraffic]? {
        guard let counters = legCounters(of: id) else { return nil }
        do {
            return try counters.read(common.state.tables)
        } catch {
            common.kernelLog(.warning, "no-counters", "\(error)", ["session": id])
            return nil
        }
    }

    func device(of id: UInt32) -> String? { numbers.number(of: id).map { "\(settings.tunnel.prefix)\($0)" } }

    /// Control messages lost because a socket was full.
    var controlDrops: UInt64 { sockets.reduce(0) { $0 + UInt64($1.drops) } }
}
