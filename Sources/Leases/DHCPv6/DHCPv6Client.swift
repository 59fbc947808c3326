import Addresses

/// A requesting router: the client side of prefix delegation, RFC 8415 §18.2. One IA_PD. Reconfigure is not offered to
/// servers and is ignored.
public struct DHCPv6Client: LeaseClient {
    public struct Settings: Hashable, Sendable {
        public var identifier: DUID
        public var iaid: UInt32
        /// What is asked for, as a wish; nil: whatever the server gives.
        public var prefixLength: UInt8?
        public var rapidCommit = false
        /// The first message waits for a random time up to this many nanoseconds: SOL_MAX_DELAY.
        public var startDelay: Int64 = .seconds(1)

        public init(identifier: DUID, iaid: UInt32) {
            self.identifier = identifier
            self.iaid = iaid
        }
    }

    public enum State: String, Hashable, Sendable, CaseIterable {
        case stopped
        /// About to solicit.
        case initial = "init"
        case soliciting, requesting
        /// Asking whether what was had before a restart still holds.
        case rebooting
        case bound, renewing, rebinding, releasing
    }

    public typealias Input = ClientInput<DHCPv6Message>

    /// Goes from the link-local address, UDP port 546, to ``allServers``, port 547.
    public typealias Effect = ClientEffect<DHCPv6Message, DHCPv6Lease>

