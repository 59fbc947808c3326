import Addresses
import TestSupport

@testable import Leases

/// Gateways with a client of each family, each on a link of its own to what serves them, on a virtual clock. Everything
/// is seeded, and every message goes over the wire as bytes; packets are lost, doubled and overtaken. What must hold at
/// every moment is checked then. Who serves is a subclass's: ``ServedNetwork``, ``RelayedNetwork``.
class SimulatedNetwork {
    struct Gateway {
        let identity: ClientIdentity
        var v4: DHCPv4Client
        var v6: DHCPv6Client
        var address: DHCPv4Lease?
        var delegation: DHCPv6Lease?
        /// Counts the link's lives: what was under way on an earlier one does not arrive.
        var link = 0
        /// What the operator has taken back: until its client hears of it, it has what it may not use.
        var revoked: Set<IPPrefix> = []
        /// What it would find in its files.
        var saved4: String?
        var saved6: String?
    }

    enum Hop {
        case fromGateway(Int, link: Int)
        case toGateway(Int, link: Int)
        case toServer
        case fromServer
    }

    struct Packet {
        var time: LeaseTime
        var hop: Hop
        var isV6: Bool
        var bytes: [UInt8]
    }

    private(set) var now = at(1)
    var gateways: [Gateway] = []
    /// As what serves has them, by the effects that it had.
    private(set) var routes: [IPPrefix: ClientIdentity] = [:]
    /// Lease files: lines of a snapshot and of what came later.
    var files: (v4: [String], v6: [String]) = ([], [])
    private(set) var packets: [Packet] = []
    var loss = 0
    var duplication = 0
    var jitter = 0.0
    var serversAreUp = true
    private(set) var problems: [String] = []
    private var random: SplitMix
    /// Of the wall clock, in nanoseconds.
    private var clockStep: Int64 = 0

    init(seed: UInt64, gateways count: Int) {
        random = SplitMix(state: seed)
        for number in 0..<count {
            let v4 = Sample.client4(UInt8(number), seed: random.next())
            let v6 = Sample.client6(UInt8(number), seed: random.next(), rapid: number % 2 == 1)
            gateways.append(Gateway(identity: ClientIdentity("gateway \(number)")!, v4: v4, v6: v6))
        }
    }

    func report(_ problem: String) {
        if problems.count < 5 { problems.append("at \(now.nanoseconds / 1_000_000) ms: \(problem)") }
    }

    var wall: WallClock {
        var clock = clock(now)
        clock.unixNanoseconds += clockStep
        return clock
    }

    // MARK: Who serves

    var deadlines: [LeaseTime?] { [] }
    func runTimers() {}
    func arrive(_ packet: Packet, from gateway: Int?) {}
    /// The operator takes back what the gateway has.
    func withdraw(_ i: Int) {}
    /// The process that has the routes dies and comes back with its files.
    /// - Returns: numbers of lines that it did not take
    func reload() -> [Int] { [] }
    func writeFiles() {}
    func check() {}
    /// When nothing is under way and nobody is waiting.
    func checkQuiet() {}
    /// When all gateways have given back what they had.
    func checkEnd() {}

    // MARK: Time

    func run(for seconds: Double) {
        let end = now.adding(nanoseconds: Int64(seconds * 1e9))
        var steps = 0
        while problems.isEmpty {
            let packet = packets.indices.min { packets[$0].time < packets[$1].time }
            let times = gateways.map(\.v4.deadline) + gateways.map(\.v6.deadline) + deadlines
            let due = (times + [packet.map { packets[$0].time }]).compactMap { $0 }.min()
            guard let due, due <= end else { break }
            steps += 1
            if steps > 200_000 { return report("no end of events") }
            now = max(now, due)
            if let packet, packets[packet].time <= now {
                deliver(packets.remove(at: packet))
            } else {
                // A lease ends at its client first.
                for i in gateways.indices {
                    if let deadline = gateways[i].v4.deadline, deadline <= now { give4(i, .timeout) }
                    if let deadline = gateways[i].v6.deadline, deadline <= now { give6(i, .timeout) }
                }
                runTimers()
            }
            check()
        }
        now = end
    }

    // MARK: Messages

    final func send(_ hop: Hop, _ bytes: [UInt8], isV6: Bool) {
        let copies = Int.random(in: 0..<100, using: &random) < duplication ? 2 : 1
        for _ in 0..<copies where Int.random(in: 0..<100, using: &random) >= loss {
            let delay = 0.01 + (jitter > 0 ? Double.random(in: 0...jitter, using: &random) : 0)
            let time = now.adding(nanoseconds: Int64(delay * 1e9))
            packets.append(Packet(time: time, hop: hop, isV6: isV6, bytes: bytes))
        }
    }

    final func send(_ bytes: [UInt8], to client: ClientIdentity, isV6: Bool) {
        guard let i = gateways.firstIndex(where: { $0.identity == client }) else { return report("to nobody") }
        send(.toGateway(i, link: gateways[i].link), bytes, isV6: isV6)
    }

