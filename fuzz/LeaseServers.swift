import Addresses
import ProtocolSupport

@testable import Leases

// Servers and relays of leases, driven by three clients that do what they like. Whatever one of them says, nobody
// else's lease begins, ends or changes.

let clients = ["one", "two", "three"].map { ClientIdentity($0)! }

let leases4: LeaseTable.Settings = {
    let pool = LeasePool(IPv4Address(100, 64, 0, 2), through: IPv4Address(100, 64, 0, 4))!
    var settings = LeaseTable.Settings(pools: ["a": [pool]], capacity: 4)
    settings.reservations[clients[2]] = IPPrefix(host: .v4(IPv4Address(100, 64, 0, 5)))
    return settings
}()

let leases6: LeaseTable.Settings = {
    let block = IPPrefix(.v6(IPv6Address(high: 0x2001_0DB8_0000_0000, low: 0)), length: 55)!
    let pool = LeasePool(block, delegatedLength: 56)!
    var settings = LeaseTable.Settings(pools: ["a": [pool]], capacity: 4)
    settings.reservations[clients[2]] = prefix6(3)
    return settings
}()

/// What the fuzzer has to know of a server beyond what all of them have in common.
protocol FuzzedServer: LeaseServer {
    static func request(_ script: inout Script, _ flags: UInt8) -> Message?
    /// What the answer promises its client.
    static func promises(_ answer: Answer) -> [IPPrefix]
    func fresh() -> Self
}

extension DHCPv4Server: FuzzedServer {
    static func request(_ script: inout Script, _ flags: UInt8) -> DHCPv4Message? { script.message4(.request, 7) }

    static func promises(_ answer: Answer) -> [IPPrefix] {
        let bytes = answer.message.serialized(maximumLength: answer.maximumLength)
        check((try? DHCPv4Message(parsing: bytes)) == answer.message, "an answer that cannot be read")
        guard answer.message.messageType == .ack, answer.message.yourAddress != .any else { return [] }
        return [IPPrefix(host: .v4(answer.message.yourAddress))]
    }

    func fresh() -> Self { Self(settings) }
}

extension DHCPv6Server: FuzzedServer {
    static func request(_ script: inout Script, _ flags: UInt8) -> DHCPv6Message? {
        DHCPv6Message.MessageType(rawValue: (flags >> 5) + 1).flatMap { script.message6($0, 7) }
    }

    static func promises(_ answer: DHCPv6Message) -> [IPPrefix] {
        check((try? DHCPv6Message(parsing: answer.serialized())) == answer, "an answer that cannot be read")
        guard answer.type == .reply else { return [] }
        return answer.ias.flatMap(\.prefixes).filter { $0.validLifetime > 0 }.map(\.prefix)
    }

    func fresh() -> Self { Self(settings) }
}

