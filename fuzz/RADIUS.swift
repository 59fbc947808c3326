import Addresses
import ProtocolSupport

@testable import RADIUS

// RADIUS: bytes of a datagram, or a script of what servers and bonds do. Answers and requests are signed here, so that
// mutations reach behind the checks of authenticators.

func runRADIUS(_ target: UInt8, _ bytes: [UInt8]) {
    switch target & 3 {
    case 0: decodeRADIUS(bytes)
    case 1: runClient(Script(bytes: bytes))
    case 2: runAccounting(Script(bytes: bytes))
    default: runDynamic(Script(bytes: bytes))
    }
}

private let vendor: UInt32 = 32473
private let secret: [UInt8] = [1, 2, 3]

/// Stands for MD5: any digest of 16 bytes will do here.
private let signing = Authenticator { bytes in
    var state: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return [UInt8](bigEndian: state) + [UInt8](bigEndian: ~state)
}

private func decodeRADIUS(_ bytes: [UInt8]) {
    guard let received = try? ReceivedPacket(parsing: bytes) else { return }
    // A vendor's attributes that came in one are several then, and may no longer fit.
    if let again = received.packet.serialized() {
        check((try? ReceivedPacket(parsing: again))?.packet == received.packet, "not the same after serializing")
    }
    let list = AttributeList(received.packet.attributes, vendor: vendor)
    if let grant = try? AccessGrant(list) {
        check(grant.classes.reduce(0) { $0 + $1.count } <= 2048 && grant.routes.count <= 64, "a grant grows")
        let session = AccountedSession(name: "a", userName: "b", source: nil, grant: grant)
        let nas = NASIdentity(identifier: "n", addresses: [], vendor: vendor)
        var record = session.attributes(nas)
        Usage().add(to: &record)
        check(
            RADIUSPacket(code: .accountingRequest, identifier: 0, attributes: record.items).serialized() != nil,
            "a record that does not fit")
    }
    _ = try? AccessChange(list)
}

extension Script {
    /// A length byte and the attributes of a packet.
    fileprivate mutating func attributes() -> [RADIUSAttribute] {
        let end = min(place + Int(byte() ?? 0), bytes.count)
        defer { place = max(place, end) }
        guard place < end else { return [] }
        let length = 20 + end - place
        let header = [2, 0, UInt8(length >> 8), UInt8(length & 255)] + [UInt8](repeating: 0, count: 16)
        return (try? ReceivedPacket(parsing: header + bytes[place..<end]))?.packet.attributes ?? []
    }
}

private func runClient(_ script: Script) {
    var script = script
    var now = Duration.zero
    var settings = RADIUSClient.Settings(servers: [
        .init(secret: SharedSecret(secret)),
        .init(secret: SharedSecret(secret), requiresMessageAuthenticator: false),
    ])
    (settings.lanes, settings.tries) = (1, 2)
    var client = RADIUSClient(settings: settings, authenticator: signing, random: Constant())
    var sent: [(bytes: [UInt8], server: Int, lane: Int)] = []
    var open: Set<UInt64> = []
    func take(_ effects: [RADIUSClient.Effect]) {
        for effect in effects {
            switch effect {
            case .transmit(let bytes, let server, let lane):
                sent.append((bytes, server, lane))
                if sent.count > 64 { sent.removeFirst() }
            case .answered(let ticket, _, _, _), .unanswered(let ticket):
                check(open.remove(ticket) != nil, "an end without a beginning, or a second one")
            default: break
            }
        }
    }
    var ticket: UInt64 = 0
    var steps = 0
    while let operation = script.byte(), ticket < 300, steps < 100 {
        steps += 1
        switch operation & 7 {
        case 0, 1:
            for _ in 0..<(operation & 192 == 192 ? 90 : 1) {
                ticket += 1
                open.insert(ticket)
                let request = ClientRequest(
                    code: operation & 1 == 0 ? .accessRequest : .accountingRequest,
                    attributes: AttributeList(vendor: vendor), password: [7], since: now)
                take(client.handle(.ask(ticket, request), now: now))
            }
        case 2, 3:
            guard let request = sent.isEmpty ? nil : sent[Int(operation >> 3) % sent.count] else { break }
            let code = PacketCode(rawValue: script.byte() ?? 2)
            let packet = RADIUSPacket(code: code, identifier: request.bytes[1], attributes: script.attributes())
            let answer = signing.response(
                packet, to: Array(request.bytes[4..<20]), secret: secret, withMessageAuthenticator: operation & 7 == 2)
            take(client.handle(.received(answer ?? [], server: request.server, lane: request.lane), now: now))
        case 4:
            let rest = Array(script.bytes[script.place...].prefix(64))
            take(client.handle(.received(rest, server: Int(operation >> 3) & 3, lane: Int(operation >> 5)), now: now))
        case 5:
            if let ticket = open.min() {
                open.remove(ticket)
                take(client.handle(.forget(ticket), now: now))
            }
        default: now += .milliseconds(Int(script.byte() ?? 0) * (operation & 8 == 0 ? 10 : 1000))
        }
        take(client.handle(.timeout, now: now))
        if let deadline = client.deadline { check(deadline > now, "the client spins") }
        let inUse = client.servers.reduce(0) { $0 + $1.inUse.reduce(0, +) }
        check(
            client.pending.count == open.count && client.slots.count == open.count
                && client.deadlines.count == open.count && inUse == open.count, "the indices differ")
    }
}