    /// ff02::1:2, All_DHCP_Relay_Agents_and_Servers.
    public static let allServers = IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x0001_0002)

    public let settings: Settings
    public internal(set) var state = State.stopped
    /// What is configured now.
    public package(set) var lease: DHCPv6Lease?
    /// What was had last, or is being asked for.
    public internal(set) var remembered: RememberedLease?

    var random: any RandomNumberGenerator & Sendable
    var wake: LeaseTime?
    var transactionID: UInt32 = 0
    var timing = Retransmission.request
    var timeout: Int64 = 0
    var attempts = 0
    /// When the exchange's first message was sent.
    var began = LeaseTime(nanoseconds: 0)
    /// When the transaction's first message was sent: lifetimes count from then.
    var asked = LeaseTime(nanoseconds: 0)
    /// The server that is asked, its preference, and the prefixes it spoke of.
    var server: (id: DUID, preference: Int, prefixes: [IPPrefix])?
    var solicitMaximum = Int64.seconds(3600)
    /// Refusals in a row.
    var refusals = 0

    public init(settings: Settings, random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()) {
        self.settings = settings
        self.random = random
    }

    /// When a timeout is next due.
    public var deadline: LeaseTime? {
        let ends = lease?.prefixes.map(\.validUntil) ?? []
        return state == .stopped ? nil : ([wake].compactMap { $0 } + ends).filter { $0 != .never }.min()
    }

    mutating func enter(_ state: State, wake: LeaseTime?) {
        self.state = state
        self.wake = wake
    }

    /// Starts a message exchange and sends its first message.
    mutating func exchange(
        _ state: State, _ timing: Retransmission, _ now: LeaseTime, _ effects: inout [Effect]
    ) {
        enter(state, wake: nil)
        self.timing = timing
        timeout = 0
        attempts = 0
        began = now
        send(now, &effects)
    }

    package mutating func start(_ known: RememberedLease?, _ now: LeaseTime, _ effects: inout [Effect]) {
        remembered = known ?? remembered
        refusals = 0
        attempts = 0
        server = nil
        let canReboot = remembered.map { $0.expiry > now && DelegatedPrefix.isUsable($0.resource) } ?? false
        let wait = Int64.random(in: 0...max(0, settings.startDelay), using: &random)
        enter(canReboot ? .rebooting : .initial, wake: now.adding(nanoseconds: wait))
    }

    package mutating func suspend() { enter(.stopped, wake: nil) }

    package mutating func refuse(_ now: LeaseTime, _ effects: inout [Effect]) {
        drop(.unusable, &effects)
        remembered = nil
        server = nil
        enter(.initial, wake: now.adding(nanoseconds: Self.pauseAfterRefusal))
    }

    package mutating func stop(_ now: LeaseTime, _ effects: inout [Effect]) {
        guard state != .releasing else { return }
        let old = lease
        drop(.stopped, &effects)
        remembered = nil
        guard let old else { return enter(.stopped, wake: nil) }
        server = (old.server, 0, old.prefixes.map(\.prefix))
        exchange(.releasing, .release, now, &effects)
    }

    /// After a refusal, with a pause that grows: RFC 8415 §14.1.
    mutating func solicitAgain(_ now: LeaseTime) {
        let wait = min(solicitMaximum, .seconds(1 << min(12, Int64(refusals))))
        refusals = min(refusals + 1, 16)
        server = nil
        enter(.initial, wake: now.adding(nanoseconds: wait + .random(in: 0...wait / 10, using: &random)))
    }

    package mutating func runTimers(_ now: LeaseTime, _ effects: inout [Effect]) {
        expire(now, &effects)
        guard state != .stopped, let due = wake, due <= now else { return }
        switch state {
        case .stopped: break
        case .initial: exchange(.soliciting, .solicit(maximum: solicitMaximum), now, &effects)
        case .soliciting:
            if server != nil { exchange(.requesting, .request, now, &effects) } else { send(now, &effects) }
        case .rebooting where attempts == 0: exchange(.rebooting, .confirm, now, &effects)
        case .rebooting, .requesting, .releasing:
            let isOver =
                timing.count > 0 && attempts >= timing.count
                || timing.duration > 0 && now.since(began) >= timing.duration
            if !isOver { return send(now, &effects) }
            if state == .releasing { return enter(.stopped, wake: nil) }
            server = nil
            if lease != nil { return exchange(.rebinding, .rebind, now, &effects) }
            exchange(.soliciting, .solicit(maximum: solicitMaximum), now, &effects)
        case .bound, .renewing:
            guard let lease else { return }
            if lease.rebinding <= now {
                exchange(.rebinding, .rebind, now, &effects)
            } else if state == .bound {
                exchange(.renewing, .renew, now, &effects)
            } else {
                send(now, &effects)
            }
        case .rebinding: send(now, &effects)
        }
    }

    /// Takes prefixes out of use whose valid lifetime is over.
    private mutating func expire(_ now: LeaseTime, _ effects: inout [Effect]) {
        guard var left = lease, left.prefixes.contains(where: { $0.validUntil <= now }) else { return }
        left.prefixes.removeAll { $0.validUntil <= now }
        if !left.prefixes.isEmpty {
            lease = left
            return effects.append(.configure(left))
        }
        drop(.expired, &effects)
        if state != .requesting {
            server = nil
            enter(.initial, wake: now)
        }
    }

    private mutating func send(_ now: LeaseTime, _ effects: inout [Effect]) {
        // A Solicit may go unanswered for longer than a lease lasts; one that is answered by a lease must be young.
        let isFresh = attempts == 0 || state == .soliciting && settings.rapidCommit
        if isFresh {
            transactionID = .random(in: 0...0xFF_FFFF, using: &random)
            asked = now
        }
        attempts += 1
        timeout = timing.timeout(after: timeout, using: &random)
        wake = now.adding(nanoseconds: timeout)
        if timing.duration > 0 { wake = min(wake ?? now, began.adding(nanoseconds: timing.duration)) }
        if state == .renewing, let lease { wake = min(wake ?? now, lease.rebinding) }
        effects.append(.send(message(now)))
    }

    private func message(_ now: LeaseTime) -> DHCPv6Message {
        let type: DHCPv6Message.MessageType =
            switch state {
            case .requesting: .request
            case .renewing: .renew
            case .rebinding, .rebooting: .rebind
            case .releasing: .release
            case .stopped, .initial, .soliciting, .bound: .solicit
            }
        var message = DHCPv6Message(type, transactionID: transactionID)
        message.client = settings.identifier
        message.elapsedTime = UInt16(clamping: now.since(began) / 10_000_000)
        var ia = IAPD(iaid: settings.iaid)
        let prefixes =
            switch state {
            case .requesting, .releasing: server?.prefixes ?? []
            case .renewing, .rebinding: lease?.prefixes.map(\.prefix) ?? []
            default: remembered.map { [$0.resource] } ?? settings.prefixLength.flatMap(Self.wish) ?? []
            }
        ia.prefixes = prefixes.compactMap { IAPrefix($0, preferredLifetime: 0, validLifetime: 0) }
        message.ias = [ia]
        if [.request, .renew, .release].contains(type) {
            message.server = type == .renew ? lease?.server : server?.id
        }
        if type != .release {
            message.optionRequest = [DHCPv6Message.Code.nameServers, DHCPv6Message.Code.maximumSolicitTimeout]
        }
        message.rapidCommit = type == .solicit && settings.rapidCommit
        return message
    }

    private static func wish(_ length: UInt8) -> [IPPrefix]? { IPPrefix(.any(.v6), length: length).map { [$0] } }
}