    private func deliver(_ packet: Packet) {
        switch packet.hop {
        case .fromGateway(let i, let link): if link == gateways[i].link { arrive(packet, from: i) }
        case .toServer: if serversAreUp { arrive(packet, from: nil) }
        case .fromServer: arrive(packet, from: nil)
        case .toGateway(let i, let link):
            guard link == gateways[i].link else { return }
            if packet.isV6, let message = try? DHCPv6Message(parsing: packet.bytes) {
                give6(i, .message(message))
            } else if !packet.isV6, let message = try? DHCPv4Message(parsing: packet.bytes) {
                give4(i, .message(message))
            } else {
                report("cannot be parsed: \(packet.bytes)")
            }
        }
    }

    // MARK: Effects

    private func give4(_ i: Int, _ input: DHCPv4Client.Input) {
        for effect in gateways[i].v4.handle(input, now: now) {
            switch effect {
            case .send(let request):
                send(.fromGateway(i, link: gateways[i].link), request.message.serialized(), isV6: false)
            case .configure(let lease):
                gateways[i].address = lease
                guard let lease else { continue }
                accept(lease.remembered.resource, i)
                gateways[i].saved4 = lease.remembered.line(wall)
            case .event: break
            }
        }
        if let deadline = gateways[i].v4.deadline, deadline < now { report("gateway \(i) spins") }
    }

    private func give6(_ i: Int, _ input: DHCPv6Client.Input) {
        for effect in gateways[i].v6.handle(input, now: now) {
            switch effect {
            case .send(let request): send(.fromGateway(i, link: gateways[i].link), request.serialized(), isV6: true)
            case .configure(let lease):
                gateways[i].delegation = lease
                guard let lease else { continue }
                for prefix in lease.prefixes { accept(prefix.prefix, i) }
                gateways[i].saved6 = lease.remembered.line(wall)
            case .event: break
            }
        }
        if let deadline = gateways[i].v6.deadline, deadline < now { report("gateway \(i) spins") }
    }

    /// An answer that was under way when the operator took it back gives nothing.
    private func accept(_ resource: IPPrefix, _ i: Int) {
        if routes[resource] == gateways[i].identity { gateways[i].revoked.remove(resource) }
    }

    final func addRoute(_ prefix: IPPrefix, _ client: ClientIdentity) {
        if let old = routes.updateValue(client, forKey: prefix) { report("\(prefix) to \(client), was to \(old)") }
    }

    final func removeRoute(_ prefix: IPPrefix, _ client: ClientIdentity) {
        if routes.removeValue(forKey: prefix) != client { report("no route \(prefix) to \(client)") }
    }

    // MARK: What happens to machines

    func start(_ i: Int) {
        gateways[i].link += 1
        give4(i, .start(remembered: nil))
        give6(i, .start(remembered: nil))
    }

    func suspend(_ i: Int) {
        gateways[i].link += 1
        give4(i, .suspend)
        give6(i, .suspend)
    }

    /// The process dies and comes back, with its lease files or without.
    func restart(_ i: Int, seed: UInt64, remembers: Bool) {
        gateways[i].link += 1
        gateways[i].address = nil
        gateways[i].delegation = nil
        gateways[i].v4 = Sample.client4(UInt8(i), seed: seed)
        gateways[i].v6 = Sample.client6(UInt8(i), seed: seed &+ 1, rapid: i % 2 == 1)
        let (line4, line6) = remembers ? (gateways[i].saved4, gateways[i].saved6) : (nil, nil)
        give4(i, .start(remembered: line4.flatMap { RememberedLease(line: $0, wall) }))
        give6(i, .start(remembered: line6.flatMap { RememberedLease(line: $0, wall) }))
    }

    func stop(_ i: Int) {
        give4(i, .stop)
        give6(i, .stop)
    }

    /// - Parameter compacts: it has written its files anew just before
    func restartServing(compacts: Bool) {
        if compacts { writeFiles() }
        routes = [:]
        let rejected = reload()
        if !rejected.isEmpty { report("lines rejected: \(rejected)") }
        check()
    }

    /// A running program writes its files anew when the wall clock was set.
    func stepClock(by seconds: Int64) {
        clockStep += seconds * 1_000_000_000
        writeFiles()
    }

    // MARK: What must hold

    /// What gateways may use now, with whom it belongs to. A lease that ended may still wait for its timer.
    var used: [(client: ClientIdentity, lease: RememberedLease)] {
        gateways.flatMap { gateway in
            var had = gateway.address.map { [$0.remembered] } ?? []
            had += gateway.delegation?.prefixes.map { .init(resource: $0.prefix, expiry: $0.validUntil) } ?? []
            return had.filter { $0.expiry > now && !gateway.revoked.contains($0.resource) }
                .map { (gateway.identity, $0) }
        }
    }

    /// Nobody has what another has or is routed to another, and routes are what is leased.
    final func check(routed leases: [Lease]) {
        var seen: Set<IPPrefix> = []
        for (client, lease) in used {
            if !seen.insert(lease.resource).inserted { report("\(lease.resource) is given to two") }
            if routes[lease.resource] != client { report("\(client) has \(lease.resource), not the route") }
        }
        if leases.count != routes.count || leases.contains(where: { routes[$0.resource] != $0.client }) {
            report("leases \(leases), routes \(routes)")
        }
    }

    var served: (v4: Int, v6: Int) {
        (gateways.count { $0.address != nil }, gateways.count { $0.delegation != nil })
    }
}
