public import Addresses

/// One bonding connection at the aggregator.
public struct AggregationSession: Hashable, Sendable {
    struct Leg: Hashable, Sendable {
        var address: IPAddress
        /// When the gateway was last heard on this leg.
        var heard: Instant
        /// Whether anything came with the Bonding Key: then the Accept has arrived.
        var confirmed = false
    }

    public let id: UInt32
    public let client: ClientIdentificationName
    let key: UInt32
    /// H, in the family that the gateway speaks.
    let local: IPAddress
    var legs: [LegID: Leg] = [:]
    var authorization: Authorization
    var dslSynchronizationRate: UInt32 = 0
    var bypassRate: UInt32 = 0
    let tolerance: Duration
    var notifies = NotifyQueue()
    var verification: Verification?
    var wasUp = false
    public internal(set) var bond: Bond?

    /// Tunnel verification, RFC 8157 §5.6.15.
    struct Verification: Hashable, Sendable {
        var request: PendingSetup
        var attempts: Int
        var next: Instant
    }

    public var gatewayAddresses: [LegID: IPAddress] { legs.mapValues(\.address) }

    init(
        id: UInt32, key: UInt32, client: ClientIdentificationName, local: IPAddress, authorization: Authorization,
        parameters: SessionParameters
    ) {
        self.id = id
        self.key = key
        self.client = client
        self.local = local
        self.authorization = authorization
        // The gateway gives up after its attempts; the aggregator only when it must have done so.
        tolerance = .seconds(Int64(parameters.activeHelloInterval) * Int64(parameters.helloRetryTimes + 1))
    }

    var deadline: Instant? {
        var least = legs.values.map { $0.heard + tolerance }.min()
        for t in [notifies.next, verification?.next].compactMap({ $0 }) { least = min(least ?? t, t) }
        return least
    }

    /// Committed rate downstream: what the operator configured, else what the modem reported, less what bypasses
    /// the bond (RFC 8157 §5.6.1).
    var committedInformationRate: UInt32 {
        let total = authorization.dslDownstream > 0 ? authorization.dslDownstream : dslSynchronizationRate
        return total == 0 ? 0 : max(1, total - min(total, bypassRate))
    }

    func wantedBond(_ settings: AggregationPoint.Settings) -> Bond? {
        guard !legs.isEmpty else { return nil }
        return Bond(
            sessionID: id, key: key, aggregator: local, legs: legs.mapValues(\.address),
            distribution: Bond.distribution(over: legs.keys, overflowAllowed: true),
            committedInformationRate: committedInformationRate, client: client)
    }

    /// Drops legs that were not heard for too long, repeats what was not acknowledged. A request is returned when
    /// verification ended without an answer.
    mutating func runTimers(_ now: Instant, _ effects: inout [AggregationPoint.Effect]) -> PendingSetup? {
        for (leg, state) in legs where state.heard + tolerance <= now { drop(leg, .helloLost, &effects) }
        if let due = notifies.due(now: now) {
            switch due {
            case .abandoned(let entry): effects.append(.event(sessionID: id, .notifyAbandoned(entry.leg)))
            case .send(let entry): send(.notify, entry.attributes, preferring: entry.leg, &effects)
            }
        }
        guard var check = verification, check.next <= now else { return nil }
        if check.attempts >= Constants.verificationAttempts {
            verification = nil
            return check.request
        }
        check.attempts += 1
        check.next = now + Constants.verificationInterval
        verification = check
        send(.notify, [.tunnelVerification], preferring: check.request.request.leg, &effects)
        return nil
    }

    mutating func drop(_ leg: LegID, _ reason: LegDownReason, _ effects: inout [AggregationPoint.Effect]) {
        guard legs.removeValue(forKey: leg) != nil else { return }
        effects.append(.event(sessionID: id, .legDown(leg, reason)))
    }

    func send(
        _ type: MessageType, _ attributes: [Attribute], preferring leg: LegID,
        _ effects: inout [AggregationPoint.Effect]
    ) {
        guard let id = legs[leg] != nil ? leg : legs.keys.min(), let state = legs[id] else { return }
        effects.append(
            .send(
                ControlMessage(type: type, leg: id, key: key, attributes: attributes), from: local, to: state.address))
    }

    /// A message of an established leg; key, leg and source are checked already.
    mutating func receive(
        _ message: ControlMessage, on leg: LegID, _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        legs[leg]?.heard = now
        legs[leg]?.confirmed = true
        switch message.type {
        case .hello:
            guard let timestamp = message.timestamp else {
                effects.append(.event(sessionID: id, .discarded(.missingAttribute)))
                return
            }
            var answer: [Attribute] = [.timestamp(timestamp)]
            answer.append(.ipv6PrefixAssignedByHAAP(message.ipv6PrefixAssignedByHAAP ?? .none))
            send(.hello, answer, preferring: leg, &effects)
        case .notify: notified(message.attributes, on: leg, now, &effects)
        default: effects.append(.event(sessionID: id, .discarded(.unexpectedType)))
        }
    }

    private mutating func notified(
        _ attributes: [Attribute], on leg: LegID, _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        if verification != nil, attributes == [.tunnelVerification] {
            deny(.sessionAlreadyExists, &effects)
            return
        }
        if notifies.acknowledge(attributes, now: now) { return }
        // Acknowledge first: the answer must leave on the leg that is about to go, if it is the one it came on.
        send(.notify, attributes, preferring: leg, &effects)
        for attribute in attributes {
            switch attribute {
            case .dslLinkFailure: drop(.primary, .reportedByPeer, &effects)
            case .lteLinkFailure: drop(.secondary, .reportedByPeer, &effects)
            case .bypassTrafficRate(let rate): bypassRate = rate
            default: break
            }
        }
    }

    /// The gateway that holds the session is alive: whoever else asked under its name is refused.
    private mutating func deny(_ code: ErrorCode, _ effects: inout [AggregationPoint.Effect]) {
        guard let check = verification?.request.request else { return }
        verification = nil
        effects.append(
            .send(
                ControlMessage(type: .setupDeny, leg: check.leg, key: check.key, attributes: [.errorCode(code)]),
                from: check.destination, to: check.source))
        effects.append(.event(sessionID: id, .setupDenied(check.leg, code)))
    }
}
