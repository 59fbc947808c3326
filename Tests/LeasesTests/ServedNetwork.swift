import Addresses

@testable import Leases

/// Gateways with a server of each family at the other end of their links.
final class ServedNetwork: SimulatedNetwork {
    private var server4: DHCPv4Server
    private var server6: DHCPv6Server

    init(seed: UInt64, gateways: Int, _ leases: LeaseSettings, leaseTime: UInt32) {
        server4 = Sample.server4(leases.v4, leaseTime: leaseTime)
        server6 = Sample.server6(leases.v6, valid: leaseTime)
        super.init(seed: seed, gateways: gateways)
    }

    override var deadlines: [LeaseTime?] { [server4.deadline, server6.deadline] }

    override func runTimers() {
        if let deadline = server4.deadline, deadline <= now { take(server4.handle(.timeout, now: now)) }
        if let deadline = server6.deadline, deadline <= now { take(server6.handle(.timeout, now: now)) }
    }

    override func arrive(_ packet: Packet, from gateway: Int?) {
        guard let gateway, serversAreUp else { return }
        let identity = gateways[gateway].identity
        if packet.isV6, let message = try? DHCPv6Message(parsing: packet.bytes) {
            take(server6.handle(.message(message, from: identity, group: "a"), now: now))
        } else if !packet.isV6, let message = try? DHCPv4Message(parsing: packet.bytes) {
            take(server4.handle(.message(message, from: identity, group: "a"), now: now))
        } else {
            report("cannot be parsed: \(packet.bytes)")
        }
    }

    private func take(_ effects: [DHCPv4Server.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let answer, let client):
                send(answer.message.serialized(maximumLength: answer.maximumLength), to: client, isV6: false)
            case .addRoute(let prefix, let client): addRoute(prefix, client)
            case .removeRoute(let prefix, let client): removeRoute(prefix, client)
            case .event(let event): files.v4.append(event.line(wall))
            case .discarded: break
            }
        }
    }

    private func take(_ effects: [DHCPv6Server.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let answer, let client): send(answer.serialized(), to: client, isV6: true)
            case .addRoute(let prefix, let client): addRoute(prefix, client)
            case .removeRoute(let prefix, let client): removeRoute(prefix, client)
            case .event(let event): files.v6.append(event.line(wall))
            case .discarded: break
            }
        }
    }

    override func withdraw(_ i: Int) {
        let identity = gateways[i].identity
        let leases = [server4.lease(of: identity), server6.lease(of: identity)].compactMap { $0?.resource }
        gateways[i].revoked.formUnion(leases)
        take(server4.handle(.withdraw(identity), now: now))
        take(server6.handle(.withdraw(identity), now: now))
    }

    override func reload() -> [Int] {
        server4 = DHCPv4Server(server4.settings)
        server6 = DHCPv6Server(server6.settings)
        let (effects4, rejected4) = server4.load(files.v4, wall)
        let (effects6, rejected6) = server6.load(files.v6, wall)
        take(effects4)
        take(effects6)
        return rejected4 + rejected6
    }

    override func writeFiles() { files = (server4.lines(wall), server6.lines(wall)) }

    override func check() {
        check(routed: server4.leases + server6.leases)
        for (client, had) in used {
            let lease = had.resource.address.family == .v4 ? server4.lease(of: client) : server6.lease(of: client)
            guard let lease, lease.resource == had.resource, lease.expiry >= had.expiry else {
                return report("\(client) has \(had), the server \(String(describing: lease))")
            }
        }
        if !server4.book.table.isConsistent || !server6.book.table.isConsistent { report("tables differ") }
    }

    override func checkQuiet() {
        if (server4.leases.count, server6.leases.count) != served { report("more leases than are used") }
    }

    override func checkEnd() {
        if !routes.isEmpty || !packets.isEmpty { report("left: \(routes)") }
    }
}
