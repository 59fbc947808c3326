import Addresses

/// A DHCPv4 client: the states of RFC 2131 §4.4, figure 5.
public struct DHCPv4Client: LeaseClient {
    public struct Settings: Hashable, Sendable {
        /// At most 16 bytes, sent as of type Ethernet.
        public var hardwareAddress: [UInt8]
        /// Option 61: type (1 byte) and identifier; nil: none is sent.
        public var clientIdentifier: [UInt8]?
        /// The first message waits for a random time up to this many nanoseconds. RFC 2131 §4.4.1 has 1 to 10 s so
        /// that hosts do not speak all at once after a power cut; gateways were spread by their tunnels' set-up before.
        public var startDelay: Int64 = .seconds(1)

        public init(hardwareAddress: [UInt8], clientIdentifier: [UInt8]? = nil) {
            self.hardwareAddress = hardwareAddress
            self.clientIdentifier = clientIdentifier
        }
    }

    public enum State: String, Hashable, Sendable, CaseIterable {
        case stopped
        case initial = "init"
        case selecting, requesting
        /// INIT-REBOOT and REBOOTING.
        case rebooting
        case bound, renewing, rebinding
    }

    public typealias Input = ClientInput<DHCPv4Message>

    /// A datagram from UDP port 68 to port 67.
    public struct Request: Hashable, Sendable {
        public var message: DHCPv4Message
        public var source: IPv4Address
        public var destination: IPv4Address
    }

    public typealias Effect = ClientEffect<Request, DHCPv4Lease>

    public let settings: Settings
    public internal(set) var state = State.stopped
    /// What is configured now.
    public package(set) var lease: DHCPv4Lease?
    /// What was had last, or is being asked for.
    public internal(set) var remembered: RememberedLease?

    var random: any RandomNumberGenerator & Sendable
    var wake: LeaseTime?
    var transactionID: UInt32 = 0
    var offer: (address: IPv4Address, server: IPv4Address)?
    /// When the exchange began, and when the request was sent that an answer is to be counted from.
    var began = LeaseTime(nanoseconds: 0)
    var asked = LeaseTime(nanoseconds: 0)
    var attempts = 0
    /// Refusals in a row.
    var refusals = 0

    public init(settings: Settings, random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()) {
        self.settings = settings
        self.random = random
    }

    /// When a timeout is next due.
    public var deadline: LeaseTime? {
        state == .stopped ? nil : [wake, lease?.expiry].compactMap { $0 }.filter { $0 != .never }.min()
    }

    mutating func enter(_ state: State, wake: LeaseTime?) {
        self.state = state
        self.wake = wake
        attempts = 0
        if state != .requesting { offer = nil }
    }

    package mutating func start(_ known: RememberedLease?, _ now: LeaseTime, _ effects: inout [Effect]) {
        remembered = known ?? remembered
        refusals = 0
        began = now
        let wait = Int64.random(in: 0...max(0, settings.startDelay), using: &random)
        enter(canReboot(now) ? .rebooting : .initial, wake: now.adding(nanoseconds: wait))
    }

    package mutating func suspend() { enter(.stopped, wake: nil) }

    package mutating func refuse(_ now: LeaseTime, _ effects: inout [Effect]) {
        guard let lease else { return }
        transactionID = .random(in: .min ... .max, using: &random)
        var message = message(.decline, now)
        message.requestedAddress = lease.address
        message.serverIdentifier = lease.server
        effects.append(.send(Request(message: message, source: .any, destination: DHCPv4Server.broadcast)))
        drop(.unusable, &effects)
        remembered = nil
        enter(.initial, wake: now.adding(nanoseconds: Self.pauseAfterRefusal))
    }

    package mutating func stop(_ now: LeaseTime, _ effects: inout [Effect]) {
        if let lease {
            var message = message(.release, now)
            message.clientAddress = lease.address
            message.serverIdentifier = lease.server
            effects.append(.send(Request(message: message, source: lease.address, destination: lease.server)))
        }
        drop(.stopped, &effects)
        remembered = nil
        enter(.stopped, wake: nil)
    }

    private func canReboot(_ now: LeaseTime) -> Bool {
        remembered.map { $0.expiry > now && address($0) != nil } ?? false
    }

