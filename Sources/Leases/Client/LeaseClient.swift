import Addresses

public enum ClientInput<Message: Hashable & Sendable>: Hashable, Sendable {
    /// The link is there. Without a lease to remember what the client had before is tried.
    case start(remembered: RememberedLease?)
    /// The link is gone; the lease goes on at the server and is asked for when the link is back.
    case suspend
    /// What was configured cannot be used on this host. The client asks anew after a pause; in DHCPv4 it says so first
    /// (RFC 2131 §3.1, step 5).
    case refuse
    /// The end. What is leased is released: in DHCPv4 by one message, in DHCPv6 by up to four until one is answered.
    case stop
    /// From UDP port 67 to port 68 on the link, or from 547 to 546.
    case message(Message)
    case timeout
}

/// What a client has been given.
package protocol ClientLease: Hashable, Sendable {
    var remembered: RememberedLease { get }
}

/// What the clients of both families have in common.
package protocol LeaseClient: Sendable {
    associatedtype Message: Hashable & Sendable
    associatedtype Request: Hashable & Sendable
    associatedtype Configuration: ClientLease

    var lease: Configuration? { get set }

    mutating func runTimers(_ now: LeaseTime, _ effects: inout [ClientEffect<Request, Configuration>])
    mutating func start(
        _ known: RememberedLease?, _ now: LeaseTime, _ effects: inout [ClientEffect<Request, Configuration>])
    mutating func suspend()
    mutating func refuse(_ now: LeaseTime, _ effects: inout [ClientEffect<Request, Configuration>])
    mutating func stop(_ now: LeaseTime, _ effects: inout [ClientEffect<Request, Configuration>])
    /// Why the message was not acted on; nil when it was.
    mutating func receive(
        _ message: Message, _ now: LeaseTime, _ effects: inout [ClientEffect<Request, Configuration>]
    ) -> DiscardReason?
}

extension LeaseClient {
    /// Nanoseconds; RFC 2131 §3.1 has at least ten seconds.
    static var pauseAfterRefusal: Int64 { .seconds(10) }

    package mutating func handle(
        _ input: ClientInput<Message>, now: LeaseTime
    ) -> [ClientEffect<Request, Configuration>] {
        var effects: [ClientEffect<Request, Configuration>] = []
        runTimers(now, &effects)
        switch input {
        case .start(let remembered):
            drop(.stopped, &effects)
            start(remembered, now, &effects)
        case .suspend:
            drop(.stopped, &effects)
            suspend()
        case .refuse: if lease != nil { refuse(now, &effects) }
        case .stop: stop(now, &effects)
        case .message(let message):
            if let reason = receive(message, now, &effects) { effects.append(.event(.discarded(reason))) }
        case .timeout: break
        }
        return effects
    }

    /// Takes the lease out of use.
    mutating func drop(_ reason: LeaseLossReason, _ effects: inout [ClientEffect<Request, Configuration>]) {
        guard let old = lease else { return }
        lease = nil
        effects.append(.configure(nil))
        effects.append(.event(.lost(old.remembered.resource, reason)))
    }
}
