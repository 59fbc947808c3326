import Addresses
import ProtocolSupport

@testable import Leases

// DHCP of both families: what one peer sends, or a script of what several send, wait for and do. What serves clients is
// in LeaseServers.swift.

func runLeases(_ target: UInt8, _ bytes: [UInt8]) {
    let script = Script(bytes: bytes)
    switch target & 7 {
    case 0: decode4(bytes)
    case 1: decode6(bytes)
    case 2:
        let settings = DHCPv4Client.Settings(hardwareAddress: hardware, clientIdentifier: [1] + hardware)
        runClient(script, DHCPv4Client(settings: settings, random: Constant()))
    case 3:
        var settings = DHCPv6Client.Settings(identifier: DUID(linkLayer: hardware), iaid: 1)
        settings.rapidCommit = true
        runClient(script, DHCPv6Client(settings: settings, random: Constant()))
    case 4: runServer(script, DHCPv4Server(.init(identifier: server4, leases: leases4)))
    case 5: runServer(script, DHCPv6Server(.init(identifier: server6, leases: leases6)))
    case 6:
        var settings = DHCPv4Relay.Settings(address: relay4, servers: [server4])
        (settings.capacity, settings.leasesPerClient) = (5, 2)
        runRelay(script, DHCPv4Relay(settings))
    default:
        var settings = DHCPv6Relay.Settings(link: relay6, servers: [serverAddress6])
        (settings.capacity, settings.leasesPerClient) = (5, 2)
        runRelay(script, DHCPv6Relay(settings))
    }
}

let hardware: [UInt8] = [2, 0, 0, 0, 0, 1]
let server4 = IPv4Address(100, 64, 0, 1)
let server6 = DUID(linkLayer: [2, 0, 0, 0, 0, 9])
let serverAddress6 = IPv6Address(high: 0x2001_0DB8_0053_0000, low: 1)
let relay4 = IPv4Address(192, 0, 2, 67)
let relay6 = IPv6Address(high: 0x2001_0DB8_FFFF_0000, low: 1)

/// Four of the pool, which has three, and what no client may be given.
func address4(_ n: UInt8) -> IPv4Address {
    switch n & 7 {
    case 0...3: IPv4Address(100, 64, 0, 2 + n & 7)
    case 4: .any
    case 5: IPv4Address(rawValue: .max)
    case 6: IPv4Address(127, 0, 0, 1)
    default: IPv4Address(100, 64, 0, 1)
    }
}

func prefix6(_ n: UInt8) -> IPPrefix {
    let (high, length): (UInt64, UInt8) =
        switch n & 7 {
        case 0...3: (0x2001_0DB8_0000_0000 + UInt64(n & 7) << 8, 56)
        case 4: (0, 0)
        case 5: (0xFF00_0000_0000_0000, 8)
        case 6: (0xFE80_0000_0000_0000, 64)
        default: (0x2001_0DB8_0000_0000, 48)
        }
    return IPPrefix(.v6(IPv6Address(high: high, low: 0)), length: length)!
}

func time(_ now: LeaseTime, _ step: UInt8) -> LeaseTime {
    now.adding(seconds: step & 128 == 0 ? UInt32(step) : UInt32(step & 127) * 1200)
}

/// One that shows 2023-11-14 22:13:20 UTC at time 0.
func clock(_ now: LeaseTime) -> WallClock {
    WallClock(now: now, unixNanoseconds: 1_700_000_000_000_000_000 + now.nanoseconds)
}

// MARK: Decoders

/// What is accepted survives being sent again in as little room as a peer asks for; so do values that have names.
func decode4(_ bytes: [UInt8]) {
    decodePacket(Array(bytes.dropFirst()))
    guard let room = bytes.first, let message = try? DHCPv4Message(parsing: bytes.dropFirst()) else { return }
    for length in [Int(room) * 4, DHCPv4Message.standardLength, .max] {
        let again = message.serialized(maximumLength: length)
        check((try? DHCPv4Message(parsing: again)) == message, "not the same after serializing into \(length)")
    }
    var copy = message
    copy.relayAgentInformation = message.relayAgentInformation
    copy.classlessRoutes = message.classlessRoutes
    check(copy.relayAgentInformation == message.relayAgentInformation, "another option 82")
    check(copy.classlessRoutes == message.classlessRoutes, "another option 121")
    if let lease = DHCPv4Lease(message, start: LeaseTime(nanoseconds: 0)) { check(lease, LeaseTime(nanoseconds: 0)) }
}

