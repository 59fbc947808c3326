import Addresses

@testable import Leases

/// Clients of both families, each on a link of its own to a relay of each, which has one server of each behind it.
/// Packets are lost, doubled and overtaken on both sides of the relays. What must hold at every moment is checked then.
struct RelayedNetwork {
    struct Host {
        let identity: ClientIdentity
        var v4: DHCPv4Client
        var v6: DHCPv6Client
        var address: DHCPv4Lease?
        var delegation: DHCPv6Lease?
        /// Counts the link's lives: what was under way on an earlier one does not arrive.
        var link = 0
        /// What a server has taken back: until the client hears of it, it has what it may not use.
        var revoked: Set<IPPrefix> = []
    }

    private enum Hop {
        case toRelay(Int, link: Int)
        case toServer
        case fromServer
        case toClient(Int, link: Int)
    }

    private struct Packet {
        var time: LeaseTime
        var hop: Hop
        var isV6: Bool
        var bytes: [UInt8]
    }

    var now = at(1)
    var hosts: [Host] = []
    var server4: DHCPv4Server
    var server6: DHCPv6Server
    var relay4 = Sample.relay4()
    var relay6 = Sample.relay6()
    private var routes: [IPPrefix: ClientIdentity] = [:]
    private var file4: [String] = []
    private var file6: [String] = []
    private var packets: [Packet] = []
    var loss = 0
    var duplication = 0
    var jitter = 0.0
    var serversAreUp = true
    /// Of the wall clock, in nanoseconds.
    private var clockStep: Int64 = 0
    private(set) var problems: [String] = []
    private(set) var discarded: [DiscardReason: Int] = [:]
    private var random: SplitMix

    init(seed: UInt64, hosts: Int, leases4: LeaseTable.Settings, leases6: LeaseTable.Settings, leaseTime: UInt32) {
        random = SplitMix(state: seed)
        server4 = Sample.server4(leases4, leaseTime: leaseTime)
        server6 = Sample.server6(leases6, valid: leaseTime)
        for number in 0..<hosts {
            let v4 = Sample.client4(UInt8(number), seed: random.next())
            let v6 = Sample.client6(UInt8(number), seed: random.next(), rapid: number % 2 == 1)
            self.hosts.append(Host(identity: ClientIdentity("gateway \(number)")!, v4: v4, v6: v6))
        }
    }

    mutating func report(_ problem: String) {
        if problems.count < 5 { problems.append("at \(now.nanoseconds / 1_000_000) ms: \(problem)") }
    }

    private var wall: WallClock {
        var clock = clock(now)
        clock.unixNanoseconds += clockStep
        return clock
    }

    // MARK: Time

    mutating func run(for seconds: Double) {
        let end = now.adding(nanoseconds: Int64(seconds * 1e9))
        var steps = 0
        while problems.isEmpty {
            var times: [LeaseTime?] = hosts.map(\.v4.deadline) + hosts.map(\.v6.deadline)
            let packet = packets.indices.min { packets[$0].time < packets[$1].time }
            times += [server4.deadline, server6.deadline, relay4.deadline, relay6.deadline]
            times.append(packet.map { packets[$0].time })
            guard let due = times.compactMap({ $0 }).min(), due <= end else { break }
            steps += 1
            if steps > 200_000 { return report("no end of events") }
            now = max(now, due)
            if let packet, packets[packet].time <= now { deliver(packets.remove(at: packet)) } else { runTimers() }
            check()
        }
        now = end
    }

    private mutating func runTimers() {
        // A lease ends at its client first.
        for i in hosts.indices {
            if let deadline = hosts[i].v4.deadline, deadline <= now { give4(i, .timeout) }
            if let deadline = hosts[i].v6.deadline, deadline <= now { give6(i, .timeout) }
        }
        take(relay4.handle(.timeout, now: now), isV6: false)
        take(relay6.handle(.timeout, now: now), isV6: true)
        _ = server4.handle(.timeout, now: now)
        _ = server6.handle(.timeout, now: now)
    }

