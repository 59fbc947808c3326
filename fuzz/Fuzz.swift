import Addresses
import Decoding
import ProtocolSupport

@testable import GREBonding

// The entry of libFuzzer. The first byte chooses what is fed: the decoders, the gateway's machine, or the
// aggregator's; the rest is a message, or a script of inputs for the machine (see ``Script``). For the decoders its
// upper bits choose a link type: the bytes are read as a frame, too. Its highest bit chooses DHCP (see ``runLeases``),
// its second with the gateway's machine answers of the DNS (see ``runNames``), both RADIUS (see ``runRADIUS``).

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    if start.pointee & 192 == 192 {
        runRADIUS(start.pointee, bytes)
        return 0
    }
    if start.pointee & 128 != 0 {
        runLeases(start.pointee, bytes)
        return 0
    }
    if start.pointee & 3 < 2 { show(bytes, LinkType.allCases[Int(start.pointee >> 2) % LinkType.allCases.count]) }
    switch start.pointee & 3 {
    case 0: decode(bytes, .rfc8157)
    case 1: decode(bytes, .deployed)
    case 2 where start.pointee & 64 != 0: runNames(bytes)
    case 2: runGateway(Script(bytes: bytes))
    default: runPoint(Script(bytes: bytes))
    }
    return 0
}

func check(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

/// What a capture may hold: the bytes as a frame, and as the payload of a packet.
func show(_ bytes: [UInt8], _ type: LinkType) {
    let packet: [UInt8] = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]
    for (frame, type) in [(bytes, type), (packet + bytes, .rawIP)] {
        guard case .control(let message) = Packet(parsing: frame, length: frame.count, type) else { continue }
        let context = CaptureContext(number: 1, seconds: 0, nanoseconds: 0, captured: frame.count, length: frame.count)
        check(message.json(context).utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "JSON that breaks a line")
        check(message.text(context).utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0A }, "text that acts on a terminal")
    }
}

/// What is accepted survives being sent again; lists stay within their limits.
func decode(_ bytes: [UInt8], _ dialect: Dialect) {
    _ = try? GREHeader(parsing: bytes)
    guard let message = try? ControlMessage(parsing: bytes, dialect: dialect) else { return }
    let again = message.serialized(dialect: dialect)
    check((try? ControlMessage(parsing: again, dialect: dialect)) == message, "not the same after serializing")
    var assembler = FilterListAssembler(limits: .init(packages: 8, items: 64, bytes: 4096))
    for package in message.filterListPackages {
        _ = assembler.acknowledgement(of: package, outcome: assembler.receive(package))
        check((assembler.current?.items.count ?? 0) <= 64, "list grows")
        for item in package.items { _ = try? FilterRule(item) }
    }
}

/// Reads the bytes of a script; nil at their end.
struct Script {
    var bytes: [UInt8]
    var place = 0

    mutating func byte() -> UInt8? {
        guard place < bytes.count else { return nil }
        place += 1
        return bytes[place - 1]
    }

    mutating func number() -> UInt32 { (0..<4).reduce(0) { value, _ in value << 8 | UInt32(byte() ?? 0) } }

    /// A length byte and a message from the attributes on; type, leg and key come from the script's flags, so that
    /// mutations reach behind the checks of the header.
    mutating func message(_ flags: UInt8, key: UInt32) -> ControlMessage? {
        let length = Int(byte() ?? 0)
        let end = min(place + length, bytes.count)
        let header: [UInt8] = [
            0x20, 0, 0xB7, 0xEA, UInt8(key >> 24), UInt8(key >> 16 & 255), UInt8(key >> 8 & 255), UInt8(key & 255),
            ((flags >> 1) % 6 + 1) << 4 | ((flags & 1) + 1),
        ]
        defer { place = end }
        return try? ControlMessage(parsing: header + bytes[place..<end], dialect: .rfc8157)
    }
}

struct Constant: RandomNumberGenerator, Sendable {
    var state: UInt64 = 1
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 32
    }
}

let h = IPAddress.v4(IPv4Address(10, 9, 0, 1))

func address(_ leg: LegID, _ n: UInt8) -> IPAddress { .v4(IPv4Address(10, leg.rawValue + 1, 0, 1 + n & 3)) }

