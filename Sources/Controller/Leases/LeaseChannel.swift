import Addresses
import EventLog
import Formatting
import GREBonding
import Glibc
import Leases
import Logging

/// DHCP of one family between all bonds and whoever answers it: one socket, one file.
final class LeaseChannel {
    private let family: IPFamily
    private let socket: DHCPSocket
    private var authority: any LeaseAuthority
    private let file: StateFile
    private let log = Log("dhcp")
    /// This end's address in answers; nil: the kernel's choice, which for DHCPv6 is the link-local one.
    private let address: IPAddress?
    private let group: ServersGroup?
    private var bonds: [UInt32: ServedBond] = [:]
    private var links: [ClientIdentity: UInt32] = [:]
    private var allowances: [UInt32: Allowance] = [:]
    private(set) var rejectedLines = 0
    private var appendedLines = 0
    /// With so many lines more the file is written anew.
    private var appendLimit = 1000
    /// Of the wall clock when the file was last written as a whole.
    private var writtenOffset = WallClock.read().offset
    private var fileErrors: UInt64 = 0
    private var received: UInt64 = 0
    private var sent: UInt64 = 0
    private var unsent: UInt64 = 0
    private var granted: UInt64 = 0
    private var discarded: [String: UInt64] = [:]
    /// Called with sessions whose leases are others than before.
    private let changed: (UInt32) -> Void

    init(
        _ family: IPFamily, _ authority: any LeaseAuthority, address: IPAddress?, file: StateFile,
        changed: @escaping (UInt32) -> Void
    ) throws(SystemError) {
        self.family = family
        self.authority = authority
        self.address = address
        self.file = file
        self.changed = changed
        socket = try DHCPSocket(family, port: family == .v4 ? 67 : 547)
        group = family == .v6 ? ServersGroup() : nil
        load()
    }

    var descriptor: Int32 { socket.descriptor }
    var deadline: Instant? { authority.deadline?.instant }
    func resources(of client: ClientIdentity) -> [IPPrefix] { authority.resources(of: client) }
    var leases: [Lease] { authority.leases }

    /// See ``LeaseAuthority/claim(_:lease:of:now:)``; what is not of this family is left out.
    func claim(_ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity) {
        let own = prefixes.filter { $0.address.family == family }
        run(authority.claim(own, lease: lease, of: client, now: .now))
    }

    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? {
        authority.holder(of: prefix, besides: client)
    }

    // MARK: Bonds

    func add(_ bond: ServedBond) {
        guard bonds[bond.link] != bond else { return }
        bonds[bond.link] = bond
        links[bond.client] = bond.link
        if allowances[bond.link] == nil { allowances[bond.link] = Allowance(now: Clock.now()) }
        do throws(SystemError) {
            try group?.join(bond.link)
        } catch {
            log(.error, "no-group", "DHCPv6 requests of the bond are not heard: \(error)", ["bond": bond.client])
        }
    }

    func remove(link: UInt32) {
        guard let bond = bonds.removeValue(forKey: link) else { return }
        allowances[link] = nil
        if links[bond.client] == link { links[bond.client] = nil }
        group?.leave(link)
    }

    // MARK: Datagrams

    /// Takes what waits in the socket, 256 datagrams at most.
    func receive() {
        for _ in 0..<256 {
            guard let datagram = socket.receive() else { return }
            received &+= 1
            let now = LeaseTime.now
            if let bond = bonds[datagram.link] {
                guard allowances[datagram.link]?.take(Clock.now()) == true else {
                    count("too_many", bond.client)
                    continue
                }
                run(
                    authority.handle(
                        .fromClient(datagram.payload, source: datagram.source, bond.client), of: bond, now: now))
            } else if authority.takesFromServers {
                run(authority.handle(.fromServer(datagram.payload, source: datagram.source), of: nil, now: now))
            } else {
                count("not_a_bond")
            }
        }
    }

    func work(_ now: Instant) {
        guard let deadline, deadline <= now else { return }
        run(authority.handle(.timeout, of: nil, now: LeaseTime(now)))
    }