    // MARK: Messages

    private mutating func send(_ hop: Hop, _ bytes: [UInt8], isV6: Bool) {
        let copies = Int.random(in: 0..<100, using: &random) < duplication ? 2 : 1
        for _ in 0..<copies where Int.random(in: 0..<100, using: &random) >= loss {
            let delay = 0.01 + (jitter > 0 ? Double.random(in: 0...jitter, using: &random) : 0)
            packets.append(
                Packet(time: now.adding(nanoseconds: Int64(delay * 1e9)), hop: hop, isV6: isV6, bytes: bytes))
        }
    }

    private mutating func deliver(_ packet: Packet) {
        switch packet.hop {
        case .toRelay(let i, let link):
            guard link == hosts[i].link else { return }
            let identity = hosts[i].identity
            if packet.isV6 {
                let peer = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: UInt64(i + 1)))
                take(relay6.handle(.fromClient(packet.bytes, source: peer, identity), now: now), isV6: true)
            } else {
                take(relay4.handle(.fromClient(packet.bytes, source: .any(.v4), identity), now: now), isV6: false)
            }
        case .toServer:
            guard serversAreUp else { return }
            let datagram = RelayedDatagram(payload: packet.bytes, destination: .any(.v4), port: 67)
            let answers =
                packet.isV6 ? server6.answer(datagram, now: now).answers : server4.answer(datagram, now: now).answers
            for bytes in answers { send(.fromServer, bytes, isV6: packet.isV6) }
        case .fromServer:
            if packet.isV6 {
                take(relay6.handle(.fromServer(packet.bytes, source: .v6(Sample.serverAddress6)), now: now), isV6: true)
            } else {
                take(relay4.handle(.fromServer(packet.bytes, source: .v4(Sample.serverAddress)), now: now), isV6: false)
            }
        case .toClient(let i, let link):
            guard link == hosts[i].link else { return }
            if packet.isV6 {
                guard let message = try? DHCPv6Message(parsing: packet.bytes) else { return report("cannot be parsed") }
                give6(i, .message(message))
            } else {
                guard let message = try? DHCPv4Message(parsing: packet.bytes) else { return report("cannot be parsed") }
                give4(i, .message(message))
            }
        }
    }

    // MARK: Effects

    private mutating func give4(_ i: Int, _ input: DHCPv4Client.Input) {
        for effect in hosts[i].v4.handle(input, now: now) {
            switch effect {
            case .send(let request):
                send(.toRelay(i, link: hosts[i].link), request.message.serialized(), isV6: false)
            case .configure(let lease):
                hosts[i].address = lease
                if let lease { hosts[i].revoked.remove(lease.remembered.resource) }
            case .event: break
            }
        }
        if let deadline = hosts[i].v4.deadline, deadline < now { report("gateway \(i) spins") }
    }

    private mutating func give6(_ i: Int, _ input: DHCPv6Client.Input) {
        for effect in hosts[i].v6.handle(input, now: now) {
            switch effect {
            case .send(let request): send(.toRelay(i, link: hosts[i].link), request.serialized(), isV6: true)
            case .configure(let lease):
                hosts[i].delegation = lease
                for prefix in lease?.prefixes ?? [] where routes[prefix.prefix] == hosts[i].identity {
                    hosts[i].revoked.remove(prefix.prefix)
                }
            case .event: break
            }
        }
        if let deadline = hosts[i].v6.deadline, deadline < now { report("gateway \(i) spins") }
    }

    private mutating func take(_ effects: [RelayEffect], isV6: Bool) {
        for effect in effects {
            switch effect {
            case .forward(let datagram): send(.toServer, datagram.payload, isV6: isV6)
            case .send(let datagram, let client):
                guard let i = hosts.firstIndex(where: { $0.identity == client }) else { return report("to nobody") }
                send(.toClient(i, link: hosts[i].link), datagram.payload, isV6: isV6)
            case .addRoute(let prefix, let client):
                if let old = routes.updateValue(client, forKey: prefix) { report("\(prefix) was \(old)'s") }
            case .removeRoute(let prefix, let client):
                if routes.removeValue(forKey: prefix) != client { report("no route \(prefix) to \(client)") }
            case .event(let event):
                if isV6 { file6.append(event.line(wall)) } else { file4.append(event.line(wall)) }
                guard case .ended(let lease, .withdrawn) = event else { continue }
                if let i = hosts.firstIndex(where: { $0.identity == lease.client }) {
                    hosts[i].revoked.insert(lease.resource)
                }
            case .discarded(let reason, _): discarded[reason, default: 0] += 1
            }
        }
    }

    // MARK: What happens to machines

    mutating func start(_ i: Int) {
        hosts[i].link += 1
        give4(i, .start(remembered: nil))
        give6(i, .start(remembered: nil))
    }

    mutating func suspend(_ i: Int) {
        hosts[i].link += 1
        give4(i, .suspend)
        give6(i, .suspend)
    }

    mutating func stop(_ i: Int) {
        give4(i, .stop)
        give6(i, .stop)
    }

    /// The relay's process dies and comes back with its files.
    mutating func restartRelays(compacts: Bool) {
        if compacts { writeFiles() }
        routes = [:]
        relay4 = DHCPv4Relay(relay4.settings)
        relay6 = DHCPv6Relay(relay6.settings)
        let (effects4, rejected4) = relay4.load(file4, wall)
        let (effects6, rejected6) = relay6.load(file6, wall)
        if rejected4 + rejected6 != [] { report("lines rejected: \(rejected4), \(rejected6)") }
        take(effects4, isV6: false)
        take(effects6, isV6: true)
        check()
    }

    /// A running program writes its files anew when the wall clock was set.
    mutating func stepClock(by seconds: Int64) {
        clockStep += seconds * 1_000_000_000
        writeFiles()
    }

    private mutating func writeFiles() {
        file4 = relay4.lines(wall)
        file6 = relay6.lines(wall)
    }

    /// The operator takes back what the client has.
    mutating func withdraw(_ i: Int) {
        _ = server4.handle(.withdraw(hosts[i].identity), now: now)
        _ = server6.handle(.withdraw(hosts[i].identity), now: now)
    }

    // MARK: What must hold

    mutating func check() {
        var seen: Set<IPPrefix> = []
        for host in hosts {
            var had = host.address.map { [$0.remembered] } ?? []
            had += host.delegation?.prefixes.map { RememberedLease(resource: $0.prefix, expiry: $0.validUntil) } ?? []
            for one in had where one.expiry > now && !host.revoked.contains(one.resource) {
                if !seen.insert(one.resource).inserted { report("\(one.resource) is given to two") }
                if routes[one.resource] != host.identity {
                    report("\(host.identity) has \(one.resource), not the route")
                }
            }
        }
        let leases = relay4.leases + relay6.leases
        if leases.count != routes.count || leases.contains(where: { routes[$0.resource] != $0.client }) {
            report("leases \(leases), routes \(routes)")
        }
        if !relay4.table.isConsistent || !relay6.table.isConsistent { report("tables differ") }
        if !server4.book.table.isConsistent || !server6.book.table.isConsistent { report("tables of servers differ") }
    }

    /// When all is quiet: relays and servers agree.
    mutating func checkAgreement() {
        func owners(_ leases: [Lease]) -> [IPPrefix: ClientIdentity] {
            Dictionary(leases.map { ($0.resource, $0.client) }) { first, _ in first }
        }
        let (relayed, served) = (owners(relay4.leases + relay6.leases), owners(server4.leases + server6.leases))
        if relayed != served { report("relays have \(relayed), servers \(served)") }
    }
}
