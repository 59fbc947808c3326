import Addresses
import Configuration
import GREBonding

// How much the paths to gateways take.
extension Aggregator {
    /// Bytes of an inner packet that reach the gateway by each of its legs.
    func mtu(of bond: Bond, _ id: UInt32, _ subscriber: SubscriberConfiguration) -> UInt32 {
        // Errors for what was protected do not come to the sockets of control messages.
        var isNarrow = ipsec != nil
        let paths = bond.legs.values.map { address in
            let known =
                PathMTU.read(common.state.route, to: address, from: bond.aggregator, &deviceMTUs) ?? subscriber.pathMTU
            if known < subscriber.pathMTU { isNarrow = true }
            return min(known, subscriber.pathMTU)
        }
        watch.set(id, at: Array(bond.legs.values), isNarrow: isNarrow, now: Clock.now())
        let carriesIPv6 = subscriber.address6 != nil || subscriber.prefix != nil || !settings.relay.servers6.isEmpty
            || settings.pools.contains { $0.name == subscriber.pool && !$0.prefixes.isEmpty }
            || subscriber.routes.contains { $0.address.family == .v6 }
        return switch settings.tunnel.mtu {
        case .bytes(let mtu): mtu
        case .automatic: PathMTU.inner(paths, outer: bond.aggregator.family, carriesIPv6: carriesIPv6, esp: esp)
        }
    }

    /// Where it is time: the kernel forgets silently what it was told, and routers tell it anew.
    func readPaths(_ now: Instant) {
        for id in watch.takeDue(now) { apply(id, point.sessions[id]?.bond) }
    }
}