/// What the gateway's packet socket hears, as it came, and with its header's checksum put right, which takes luck.
func decodePacket(_ bytes: [UInt8]) {
    var right = bytes
    if bytes.count >= 20 {
        (right[10], right[11]) = (0, 0)
        let header = right.prefix(max(20, Int(right[0] & 0xF) * 4))
        var sum = header.enumerated().reduce(0) { $0 + Int($1.element) << ($1.offset & 1 == 0 ? 8 : 0) }
        while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
        (right[10], right[11]) = (UInt8(~sum >> 8 & 0xFF), UInt8(~sum & 0xFF))
    }
    for packet in [bytes, right] {
        for isSummed in [true, false] {
            guard let datagram = DHCPv4Datagram(packet: packet, isSummed: isSummed) else { continue }
            check(datagram.packet.flatMap { DHCPv4Datagram(packet: $0) } == datagram, "not the same datagram")
            _ = try? DHCPv4Message(parsing: datagram.payload)
        }
    }
}

func decode6(_ bytes: [UInt8]) {
    if let relayed = try? DHCPv6RelayMessage(parsing: bytes) {
        check((try? DHCPv6RelayMessage(parsing: relayed.serialized())) == relayed, "a relay message is not the same")
        if let inner = try? DHCPv6RelayMessage.innermost(bytes) {
            check((try? DHCPv6RelayMessage(parsing: inner)) == nil, "not the innermost")
        }
    }
    guard let message = try? DHCPv6Message(parsing: bytes) else { return }
    check((try? DHCPv6Message(parsing: message.serialized())) == message, "not the same after serializing")
    _ = try? message.leasedResources()
}

extension Script {
    /// Up to 255 bytes.
    mutating func run() -> [UInt8] {
        let length = Int(byte() ?? 0)
        let end = min(place + length, bytes.count)
        defer { place = end }
        return Array(bytes[place..<end])
    }

