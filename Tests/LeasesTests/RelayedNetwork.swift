import Addresses

@testable import Leases

/// Gateways with a relay of each family at the other end of their links, which has one server of each behind it. Routes
/// are the relays'.
final class RelayedNetwork: SimulatedNetwork {
    private var server4: DHCPv4Server
    private var server6: DHCPv6Server
    private var relay4 = Sample.relay4()
    private var relay6 = Sample.relay6()

    init(seed: UInt64, gateways: Int, _ leases: LeaseSettings, leaseTime: UInt32) {
        server4 = Sample.server4(leases.v4, leaseTime: leaseTime)
        server6 = Sample.server6(leases.v6, valid: leaseTime)
        super.init(seed: seed, gateways: gateways)
    }

    override var deadlines: [LeaseTime?] { [server4.deadline, server6.deadline, relay4.deadline, relay6.deadline] }

    override func runTimers() {
        take(relay4.handle(.timeout, now: now), isV6: false)
        take(relay6.handle(.timeout, now: now), isV6: true)
        _ = server4.handle(.timeout, now: now)
        _ = server6.handle(.timeout, now: now)
    }

    override func arrive(_ packet: Packet, from gateway: Int?) {
        if let gateway {
            let identity = gateways[gateway].identity
            let linkLocal = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: UInt64(gateway + 1)))
            give(.fromClient(packet.bytes, source: packet.isV6 ? linkLocal : .any(.v4), identity), isV6: packet.isV6)
        } else if case .fromServer = packet.hop {
            let source: IPAddress = packet.isV6 ? .v6(Sample.serverAddress6) : .v4(Sample.serverAddress)
            give(.fromServer(packet.bytes, source: source), isV6: packet.isV6)
        } else {
            let datagram = RelayedDatagram(payload: packet.bytes, destination: .any(.v4), port: 67)
            let answers =
                packet.isV6 ? server6.answer(datagram, now: now).answers : server4.answer(datagram, now: now).answers
            for bytes in answers { send(.fromServer, bytes, isV6: packet.isV6) }
        }
    }

    private func give(_ input: RelayInput, isV6: Bool) {
        take(isV6 ? relay6.handle(input, now: now) : relay4.handle(input, now: now), isV6: isV6)
    }

    private func take(_ effects: [RelayEffect], isV6: Bool) {
        for effect in effects {
            switch effect {
            case .forward(let datagram): send(.toServer, datagram.payload, isV6: isV6)
            case .send(let datagram, let client): send(datagram.payload, to: client, isV6: isV6)
            case .addRoute(let prefix, let client): addRoute(prefix, client)
            case .removeRoute(let prefix, let client): removeRoute(prefix, client)
            case .event(let event):
                if isV6 { files.v6.append(event.line(wall)) } else { files.v4.append(event.line(wall)) }
                guard case .ended(let lease, .withdrawn) = event else { continue }
                if let i = gateways.firstIndex(where: { $0.identity == lease.client }) {
                    gateways[i].revoked.insert(lease.resource)
                }
            case .discarded: break
            }
        }
    }

    override func withdraw(_ i: Int) {
        _ = server4.handle(.withdraw(gateways[i].identity), now: now)
        _ = server6.handle(.withdraw(gateways[i].identity), now: now)
    }

    override func reload() -> [Int] {
        relay4 = DHCPv4Relay(relay4.settings)
        relay6 = DHCPv6Relay(relay6.settings)
        let (effects4, rejected4) = relay4.load(files.v4, wall)
        let (effects6, rejected6) = relay6.load(files.v6, wall)
        take(effects4, isV6: false)
        take(effects6, isV6: true)
        return rejected4 + rejected6
    }

    override func writeFiles() { files = (relay4.lines(wall), relay6.lines(wall)) }

    override func check() {
        check(routed: relay4.leases + relay6.leases)
        if !relay4.table.isConsistent || !relay6.table.isConsistent { report("tables differ") }
        if !server4.book.table.isConsistent || !server6.book.table.isConsistent { report("tables of servers differ") }
    }

    /// Relays and servers agree.
    override func checkQuiet() {
        func owners(_ leases: [Lease]) -> [IPPrefix: ClientIdentity] {
            Dictionary(leases.map { ($0.resource, $0.client) }) { first, _ in first }
        }
        let (relayed, served) = (owners(relay4.leases + relay6.leases), owners(server4.leases + server6.leases))
        if relayed != served { report("relays have \(relayed), servers \(served)") }
    }

    override func checkEnd() {
        checkQuiet()
        if !relay4.leases.isEmpty || !relay6.leases.isEmpty { report("leases are left") }
    }
}
