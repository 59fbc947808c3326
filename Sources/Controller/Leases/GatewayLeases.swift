import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Leases
import Logging

/// The gateway's DHCP clients inside its bond (RFC 8157 §6.2): an IPv4 address for the bond's device, a prefix for the
/// LAN. What they had is remembered over restarts.
final class GatewayLeases {
    private let settings: TunnelConfiguration
    private let loop: EventLoop
    private let log = Log("dhcp")
    private let file: StateFile
    private var written = ""
    private var link: UInt32 = 0
    private var socket4: ClientSocket?
    private var socket6: DHCPSocket?
    /// What was remembered from an earlier run, until the client has taken it.
    private var known: [IPFamily: RememberedLease] = [:]
    private(set) var client4: DHCPv4Client?
    private(set) var client6: DHCPv6Client?
    /// What is in use.
    private(set) var lease4: DHCPv4Lease?
    private(set) var lease6: DHCPv6Lease?
    /// Prefixes that were in use and are still valid, until when.
    private(set) var former: [IPPrefix: LeaseTime] = [:]
    private(set) var refused: [LeaseRefusal: UInt64] = [:]
    private(set) var discarded: [Leases.DiscardReason: UInt64] = [:]
    private(set) var malformed: UInt64 = 0
    private(set) var unsent: UInt64 = 0

    /// Called when ``lease4``, ``lease6`` or ``former`` are others than before.
    var changed: () -> Void = {}
    /// What cannot be used on this host.
    var check: () -> LeaseCheck = { LeaseCheck(networks: [], aggregators: [], canonical: []) }

    /// - Parameter hardwareAddress: six bytes by which servers may know this gateway
    init(
        _ settings: TunnelConfiguration, _ state: StateConfiguration, _ loop: EventLoop, hardwareAddress: [UInt8]
    ) {
        self.settings = settings
        self.loop = loop
        file = StateFile(directory: state.directory, name: "gateway-leases")
        // Gateways were spread by the set-up of their tunnels.
        let delay: Int64 = 100_000_000
        if settings.dhcp {
            var value = DHCPv4Client.Settings(hardwareAddress: hardwareAddress, clientIdentifier: [1] + hardwareAddress)
            value.startDelay = delay
            client4 = DHCPv4Client(settings: value)
        }
        if settings.dhcp6 {
            var value = DHCPv6Client.Settings(identifier: DUID(linkLayer: hardwareAddress), iaid: 1)
            value.startDelay = delay
            value.rapidCommit = true
            client6 = DHCPv6Client(settings: value)
        }
        recall()
    }

    /// Whether what the bond cannot do without is there, as far as it is fetched.
    var hasAddress: Bool { client4 == nil || lease4 != nil }

    // MARK: The bond

    /// The bond's device is there. Clients ask whether what they had still holds.
    func bondUp(link: UInt32) {
        guard link != 0, self.link == 0 else { return }
        self.link = link
        openSocket6()
        // What was taken over from a run before goes on.
        if lease4 == nil { give4(.start(remembered: known.removeValue(forKey: .v4))) }
        if lease6 == nil { give6(.start(remembered: known.removeValue(forKey: .v6))) }
    }

    /// Takes over what a run before had: it is valid at once, and renewed when its time comes.
    func adopt(_ lease4: DHCPv4Lease?, _ lease6: DHCPv6Lease?) {
        if let lease4, client4?.resume(lease4, now: .now) == true {
            self.lease4 = lease4
            known[.v4] = nil
        }
        if let lease6, client6?.resume(lease6, now: .now) == true {
            self.lease6 = lease6
            known[.v6] = nil
            for prefix in lease6.prefixes { former[prefix.prefix] = nil }
        }
    }

    /// The device was made anew; the leases go on.
    func moved(to link: UInt32) {
        guard link != 0, self.link != 0, link != self.link else { return }
        let wasOpen = socket4 != nil
        closeSockets()
        self.link = link
        openSocket6()
        if wasOpen { openSocket4() }
    }

    private func openSocket6() {
        guard client6 != nil else { return }
        do throws(SystemError) {
            let socket = try DHCPSocket(.v6, port: 546, interface: settings.name.description)
            try loop.watch(socket.descriptor) { [weak self] in self?.receive6() }
            socket6 = socket
        } catch {
            log(.error, "no-socket", "no DHCPv6 inside the bond: \(error)")
        }
    }

    /// The bond has ended. The leases go on at the server.
    func bondDown() {
        guard link != 0 else { return }
        closeSockets()
        give4(.suspend)
        give6(.suspend)
    }

    /// The end: what is leased is given back while the bond is still there.
    func stop() {
        give4(.stop)
        give6(.stop)
        former = [:]
        changed()
        closeSockets()
    }

    private func closeSockets() {
        link = 0
        closeSocket4()
        if let socket = socket6 { loop.unwatch(socket.descriptor) }
        socket6 = nil
    }

    func work(_ now: Instant) -> Instant? {
        if let deadline = client4?.deadline?.instant, deadline <= now { give4(.timeout) }
        if let deadline = client6?.deadline?.instant, deadline <= now { give6(.timeout) }
        let time = LeaseTime(now)
        if former.contains(where: { $0.value <= time }) {
            former = former.filter { $0.value > time }
            changed()
        }
        return ([client4?.deadline, client6?.deadline].compactMap { $0 } + former.values).map(\.instant).min()
    }

    // MARK: DHCPv4

