import Addresses

@testable import Leases

/// Clients of both families, each on a link of its own to one server of each, on a virtual clock. Everything is seeded,
/// and every message goes over the wire as bytes. What must hold at every moment is checked at every moment.
struct Network {
    struct Host {
        let identity: ClientIdentity
        var v4: DHCPv4Client
        var v6: DHCPv6Client
        var address: DHCPv4Lease?
        var delegation: DHCPv6Lease?
        /// Counts the link's lives: what was under way on an earlier one does not arrive.
        var link = 0
        /// What the operator has taken back: until its client hears of it, it has what it may not use.
        var revoked: Set<IPPrefix> = []
        var saved4: String?
        var saved6: String?
    }

    enum Payload {
        case v4([UInt8])
        case v6([UInt8])
    }

    struct Packet {
        var time: LeaseTime
        var host: Int
        var link: Int
        var toServer: Bool
        var payload: Payload
    }

    var now = at(1)
    var hosts: [Host]
    var server4: DHCPv4Server
    var server6: DHCPv6Server
    var routes: [IPPrefix: ClientIdentity] = [:]
    /// Lease files: lines of a snapshot and of what came later.
    var file4: [String] = []
    var file6: [String] = []
    var packets: [Packet] = []
    var loss = 0
    var duplication = 0
    var jitter = 0.0
    var serversAreUp = true
    /// Of the servers' wall clock, in nanoseconds.
    private var clockStep: Int64 = 0
    private(set) var problems: [String] = []
    private var random: SplitMix