    mutating func lines() -> [String] {
        String(decoding: run(), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// A message whose header needs no luck: its type, the addresses in it, and options of the script.
    mutating func message4(_ operation: DHCPv4Message.Operation, _ xid: UInt32) -> DHCPv4Message? {
        guard let flags = byte(), let places = byte() else { return nil }
        var message = DHCPv4Message(operation, transactionID: xid, hardwareAddress: hardware)
        let (address, type) = (address4(places), DHCPv4Message.MessageType(rawValue: flags & 7 + 1))
        message.messageType = type
        if places & 8 != 0 { message.clientAddress = address }
        if places & 16 != 0 { message.yourAddress = address }
        if places & 32 != 0 { message.requestedAddress = address }
        if places & 64 != 0 { message.serverIdentifier = server4 }
        if flags & 8 != 0 { message.leaseTime = UInt32(byte() ?? 0) << 8 }
        if flags & 16 == 0 { return message }
        // The end of the options is cut off, and others follow.
        let whole = message.serialized()
        let end = 240 + message.options.reduce(0) { $0 + 2 + $1.value.count }
        return try? DHCPv4Message(parsing: whole[..<end] + run())
    }

    mutating func message6(_ type: DHCPv6Message.MessageType, _ xid: UInt32) -> DHCPv6Message? {
        guard let flags = byte() else { return nil }
        var message = DHCPv6Message(type, transactionID: xid)
        if flags & 1 == 0 { message.client = DUID(linkLayer: hardware) }
        if flags & 2 == 0 { message.server = server6 }
        message.rapidCommit = flags & 4 != 0
        if flags & 8 == 0 {
            var ia = IAPD(iaid: 1)
            for _ in 0..<Int(flags >> 6) {
                guard let place = byte(), let time = byte() else { break }
                let seconds = UInt32(time) << 6
                if let prefix = IAPrefix(prefix6(place), preferredLifetime: seconds / 2, validLifetime: seconds) {
                    ia.prefixes.append(prefix)
                }
                if place & 8 != 0 { (ia.t1, ia.t2) = (seconds / 4, seconds / 3) }
                if place & 16 != 0 { ia.status = DHCPv6Status(.init(rawValue: UInt16(place >> 5))) }
            }
            message.ias = [ia]
        }
        if flags & 16 == 0 { return message }
        return try? DHCPv6Message(parsing: message.serialized() + run())
    }
}

// MARK: Clients

/// What the fuzzer has to know of a client beyond what all of them have in common.
protocol FuzzedClient: LeaseClient {
    var deadline: LeaseTime? { get }
    var isStopped: Bool { get }
    func answer(_ script: inout Script, _ flags: UInt8) -> Message?
    static func inspect(_ request: Request)
    static func inspect(_ lease: Configuration, _ now: LeaseTime)
}

extension DHCPv4Client: FuzzedClient {
    var isStopped: Bool { state == .stopped }

    func answer(_ script: inout Script, _ flags: UInt8) -> DHCPv4Message? {
        script.message4(.reply, flags & 16 == 0 ? transactionID : script.number())
    }

    static func inspect(_ request: Request) {
        let bytes = request.message.serialized()
        check((try? DHCPv4Message(parsing: bytes)) == request.message, "a request that cannot be read")
    }

    static func inspect(_ lease: DHCPv4Lease, _ now: LeaseTime) { check(lease, now) }
}

extension DHCPv6Client: FuzzedClient {
    var isStopped: Bool { state == .stopped }

    func answer(_ script: inout Script, _ flags: UInt8) -> DHCPv6Message? {
        script.message6(flags & 32 == 0 ? .reply : .advertise, flags & 16 == 0 ? transactionID : script.number())
    }

    static func inspect(_ request: DHCPv6Message) {
        check((try? DHCPv6Message(parsing: request.serialized())) == request, "a request that cannot be read")
    }

    static func inspect(_ lease: DHCPv6Lease, _ now: LeaseTime) {
        check((1...8).contains(lease.prefixes.count) && lease.nameServers.count <= 8, "the lease grows")
        let prefixes = lease.prefixes.map(\.prefix)
        check(Set(prefixes).count == prefixes.count, "a prefix twice")
        check(prefixes.allSatisfy { DelegatedPrefix.isUsable($0) }, "a prefix for nobody: \(prefixes)")
        check(lease.prefixes.allSatisfy { $0.validUntil > now }, "a prefix that is over")
        check(lease.prefixes.allSatisfy { $0.preferredUntil <= $0.validUntil }, "preferred for too long")
    }
}

func check(_ lease: DHCPv4Lease, _ now: LeaseTime) {
    check(DHCPv4Lease.isUsable(lease.address), "an address for nobody: \(lease.address)")
    check(lease.expiry > now && lease.renewal <= lease.rebinding && lease.rebinding <= lease.expiry, "times of a lease")
    check(lease.routes.count <= 64 && lease.nameServers.count <= 8, "the lease grows")
}

func runClient<Client: FuzzedClient>(_ script: Script, _ client: Client) {
    var (script, client) = (script, client)
    var now = LeaseTime(nanoseconds: 0)
    var configured: Client.Configuration?
    var steps = 0
    func give(_ input: ClientInput<Client.Message>) {
        let effects = client.handle(input, now: now)
        check(effects.count <= 8, "too much at once")
        for effect in effects {
            switch effect {
            case .send(let request): Client.inspect(request)
            case .configure(let lease): configured = lease
            case .event(.obtained(let lease)), .event(.renewed(let lease)):
                let again = RememberedLease(line: lease.line(clock(now)), clock(now))
                check(again?.resource == lease.resource, "not remembered: \(lease)")
            case .event: break
            }
        }
        check(configured == client.lease, "not what is configured")
        if let configured { Client.inspect(configured, now) }
        if let deadline = client.deadline { check(deadline > now, "the client spins") }
        check(!client.isStopped || configured == nil, "a lease of a client that was stopped")
    }
    give(.start(remembered: nil))
    while let operation = script.byte(), steps < 100 {
        steps += 1
        switch operation & 7 {
        case 0, 1, 2:
            guard let message = client.answer(&script, operation) else { break }
            give(.message(message))
        case 3: give(operation & 8 == 0 ? .suspend : .stop)
        case 4:
            let line = String(decoding: operation & 8 == 0 ? script.run() : [], as: UTF8.self)
            let words = operation & 16 == 0 ? "100.64.0.2/32 1700001000" : "2001:db8::/56 1700001000"
            give(.start(remembered: RememberedLease(line: line.isEmpty ? words : line, clock(now))))
        // To the next timeout, most of the time.
        case 5, 6: now = max(now, client.deadline ?? now)
        default: now = time(now, script.byte() ?? 0)
        }
        give(.timeout)
    }
}