func runGateway(_ script: Script) {
    var script = script
    var now = Instant(nanoseconds: 0)
    var gateway = HomeGatewaySession(
        settings: .init(
            client: ClientIdentificationName("g")!, aggregator: h, monitorsTraffic: true), random: Constant())
    _ = gateway.handle(.wanUp(.secondary, address(.secondary, 0)), now: now)
    var steps = 0
    while let operation = script.byte(), steps < 100 {
        steps += 1
        let leg: LegID = operation & 8 == 0 ? .primary : .secondary
        switch operation & 7 {
        case 0, 1:
            guard let flags = script.byte() else { break }
            let key = operation & 16 == 0 ? gateway.grant?.key ?? 0x0102_0304 : script.number()
            guard let message = script.message(flags, key: key) else { break }
            _ = gateway.handle(
                .message(message, on: message.leg, from: operation & 32 == 0 ? h : address(leg, flags)), now: now)
        case 2: now = now + .milliseconds(Int64(script.byte() ?? 0) * (operation & 16 == 0 ? 20 : 2000))
        case 3: _ = gateway.handle(.wanUp(leg, address(leg, operation >> 4)), now: now)
        case 4: _ = gateway.handle(.wanDown(leg, .carrierLost), now: now)
        case 5: _ = gateway.handle(.traffic(TrafficSample(received: [leg: UInt64(operation >> 4)])), now: now)
        case 6: _ = gateway.handle(.bypassTraffic(script.number()), now: now)
        default:
            if operation & 8 != 0 { _ = gateway.handle(.secondaryReserve(operation & 32 != 0), now: now) }
            _ = gateway.handle(
                operation & 16 == 0
                    ? .endDiagnostic : .startDiagnostic(Diagnostic.allCases[Int(operation >> 5) % 3]), now: now)
        }
        _ = gateway.handle(.timeout, now: now)
        if let deadline = gateway.deadline { check(deadline > now, "the gateway spins") }
        check(gateway.notifies.entries.count <= NotifyTopic.allCases.count, "the queue grows")
        check(gateway.grant != nil || gateway.bond == nil, "a bond that nobody granted")
    }
}

func runPoint(_ script: Script) {
    var script = script
    var now = Instant(nanoseconds: 0)
    var point = AggregationPoint(
        settings: .init(addresses: [h], parameters: .init(), dialect: .rfc8157, monitorsTraffic: true),
        random: Constant())
    var asked: [AuthorizationRequest] = []
    var steps = 0
    func take(_ effects: [AggregationPoint.Effect]) {
        for case .authorize(let request) in effects { asked.append(request) }
    }
    while let operation = script.byte(), steps < 100 {
        steps += 1
        let leg: LegID = operation & 8 == 0 ? .primary : .secondary
        let session = point.sessions.values.min { $0.id < $1.id }
        switch operation & 7 {
        case 0, 1, 2:
            guard let flags = script.byte() else { break }
            let key = operation & 16 == 0 ? session?.key ?? 0 : 0
            guard var message = script.message(flags, key: key) else { break }
            // A session that lives cannot be guessed by mutations.
            if operation & 64 != 0, let session { message.attributes.append(.sessionID(session.id)) }
            let source = operation & 32 == 0 ? session?.legs[message.leg]?.address : nil
            take(point.handle(.message(message, from: source ?? address(leg, flags), to: h), now: now))
        case 3: now = now + .milliseconds(Int64(script.byte() ?? 0) * (operation & 16 == 0 ? 20 : 2000))
        case 4, 5:
            guard let request = asked.popLast() else { break }
            let code = ErrorCode(rawValue: UInt32(operation >> 4))
            take(
                point.handle(
                    .authorized(request, operation & 7 == 4 ? .granted(Authorization()) : .denied(code)), now: now))
        case 6:
            let items = (0..<Int(operation >> 3)).map { FilterItem(.dscp, description: "an item", value: "\($0)") }
            if let session { take(point.handle(.setFilterList(sessionID: session.id, items), now: now)) }
        default:
            if operation < 240, let session {
                let sample = TrafficSample(received: [leg: UInt64(operation >> 5)])
                take(point.handle(.traffic(sessionID: session.id, sample), now: now))
            }
            if operation == 255 { take(point.handle(.drain, now: now)) }
            if operation == 254, let session {
                take(point.handle(.tearDown(sessionID: session.id, .maintenance), now: now))
            }
        }
        take(point.handle(.timeout, now: now))
        if let deadline = point.deadline { check(deadline > now, "the aggregator spins") }
        check(
            point.sessionOfKey.count == point.sessions.count && point.sessionOfClient.count == point.sessions.count
                && point.deadlines.count == point.sessions.count && point.pending.isConsistent, "the indices differ")
        check(point.sessions.values.allSatisfy { !$0.legs.isEmpty }, "a session without legs")
    }
}