    init(seed: UInt64, hosts: Int, leases4: LeaseTable.Settings, leases6: LeaseTable.Settings, leaseTime: UInt32) {
        random = SplitMix(state: seed)
        self.hosts = []
        for number in 0..<hosts {
            let v4 = Sample.client4(UInt8(number), seed: random.next())
            let v6 = Sample.client6(UInt8(number), seed: random.next(), rapid: number % 2 == 1)
            self.hosts.append(Host(identity: ClientIdentity("gateway \(number)")!, v4: v4, v6: v6))
        }
        server4 = Sample.server4(leases4, leaseTime: leaseTime)
        server6 = Sample.server6(leases6, valid: leaseTime)
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
            times += [server4.deadline, server6.deadline, packet.map { packets[$0].time }]
            let due = times.compactMap { $0 }.min()
            guard let due, due <= end else { break }
            steps += 1
            if steps > 200_000 { return report("no end of events") }
            now = max(now, due)
            if let packet, packets[packet].time <= now {
                deliver(packets.remove(at: packet))
            } else {
                runTimers()
            }
            check()
        }
        now = end
    }

    private mutating func runTimers() {
        for i in hosts.indices {
            if let deadline = hosts[i].v4.deadline, deadline <= now { give4(i, .timeout) }
            if let deadline = hosts[i].v6.deadline, deadline <= now { give6(i, .timeout) }
        }
        if let deadline = server4.deadline, deadline <= now { take4(server4.handle(.timeout, now: now)) }
        if let deadline = server6.deadline, deadline <= now { take6(server6.handle(.timeout, now: now)) }
    }

    // MARK: Messages

    private mutating func send(_ host: Int, toServer: Bool, _ payload: Payload) {
        let copies = Int.random(in: 0..<100, using: &random) < duplication ? 2 : 1
        for _ in 0..<copies where Int.random(in: 0..<100, using: &random) >= loss {
            let delay = 0.01 + (jitter > 0 ? Double.random(in: 0...jitter, using: &random) : 0)
            packets.append(
                Packet(
                    time: now.adding(nanoseconds: Int64(delay * 1e9)), host: host, link: hosts[host].link,
                    toServer: toServer, payload: payload))
        }
    }

    private mutating func deliver(_ packet: Packet) {
        guard packet.link == hosts[packet.host].link else { return }
        let identity = hosts[packet.host].identity
        switch packet.payload {
        case .v4(let bytes):
            guard let message = try? DHCPv4Message(parsing: bytes) else { return report("cannot be parsed: \(bytes)") }
            if !packet.toServer {
                give4(packet.host, .message(message))
            } else if serversAreUp {
                take4(server4.handle(.message(message, from: identity, group: "a"), now: now))
            }
        case .v6(let bytes):
            guard let message = try? DHCPv6Message(parsing: bytes) else { return report("cannot be parsed: \(bytes)") }
            if !packet.toServer {
                give6(packet.host, .message(message))
            } else if serversAreUp {
                take6(server6.handle(.message(message, from: identity, group: "a"), now: now))
            }
        }
    }

    // MARK: Effects

    mutating func give4(_ i: Int, _ input: DHCPv4Client.Input) {
        for effect in hosts[i].v4.handle(input, now: now) {
            switch effect {
            case .send(let request): send(i, toServer: true, .v4(request.message.serialized()))
            case .configure(let lease):
                hosts[i].address = lease
                if let lease { hosts[i].revoked.remove(lease.remembered.resource) }
                if let lease { hosts[i].saved4 = lease.remembered.line(wall) }
            case .event: break
            }
        }
        if let deadline = hosts[i].v4.deadline, deadline < now { report("gateway \(i) spins") }
    }

    mutating func give6(_ i: Int, _ input: DHCPv6Client.Input) {
        for effect in hosts[i].v6.handle(input, now: now) {
            switch effect {
            case .send(let request): send(i, toServer: true, .v6(request.serialized()))
            case .configure(let lease):
                hosts[i].delegation = lease
                let identity = hosts[i].identity
                for prefix in lease?.prefixes ?? [] where server6.lease(of: identity)?.resource == prefix.prefix {
                    hosts[i].revoked.remove(prefix.prefix)
                }
                if let lease { hosts[i].saved6 = lease.remembered.line(wall) }
            case .event: break
            }
        }
        if let deadline = hosts[i].v6.deadline, deadline < now { report("gateway \(i) spins") }
    }

    private mutating func host(_ identity: ClientIdentity) -> Int { hosts.firstIndex { $0.identity == identity } ?? 0 }

    private mutating func take4(_ effects: [DHCPv4Server.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let answer, let client):
                send(host(client), toServer: false, .v4(answer.message.serialized(maximumLength: answer.maximumLength)))
            case .addRoute(let prefix, let client): addRoute(prefix, client)
            case .removeRoute(let prefix, let client): removeRoute(prefix, client)
            case .event(let event): file4.append(event.line(wall))
            case .discarded: break
            }
        }
    }

    private mutating func take6(_ effects: [DHCPv6Server.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let answer, let client): send(host(client), toServer: false, .v6(answer.serialized()))
            case .addRoute(let prefix, let client): addRoute(prefix, client)
            case .removeRoute(let prefix, let client): removeRoute(prefix, client)
            case .event(let event): file6.append(event.line(wall))
            case .discarded: break
            }
        }
    }

    private mutating func addRoute(_ prefix: IPPrefix, _ client: ClientIdentity) {
        if let old = routes.updateValue(client, forKey: prefix) { report("\(prefix) to \(client), was to \(old)") }
    }

    private mutating func removeRoute(_ prefix: IPPrefix, _ client: ClientIdentity) {
        if routes.removeValue(forKey: prefix) != client { report("no route \(prefix) to \(client)") }
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

    /// The process dies and comes back, with its lease files or without.
    mutating func restart(_ i: Int, seed: UInt64, remembers: Bool) {
        hosts[i].link += 1
        hosts[i].address = nil
        hosts[i].delegation = nil
        hosts[i].v4 = Sample.client4(UInt8(i), seed: seed)
        hosts[i].v6 = Sample.client6(UInt8(i), seed: seed &+ 1, rapid: i % 2 == 1)
        let (line4, line6) = remembers ? (hosts[i].saved4, hosts[i].saved6) : (nil, nil)
        give4(i, .start(remembered: line4.flatMap { RememberedLease(line: $0, wall) }))
        give6(i, .start(remembered: line6.flatMap { RememberedLease(line: $0, wall) }))
    }

    mutating func stop(_ i: Int) {
        give4(i, .stop)
        give6(i, .stop)
    }

    mutating func restartServers(compacts: Bool) {
        if compacts {
            file4 = server4.lines(wall)
            file6 = server6.lines(wall)
        }
        routes = [:]
        server4 = DHCPv4Server(server4.settings)
        server6 = DHCPv6Server(server6.settings)
        let (effects4, rejected4) = server4.load(file4, wall)
        let (effects6, rejected6) = server6.load(file6, wall)
        if rejected4 + rejected6 != [] { report("lines rejected: \(rejected4), \(rejected6)") }
        take4(effects4)
        take6(effects6)
        check()
    }

    /// A running program writes its files anew when the wall clock was set.
    mutating func stepClock(by seconds: Int64) {
        clockStep += seconds * 1_000_000_000
        file4 = server4.lines(wall)
        file6 = server6.lines(wall)
    }

    /// The operator takes back what the client has.
    mutating func withdraw(_ i: Int) {
        let identity = hosts[i].identity
        let leases = [server4.lease(of: identity), server6.lease(of: identity)].compactMap { $0?.resource }
        hosts[i].revoked.formUnion(leases)
        take4(server4.handle(.withdraw(identity), now: now))
        take6(server6.handle(.withdraw(identity), now: now))
    }

    // MARK: What must hold

    mutating func check() {
        var seen: Set<IPPrefix> = []
        for host in hosts {
            if let lease = host.address, !host.revoked.contains(lease.remembered.resource) {
                check(host.identity, lease.remembered, server4.lease(of: host.identity))
                if !seen.insert(lease.remembered.resource).inserted { report("\(lease.address) is given to two") }
            }
            for prefix in host.delegation?.prefixes ?? [] where !host.revoked.contains(prefix.prefix) {
                let had = RememberedLease(resource: prefix.prefix, expiry: prefix.validUntil)
                check(host.identity, had, server6.lease(of: host.identity))
                if !seen.insert(prefix.prefix).inserted { report("\(prefix.prefix) is given to two") }
            }
        }
        let leases = server4.leases + server6.leases
        if leases.count != routes.count || leases.contains(where: { routes[$0.resource] != $0.client }) {
            report("leases \(leases), routes \(routes)")
        }
        if !server4.book.table.isConsistent || !server6.book.table.isConsistent { report("tables differ") }
    }

    private mutating func check(_ client: ClientIdentity, _ had: RememberedLease, _ lease: Lease?) {
        // A lease that ended by now may still wait for its timer, at either end.
        guard had.expiry > now else { return }
        guard let lease, lease.resource == had.resource, lease.expiry >= had.expiry else {
            return report("\(client) has \(had), the server \(String(describing: lease))")
        }
    }
}