    private func run(_ effects: [RelayEffect]) {
        guard !effects.isEmpty else { return }
        // What is promised is on disk, and has its route, before the client hears of it.
        keep(effects.compactMap { effect in if case .event(let event) = effect { event } else { nil } })
        var touched: Set<UInt32> = []
        for case .addRoute(_, let client) in effects { _ = links[client].flatMap { bonds[$0] }.map { touched.insert($0.session) } }
        for case .removeRoute(_, let client) in effects {
            _ = links[client].flatMap { bonds[$0] }.map { touched.insert($0.session) }
        }
        for session in touched { changed(session) }
        for effect in effects {
            switch effect {
            case .send(let datagram, let client): send(datagram, link: links[client])
            case .forward(let datagram): send(datagram, link: 0)
            case .discarded(let reason, let client): count(reason.rawValue, client)
            case .event(let event): note(event)
            case .addRoute, .removeRoute: break
            }
        }
    }

    private func send(_ datagram: RelayedDatagram, link: UInt32?) {
        guard let link else { return count("no_bond") }
        let source = link == 0 || family == .v4 ? address : nil
        if socket.send(datagram.payload, to: datagram.destination, port: datagram.port, link: link, from: source) {
            sent &+= 1
        } else {
            unsent &+= 1
            log(.info, "send-failed", String(cString: strerror(errno)), ["to": datagram.destination])
        }
    }

    private func count(_ reason: String, _ client: ClientIdentity? = nil) {
        discarded[reason, default: 0] &+= 1
        log(
            reason == DiscardReason.exhausted.rawValue ? .warning : .info, "dhcp-discarded",
            "a DHCP message was not acted on", ["why": reason, "bond": client?.description ?? "-"])
    }

    private func note(_ event: LeaseEvent) {
        let fields: KeyValuePairs<String, any CustomStringConvertible> = [
            "bond": event.lease.client, "resource": event.lease.resource,
        ]
        switch event {
        case .granted:
            granted &+= 1
            log(.info, "lease-granted", "leased", fields)
        case .renewed: log(.debug, "lease-renewed", "leased on", fields)
        case .ended(_, let reason): log(.info, "lease-ended", reason.rawValue, fields)
        }
    }

    // MARK: File

    private func load() {
        do throws(SystemError) {
            let text = try file.read()
            let rejected = authority.load(text.split(separator: "\n", omittingEmptySubsequences: false), .read())
            rejectedLines = rejected.count
            if let first = rejected.first {
                log(
                    .warning, "lease-file", "lines that cannot be read or no longer fit were left out",
                    ["file": file.path, "lines": rejected.count, "first": first])
            }
            if !text.isEmpty { try rewrite() }
        } catch {
            failed(error)
        }
    }

    private func keep(_ events: [LeaseEvent]) {
        guard !events.isEmpty else { return }
        let clock = WallClock.read()
        appendedLines += events.count
        do throws(SystemError) {
            // Lines that were written before the wall clock was set say a time that is wrong now.
            let isSet = (clock.offset &- writtenOffset).magnitude > 1_000_000_000
            if isSet || appendedLines > appendLimit { return try rewrite() }
            try file.append(events.map { $0.line(clock) + "\n" }.joined())
        } catch {
            failed(error)
        }
    }

    private func rewrite() throws(SystemError) {
        let clock = WallClock.read()
        let lines = authority.lines(clock)
        try file.replace(lines.map { $0 + "\n" }.joined())
        appendedLines = 0
        appendLimit = 1000 + 2 * lines.count
        writtenOffset = clock.offset
    }

    /// Leases are given all the same; after a restart they would not be known.
    private func failed(_ error: SystemError) {
        fileErrors &+= 1
        log(.error, "lease-file", "\(error)")
    }

    // MARK: Status

    var json: JSONObject {
        var object = JSONObject()
        object.add("leases", authority.leases.count)
        object.add("granted", granted)
        object.add("received", received)
        object.add("sent", sent)
        object.add("unsent", unsent)
        object.add("drops", socket.drops)
        object.add("file_errors", fileErrors)
        object.add("rejected_lines", rejectedLines)
        var reasons = JSONObject()
        for (reason, count) in discarded.sorted(by: { $0.key < $1.key }) { reasons.add(reason, count) }
        object.add("discarded", reasons)
        return object
    }
}