func runServer<Server: FuzzedServer>(_ script: Script, _ server: Server) {
    var (script, server) = (script, server)
    var now = LeaseTime(nanoseconds: 0)
    var routes: [IPPrefix: ClientIdentity] = [:]
    var file: [String] = []
    var steps = 0
    func take(_ effects: [ServerEffect<Server.Answer>], _ client: ClientIdentity?) {
        check(effects.count <= 64, "too much at once")
        for effect in effects {
            switch effect {
            case .send(let answer, let other):
                check(other == client, "an answer to somebody else")
                let promises = Server.promises(answer)
                check(promises.allSatisfy { server.lease(of: other)?.resource == $0 }, "promised: \(promises)")
            case .addRoute(let prefix, let other):
                check(routes.updateValue(other, forKey: prefix) == nil, "\(prefix) is leased twice")
            case .removeRoute(let prefix, let other):
                check(routes.removeValue(forKey: prefix) == other, "no route \(prefix) to \(other)")
            case .event(let event): file.append(event.line(clock(now)))
            case .discarded(_, let other): check(other == client, "somebody else's message")
            }
        }
        let leases = server.leases
        check(leases.count == routes.count && leases.allSatisfy { routes[$0.resource] == $0.client }, "routes differ")
        check(server.book.table.isConsistent, "the indices differ")
        check(server.book.table.counts.held <= 2 * server.book.table.counts.records + 65, "the queue grows")
        if let deadline = server.deadline { check(deadline > now, "the server spins") }
    }
    func give(_ input: ServerInput<Server.Message>, _ client: ClientIdentity?) {
        let others = server.leases.filter { $0.client != client && $0.expiry > now }
        let effects = server.handle(input, now: now)
        check(others.allSatisfy { server.lease(of: $0.client) == $0 }, "somebody else's lease")
        take(effects, client)
    }
    while let operation = script.byte(), steps < 100 {
        steps += 1
        let client = clients[Int(operation >> 3 & 3) % 3]
        switch operation & 7 {
        case 0...3:
            guard let message = Server.request(&script, operation) else { break }
            give(.message(message, from: client, group: script.place & 15 == 0 ? "b" : "a"), client)
        case 4: now = max(now, server.deadline ?? now)
        case 5: now = time(now, script.byte() ?? 0)
        case 6: give(.withdraw(client), client)
        default:
            // A crash: what comes back is what was granted. Or a file of somebody else's.
            let isOwn = operation & 32 == 0
            if operation & 64 == 0 { file = server.lines(clock(now)) }
            let lines = isOwn ? file : script.lines()
            let before = server.leases
            (server, routes) = (server.fresh(), [:])
            let loaded = server.load(lines, clock(now))
            if isOwn {
                check(loaded.rejected.isEmpty, "lines rejected: \(lines)")
                for old in before where old.expiry > now {
                    let new = server.lease(of: old.client)
                    check(new?.resource == old.resource && new!.expiry >= old.expiry, "forgotten: \(old) of \(lines)")
                }
            } else {
                file = server.lines(clock(now))
            }
            take(loaded.effects, nil)
        }
        give(.timeout, nil)
    }
}

// MARK: Relays

protocol FuzzedRelay: RelayAgent {
    static var server: IPAddress { get }
    static func request(_ script: inout Script, _ flags: UInt8, xid: UInt32) -> [UInt8]?
    static func answer(_ script: inout Script, _ flags: UInt8, xid: UInt32, to client: ClientIdentity) -> [UInt8]?
    /// That the server gets what the client sent, with its name.
    static func inspect(_ forwarded: [UInt8], _ client: ClientIdentity, _ request: [UInt8])
    func fresh() -> Self
}

extension DHCPv4Relay: FuzzedRelay {
    static var server: IPAddress { .v4(server4) }

    static func request(_ script: inout Script, _ flags: UInt8, xid: UInt32) -> [UInt8]? {
        script.message4(.request, xid)?.serialized()
    }

    static func answer(_ script: inout Script, _ flags: UInt8, xid: UInt32, to client: ClientIdentity) -> [UInt8]? {
        guard var message = script.message4(.reply, xid) else { return nil }
        message.relayAddress = relay4
        message.relayAgentInformation = [.init(1, client.bytes)]
        return message.serialized(maximumLength: .max)
    }

    static func inspect(_ forwarded: [UInt8], _ client: ClientIdentity, _ request: [UInt8]) {
        let message = try? DHCPv4Message(parsing: forwarded)
        check(message?.relayAddress == relay4, "not by this relay")
        let circuits = message?.relayAgentInformation?.filter { $0.code == 1 }
        check(circuits == [.init(1, client.bytes)], "somebody else's message: \(String(describing: circuits))")
    }

    func fresh() -> Self { Self(settings) }
}

extension DHCPv6Relay: FuzzedRelay {
    static var server: IPAddress { .v6(serverAddress6) }

    static func request(_ script: inout Script, _ flags: UInt8, xid: UInt32) -> [UInt8]? {
        guard let type = DHCPv6Message.MessageType(rawValue: (flags >> 5) + 1),
            var bytes = script.message6(type, xid)?.serialized()
        else { return nil }
        for hop in 0..<Int(script.byte() ?? 0) % 12 {
            var relayed = DHCPv6RelayMessage(.relayForward, link: .any, peer: relay6, message: bytes)
            relayed.hopCount = UInt8(hop)
            bytes = relayed.serialized()
        }
        return bytes
    }

    static func answer(_ script: inout Script, _ flags: UInt8, xid: UInt32, to client: ClientIdentity) -> [UInt8]? {
        guard var bytes = script.message6(.reply, xid)?.serialized() else { return nil }
        for _ in 0..<Int(script.byte() ?? 0) % 12 {
            bytes = DHCPv6RelayMessage(.relayReply, link: .any, peer: relay6, message: bytes).serialized()
        }
        var relayed = DHCPv6RelayMessage(.relayReply, link: relay6, peer: relay6, message: bytes)
        relayed.interfaceID = client.bytes
        return relayed.serialized()
    }