    private func give4(_ input: DHCPv4Client.Input) {
        guard let effects = client4?.handle(input, now: .now) else { return }
        for effect in effects {
            switch effect {
            case .send(let request):
                let datagram = DHCPv4Datagram(
                    from: request.source, DHCPv4Datagram.clientPort, to: request.destination,
                    DHCPv4Datagram.serverPort, request.message.serialized())
                if socket4 == nil { openSocket4() }
                if socket4?.send(datagram) != true { failed("DHCPv4") }
            case .configure(let lease):
                if let lease, let reason = check().refusal(of: lease.address) {
                    refuse(reason, "\(lease.address)")
                    return give4(.refuse)
                }
                lease4 = lease
                changed()
            case .event(let event): note(event)
            }
        }
        // The packet socket is there from the first message until it is answered.
        if [.bound, .stopped].contains(client4?.state) { closeSocket4() }
        remember()
    }

    private func openSocket4() {
        guard link != 0 else { return }
        do throws(SystemError) {
            let socket = try ClientSocket(link: link)
            try loop.watch(socket.descriptor) { [weak self] in self?.receive4() }
            socket4 = socket
        } catch {
            log(.error, "no-socket", "no DHCPv4 inside the bond: \(error)")
        }
    }

    private func closeSocket4() {
        if let socket = socket4 { loop.unwatch(socket.descriptor) }
        socket4 = nil
    }

    private func receive4() {
        for _ in 0..<64 {
            guard let datagram = socket4?.receive() else { return }
            do throws(Leases.WireError) {
                let message = try DHCPv4Message(parsing: datagram.payload)
                if datagram.sourcePort == DHCPv4Datagram.serverPort { give4(.message(message)) }
            } catch {
                malformed &+= 1
            }
        }
    }

    // MARK: DHCPv6

    private func give6(_ input: DHCPv6Client.Input) {
        guard let effects = client6?.handle(input, now: .now) else { return }
        for effect in effects {
            switch effect {
            case .send(let message):
                let isSent = socket6?.send(
                    message.serialized(), to: .v6(DHCPv6Client.allServers), port: 547, link: link)
                if isSent != true { failed("DHCPv6") }
            case .configure(let lease):
                if let lease, let (reason, prefix) = refusal(of: lease) {
                    refuse(reason, "\(prefix)")
                    return give6(.refuse)
                }
                take(lease)
            case .event(let event): note(event)
            }
        }
        remember()
    }

    /// Prefixes that are no longer used stay valid on the LAN until they end, but not for new connections.
    private func take(_ lease: DHCPv6Lease?) {
        let now = LeaseTime.now
        for old in lease6?.prefixes ?? [] where old.validUntil > now { former[old.prefix] = old.validUntil }
        for new in lease?.prefixes ?? [] { former[new.prefix] = nil }
        lease6 = lease
        changed()
    }

    private func refusal(of lease: DHCPv6Lease) -> (LeaseRefusal, IPPrefix)? {
        let check = check()
        for one in lease.prefixes {
            if let reason = check.refusal(of: one.prefix) { return (reason, one.prefix) }
        }
        return nil
    }

    private func receive6() {
        for _ in 0..<64 {
            guard let datagram = socket6?.receive() else { return }
            do throws(Leases.WireError) {
                give6(.message(try DHCPv6Message(parsing: datagram.payload)))
            } catch {
                malformed &+= 1
            }
        }
    }

    // MARK: What is remembered

    private func recall() {
        do throws(SystemError) {
            let clock = WallClock.read()
            written = try file.read()
            for line in written.split(separator: "\n").prefix(2) {
                guard let lease = RememberedLease(line: line, clock) else { continue }
                known[lease.resource.address.family] = lease
                // The LAN of an earlier run may still have its addresses; a prefix that is far too long-lived is no
                // prefix of a server's, but of a clock that was wrong.
                if lease.resource.address.family == .v6, client6 != nil, lease.expiry > clock.now,
                    lease.expiry.since(clock.now) < 366 * 86_400 * 1_000_000_000,
                    check().refusal(of: lease.resource) == nil
                {
                    former[lease.resource] = lease.expiry
                }
            }
        } catch {
            log(.warning, "lease-file", "\(error)")
        }
    }

    private func remember() {
        let clock = WallClock.read()
        let leases = [client4?.remembered ?? known[.v4], client6?.remembered ?? known[.v6]].compactMap { $0 }
        let text = leases.map { $0.line(clock) + "\n" }.joined()
        guard text != written else { return }
        do throws(SystemError) {
            try file.replace(text)
            written = text
        } catch {
            log(.warning, "lease-file", "\(error)")
        }
    }

    // MARK: Events

    private func failed(_ what: String) {
        unsent &+= 1
        log(.info, "send-failed", "\(what): \(String(cString: strerror(errno)))")
    }

    private func refuse(_ reason: LeaseRefusal, _ what: String) {
        refused[reason, default: 0] &+= 1
        log(.error, "lease-refused", "what was leased cannot be used here", ["resource": what, "why": reason.rawValue])
    }

    private func note(_ event: ClientEvent) {
        switch event {
        case .obtained(let lease): log(.notice, "lease-obtained", "leased", ["resource": lease.resource])
        case .renewed(let lease): log(.info, "lease-renewed", "leased on", ["resource": lease.resource])
        case .lost(let resource, let reason):
            log(.notice, "lease-lost", reason.rawValue, ["resource": resource])
        case .discarded(let reason):
            discarded[reason, default: 0] &+= 1
            log(.info, "dhcp-discarded", "a DHCP message was not acted on", ["why": reason.rawValue])
        }
    }
}
