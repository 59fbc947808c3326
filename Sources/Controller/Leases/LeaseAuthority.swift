import Addresses
import GREBonding
import Leases

/// A bond whose gateway is served.
struct ServedBond: Hashable, Sendable {
    var session: UInt32
    /// Its device. By which device a datagram comes decides whose it is; what stands in the datagram does not.
    var link: UInt32
    var client: ClientIdentity
    /// The pool of the subscriber; empty: none.
    var group: String
    /// Bytes of an inner packet.
    var mtu: UInt32
}

/// How many messages of one bond are looked at: each may cost a line on disk. A client of any kind sends a handful when
/// it begins, and repeats one after a second at the earliest.
struct Allowance: Hashable, Sendable {
    private var credit: Duration
    private var updated: Instant
    static let interval = Duration.milliseconds(500)
    static let burst = 16

    init(now: Instant) {
        credit = Self.interval * Self.burst
        updated = now
    }

    /// Whether one more may be looked at.
    mutating func take(_ now: Instant) -> Bool {
        credit = min(credit + max(now - updated, .zero), Self.interval * Self.burst)
        updated = now
        guard credit >= Self.interval else { return false }
        credit -= Self.interval
        return true
    }
}

/// Who answers the DHCP messages of bonds, for one family: a server of this program, or a relay to an operator's. What
/// is to be done is said in a relay's terms; a server of this program has nothing to forward.
protocol LeaseAuthority: Sendable {
    /// - Parameter bond: whose message it is; nil for what comes from elsewhere, and for timeouts
    mutating func handle(_ input: RelayInput, of bond: ServedBond?, now: LeaseTime) -> [RelayEffect]

    /// What a RADIUS server routes to the client, and what of it the client is leased: nobody else is leased anything
    /// of it. Nothing of either: it is over.
    mutating func claim(
        _ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity, now: LeaseTime
    ) -> [RelayEffect]

    /// Who else has leased, or is offered, something of a prefix.
    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity?

    /// Whether datagrams that do not come by a bond are for it.
    var takesFromServers: Bool { get }

    /// When ``RelayInput/timeout`` is next due.
    var deadline: LeaseTime? { get }

    /// What the client has leased: there is a route to its bond for each.
    func resources(of client: ClientIdentity) -> [IPPrefix]

    /// In no order.
    var leases: [Lease] { get }

    /// The lines of a lease file that ``load(_:_:)`` takes.
    func lines(_ clock: WallClock) -> [String]

    /// Takes the lines of a lease file before any message; the numbers of lines that were not taken.
    mutating func load(_ lines: [Substring], _ clock: WallClock) -> [Int]
}

struct DHCPv4Authority: LeaseAuthority {
    private var server: DHCPv4Server
    /// Whether gateways are told the MTU of their own bond in place of a fixed one.
    private let tellsBondMTU: Bool

    init(_ settings: DHCPv4Server.Settings, tellsBondMTU: Bool) {
        server = DHCPv4Server(settings)
        self.tellsBondMTU = tellsBondMTU
    }

    mutating func handle(_ input: RelayInput, of bond: ServedBond?, now: LeaseTime) -> [RelayEffect] {
        switch input {
        case .fromClient(let bytes, _, let client):
            guard let message = try? DHCPv4Message(parsing: bytes) else { return [.discarded(.malformed, client)] }
            let effects = server.handle(.message(message, from: client, group: bond?.group ?? ""), now: now)
            return effects.map { effect($0, bond) }
        case .timeout: return server.handle(.timeout, now: now).map { effect($0, nil) }
        case .withdraw(let client): return server.handle(.withdraw(client), now: now).map { effect($0, nil) }
        case .fromServer: return []
        }
    }

    mutating func claim(
        _ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity, now: LeaseTime
    ) -> [RelayEffect] {
        server.handle(.claim(prefixes, lease: lease, of: client), now: now).map { effect($0, nil) }
    }

    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? {
        server.holder(of: prefix, besides: client)
    }

    private func effect(_ effect: ServerEffect<DHCPv4Server.Answer>, _ bond: ServedBond?) -> RelayEffect {
        RelayEffect(effect) { answer in
            var message = answer.message
            if tellsBondMTU, message.interfaceMTU != nil, let bond { message.interfaceMTU = UInt16(clamping: bond.mtu) }
            return RelayedDatagram(
                payload: message.serialized(maximumLength: answer.maximumLength), destination: .v4(answer.destination),
                port: 68)
        }
    }

    var takesFromServers: Bool { false }
    var deadline: LeaseTime? { server.deadline }
    var leases: [Lease] { server.leases }
    func resources(of client: ClientIdentity) -> [IPPrefix] { server.lease(of: client).map { [$0.resource] } ?? [] }
    func lines(_ clock: WallClock) -> [String] { server.lines(clock) }
    mutating func load(_ lines: [Substring], _ clock: WallClock) -> [Int] { server.load(lines, clock).rejected }
}

struct DHCPv6Authority: LeaseAuthority {
    private var server: DHCPv6Server

    init(_ settings: DHCPv6Server.Settings) { server = DHCPv6Server(settings) }

    mutating func handle(_ input: RelayInput, of bond: ServedBond?, now: LeaseTime) -> [RelayEffect] {
        switch input {
        case .fromClient(let bytes, let source, let client):
            guard let message = try? DHCPv6Message(parsing: bytes) else { return [.discarded(.malformed, client)] }
            let effects = server.handle(.message(message, from: client, group: bond?.group ?? ""), now: now)
            return effects.map { effect($0, source) }
        case .timeout: return server.handle(.timeout, now: now).map { effect($0, .v6(.any)) }
        case .withdraw(let client): return server.handle(.withdraw(client), now: now).map { effect($0, .v6(.any)) }
        case .fromServer: return []
        }
    }

    mutating func claim(
        _ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity, now: LeaseTime
    ) -> [RelayEffect] {
        server.handle(.claim(prefixes, lease: lease, of: client), now: now).map { effect($0, .v6(.any)) }
    }

    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? {
        server.holder(of: prefix, besides: client)
    }

    private func effect(_ effect: ServerEffect<DHCPv6Message>, _ source: IPAddress) -> RelayEffect {
        RelayEffect(effect) { RelayedDatagram(payload: $0.serialized(), destination: source, port: 546) }
    }

    var takesFromServers: Bool { false }
    var deadline: LeaseTime? { server.deadline }
    var leases: [Lease] { server.leases }
    func resources(of client: ClientIdentity) -> [IPPrefix] { server.lease(of: client).map { [$0.resource] } ?? [] }
    func lines(_ clock: WallClock) -> [String] { server.lines(clock) }
    mutating func load(_ lines: [Substring], _ clock: WallClock) -> [Int] { server.load(lines, clock).rejected }
}

extension RelayEffect {
    fileprivate init<Answer>(_ effect: ServerEffect<Answer>, _ datagram: (Answer) -> RelayedDatagram) {
        switch effect {
        case .send(let answer, let client): self = .send(datagram(answer), to: client)
        case .addRoute(let prefix, let client): self = .addRoute(prefix, client)
        case .removeRoute(let prefix, let client): self = .removeRoute(prefix, client)
        case .event(let event): self = .event(event)
        case .discarded(let reason, let client): self = .discarded(reason, client)
        }
    }
}