    static func inspect(_ forwarded: [UInt8], _ client: ClientIdentity, _ request: [UInt8]) {
        let message = try? DHCPv6RelayMessage(parsing: forwarded)
        check(message?.interfaceID == client.bytes && message?.message == request, "somebody else's message")
    }

    func fresh() -> Self { Self(settings) }
}

func runRelay<Relay: FuzzedRelay>(_ script: Script, _ relay: Relay) {
    var (script, relay) = (script, relay)
    var now = LeaseTime(nanoseconds: 0)
    var routes: [IPPrefix: ClientIdentity] = [:]
    var file: [String] = []
    var steps = 0
    let peer: IPAddress = Relay.server.family == .v4 ? .any(.v4) : .v6(IPv6Address(high: 0xFE80 << 48, low: 1))
    func take(_ effects: [RelayEffect], _ request: [UInt8]?, _ client: ClientIdentity?) {
        check(effects.count <= 64, "too much at once")
        for effect in effects {
            switch effect {
            case .forward(let datagram):
                guard let request, let client else { fatalError("forwarded what no client sent") }
                Relay.inspect(datagram.payload, client, request)
            case .send(let datagram, let other):
                check(client == nil || other == client, "an answer to somebody else")
                check(!datagram.payload.isEmpty, "an answer of nothing")
            case .addRoute(let prefix, let other):
                check(routes.updateValue(other, forKey: prefix) == nil, "\(prefix) is routed twice")
            case .removeRoute(let prefix, let other):
                check(routes.removeValue(forKey: prefix) == other, "no route \(prefix) to \(other)")
            case .event(let event): file.append(event.line(clock(now)))
            case .discarded: break
            }
        }
        let leases = relay.leases
        check(leases.count == routes.count && leases.allSatisfy { routes[$0.resource] == $0.client }, "routes differ")
        check(relay.table.isConsistent, "the indices differ")
        if let deadline = relay.deadline { check(deadline > now, "the relay spins") }
    }
    /// `client` is whose leases may change.
    func give(_ input: RelayInput, _ client: ClientIdentity?, request: [UInt8]? = nil) {
        let others = relay.leases.filter { $0.client != client && $0.expiry > now }
        let effects = relay.handle(input, now: now)
        check(others.allSatisfy { relay.table.leases[$0.resource] == $0 }, "somebody else's lease")
        take(effects, request, client)
    }
    while let operation = script.byte(), steps < 100 {
        steps += 1
        let client = clients[Int(operation >> 3 & 3) % 3]
        switch operation & 7 {
        case 0, 1:
            guard let bytes = Relay.request(&script, operation, xid: 7) else { break }
            give(.fromClient(bytes, source: peer, client), client, request: bytes)
        case 2, 3:
            let isAsked = operation & 128 == 0
            guard let bytes = Relay.answer(&script, operation, xid: isAsked ? 7 : 8, to: client) else { break }
            // Nobody has asked by this number.
            give(.fromServer(bytes, source: Relay.server), isAsked ? client : nil)
        case 4:
            now = operation & 128 == 0 ? max(now, relay.deadline ?? now) : time(now, script.byte() ?? 0)
        case 5: give(.withdraw(client), client)
        case 6:
            let bytes = script.run()
            if operation & 128 == 0 {
                give(.fromClient(bytes, source: peer, client), client, request: bytes)
            } else {
                take(relay.handle(.fromServer(bytes, source: Relay.server), now: now), nil, nil)
            }
        default:
            if operation & 64 == 0 { file = relay.lines(clock(now)) }
            let isOwn = operation & 32 == 0
            let lines = isOwn ? file : script.lines()
            let before = Set(relay.leases.filter { $0.expiry > now }.map(\.resource))
            (relay, routes) = (relay.fresh(), [:])
            let loaded = relay.load(lines, clock(now))
            if isOwn {
                check(loaded.rejected.isEmpty, "lines rejected: \(lines)")
                check(before.isSubset(of: relay.leases.map(\.resource)), "forgotten: \(before) of \(lines)")
            } else {
                file = relay.lines(clock(now))
            }
            take(loaded.effects, nil, nil)
        }
        give(.timeout, nil)
    }
}