private func runAccounting(_ script: Script) {
    var script = script
    var now = Duration.zero
    var settings = Accounting.Settings()
    (settings.interval, settings.limit, settings.window) = (.seconds(60), 8, 3)
    var accounting = Accounting(settings: settings, epoch: 1_700_000_000)
    var asked: [UInt64] = []
    var steps = 0
    func take(_ effects: [Accounting.Effect]) {
        for effect in effects {
            switch effect {
            case .ask(let ticket, _): asked.append(ticket)
            case .measure(let id): take(accounting.handle(.measured(id, Usage()), now: now))
            case .started: break
            }
        }
    }
    let list = AttributeList(vendor: vendor)
    while let operation = script.byte(), steps < 100 {
        steps += 1
        let id = UInt32(operation >> 3) & 15
        switch operation & 7 {
        case 0: take(accounting.handle(.begin(id, list, interval: operation & 128 == 0 ? nil : .seconds(90)), now: now))
        case 1: take(accounting.handle(.end(id, Usage(), .userRequest), now: now))
        case 2: take(accounting.handle(.measured(id, Usage()), now: now))
        case 3, 4:
            guard !asked.isEmpty else { break }
            let ticket = asked.remove(at: Int(id) % asked.count)
            take(accounting.handle(.outcome(ticket, taken: operation & 7 == 3), now: now))
        case 5:
            switch operation >> 5 & 3 {
            case 1: take(accounting.handle(.describe(id, list), now: now))
            case 2:
                let begun = now - .seconds(Int(operation & 24))
                let isStarted = operation & 128 != 0
                take(accounting.handle(.resume(id, list, interval: nil, begun: begun, isStarted: isStarted), now: now))
            default: take(accounting.handle(.service(on: operation & 8 == 0, list), now: now))
            }
        case 6: take(accounting.handle(.outcome(UInt64(operation), taken: operation & 8 == 0), now: now))
        default: now += .seconds(Int(script.byte() ?? 0))
        }
        asked.removeAll { accounting.tickets[$0] == nil }
        take(accounting.handle(.timeout, now: now))
        if let deadline = accounting.deadline { check(deadline > now, "accounting spins") }
        check(accounting.inFlight <= 3 && accounting.inFlight == asked.count, "more on their way than may be")
        // What follows something on its way keeps its place.
        check(accounting.waiting <= 8 + 2 * 3, "the queue grows")
        check(accounting.ready.count <= accounting.streams.count, "the line grows")
        check(
            accounting.streams.count <= accounting.sessions + accounting.waiting + accounting.inFlight, "streams grow")
    }
}

private func runDynamic(_ script: Script) {
    var script = script
    let server = IPAddress.v4(IPv4Address(192, 0, 2, 1))
    var dynamic = DynamicAuthorization(
        settings: .init(sources: [server: SharedSecret(secret)], nasIdentifier: "n", nasAddresses: [], vendor: vendor),
        authenticator: signing)
    var now = Duration.zero
    var steps = 0
    while let operation = script.byte(), steps < 100 {
        steps += 1
        let code: PacketCode = operation & 1 == 0 ? .disconnectRequest : .changeRequest
        let packet = RADIUSPacket(code: code, identifier: operation >> 2, attributes: script.attributes())
        var bytes = signing.request(packet, secret: secret) ?? []
        if operation & 2 != 0, !bytes.isEmpty { bytes[Int(script.byte() ?? 0) % bytes.count] ^= script.byte() ?? 1 }
        now += .seconds(Int(operation >> 6))
        let outcome = dynamic.receive(bytes, from: server, port: 1, now: now, unixTime: 1_700_000_000) {
            (request) throws(ErrorCause) in
            check(request.target != DynamicRequest.Target(), "a request that names nobody")
            if case .change(let list) = request.kind { _ = try AccessChange(list) }
        }
        if case .reply(let answer) = outcome { check((try? ReceivedPacket(parsing: answer)) != nil, "no packet") }
        check(dynamic.remembered <= 256, "memory grows")
    }
}
