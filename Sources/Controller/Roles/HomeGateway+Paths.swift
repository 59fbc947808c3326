import Configuration
import GREBonding
import NetlinkKit

// How much the paths of the legs take.
extension HomeGateway {
    /// Reads the paths anew; what is learned from routers lives in the kernel's routes to the aggregator.
    func readPaths(_ bond: Bond) {
        paths = [:]
        pathsReadAt = Clock.now()
        var devices: [UInt32: UInt32] = [:]
        for (id, address) in bond.legs {
            guard let wan = wans[id] else { continue }
            let known = PathMTU.read(common.state.route, to: bond.aggregator, from: address, link: wan.index, &devices)
            paths[id] = min(known ?? wan.mtu, wan.mtu)
        }
    }

    /// After an ICMP error for a leg's packet; and now and then while a path is narrower than its link, because the
    /// kernel forgets silently what it was told.
    func pathsMayHaveChanged() {
        arePathsDoubted = false
        applyBond(session.bond)
    }

    /// When paths are to be read again; nil: all take what their links take. Errors for what was protected do not come
    /// to the socket of control messages. Anybody can send such errors: they cost a look each 100 ms at most.
    var wantsPathsAt: Instant? {
        if arePathsDoubted, let pathsReadAt { return pathsReadAt + PathWatch.pause }
        guard let pathsReadAt, ipsec != nil || paths.contains(where: { $0.value != wans[$0.key]?.mtu }) else {
            return nil
        }
        return pathsReadAt + PathWatch.interval
    }
}