    func address(_ remembered: RememberedLease) -> IPv4Address? {
        guard case .v4(let address) = remembered.resource.address, DHCPv4Lease.isUsable(address) else { return nil }
        return address
    }

    package mutating func runTimers(_ now: LeaseTime, _ effects: inout [Effect]) {
        if let lease, lease.expiry <= now {
            drop(.expired, &effects)
            began = now
            enter(.initial, wake: now)
        }
        guard state != .stopped, let due = wake, due <= now else { return }
        switch state {
        case .stopped: break
        case .initial:
            transactionID = .random(in: .min ... .max, using: &random)
            enter(.selecting, wake: nil)
            discover(now, &effects)
        case .selecting: discover(now, &effects)
        case .requesting, .rebooting:
            // Four in all, which takes a minute: RFC 2131 §3.1, step 5.
            if attempts >= 4 {
                enter(.initial, wake: now)
                return runTimers(now, &effects)
            }
            request(now, &effects)
        case .bound, .renewing:
            guard let lease else { return }
            if lease.rebinding <= now {
                enter(.rebinding, wake: nil)
            } else if state == .bound {
                enter(.renewing, wake: nil)
            }
            renew(lease, now, &effects)
        case .rebinding:
            if let lease { renew(lease, now, &effects) }
        }
    }

    private mutating func discover(_ now: LeaseTime, _ effects: inout [Effect]) {
        var message = message(.discover, now)
        message.requestedAddress = remembered.flatMap { address($0) }
        effects.append(.send(Request(message: message, source: .any, destination: DHCPv4Server.broadcast)))
        backOff(now)
    }

    /// The REQUEST that takes an offer or asks for what was had before a restart.
    mutating func request(_ now: LeaseTime, _ effects: inout [Effect]) {
        if state == .rebooting { transactionID = .random(in: .min ... .max, using: &random) }
        // The transaction of the offer goes on, so that an answer may be to any of its requests.
        if state == .rebooting || attempts == 0 { asked = now }
        var message = message(.request, now)
        message.requestedAddress = offer?.address ?? remembered.flatMap { address($0) }
        message.serverIdentifier = offer?.server
        effects.append(.send(Request(message: message, source: .any, destination: DHCPv4Server.broadcast)))
        backOff(now)
    }

    /// RFC 2131 §4.4.5. Each request is a transaction of its own: a lease counts from the one that was answered.
    private mutating func renew(_ lease: DHCPv4Lease, _ now: LeaseTime, _ effects: inout [Effect]) {
        if attempts == 0 { began = now }
        attempts += 1
        asked = now
        transactionID = .random(in: .min ... .max, using: &random)
        var message = message(.request, now)
        message.clientAddress = lease.address
        let isRenewal = state == .renewing
        effects.append(
            .send(
                Request(
                    message: message, source: lease.address,
                    destination: isRenewal ? lease.server : DHCPv4Server.broadcast)))
        let end = isRenewal ? lease.rebinding : lease.expiry
        wake = min(end, now.adding(nanoseconds: max(.seconds(60), end.since(now) / 2)))
    }

    /// RFC 2131 §4.1: 4, 8, 16, 32, 64, 64 … seconds, each give or take one.
    private mutating func backOff(_ now: LeaseTime) {
        let wait = Int64.seconds(4 << min(4, Int64(attempts)))
        attempts += 1
        wake = now.adding(nanoseconds: wait + .random(in: -.seconds(1) ... .seconds(1), using: &random))
    }

    private func message(_ type: DHCPv4Message.MessageType, _ now: LeaseTime) -> DHCPv4Message {
        typealias Code = DHCPv4Message.Code
        var message = DHCPv4Message(
            .request, transactionID: transactionID, hardwareAddress: settings.hardwareAddress)
        message.seconds = UInt16(clamping: now.since(began) / .seconds(1))
        message.messageType = type
        message.clientIdentifier = settings.clientIdentifier
        if type != .release, type != .decline {
            message.parameterRequestList = [
                Code.subnetMask, Code.classlessRoutes, Code.routers, Code.nameServers, Code.domainName, Code.interfaceMTU,
                Code.leaseTime, Code.renewalTime, Code.rebindingTime,
            ]
            message.maximumMessageSize = 1200
        }
        return message
    }
}
