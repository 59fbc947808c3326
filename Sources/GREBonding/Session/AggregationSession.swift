public import Addresses

/// One bonding connection at the aggregator.
public struct AggregationSession: Hashable, Sendable {
    struct Leg: Hashable, Sendable {
        var address: IPAddress
        /// When the gateway was last heard on this leg.
        var heard: Instant
        /// Whether anything came with the Bonding Key: then the Accept has arrived.
        var confirmed = false
        var doubt = Doubt.none
    }

    /// What is done before a leg without Hellos is given up: the kernel's counter of what it brought is read one Hello
    /// Interval before and at the end. Packets are as good a sign of life as the Hellos that were lost between them.
    enum Doubt: Hashable, Sendable {
        case none
        case asked
        case watched(UInt64)
        case asksAgain(UInt64, until: Instant)
    }

    public let id: UInt32
    public let client: ClientIdentificationName
    let key: UInt32
    /// H, in the family that the gateway speaks.
    let local: IPAddress
    /// What the gateway was told last.
    var parameters: SessionParameters
    var legs: [LegID: Leg] = [:]
    var authorization: Authorization
    var dslSynchronizationRate: UInt32 = 0
    /// Kbit/s downstream beside the bond, as the gateway measured last (RFC 8157 §5.6.1).
    public internal(set) var bypassRate: UInt32 = 0
    /// The gateway asked for the primary leg alone (§5.6.3).
    public internal(set) var primaryOnly = false
    public internal(set) var diagnostic: Diagnostic?
    public internal(set) var helloState = HelloState.active
    /// The prefix that the gateway uses in its LAN (§5.6.7); ::/0: none yet.
    public internal(set) var hostPrefix = AssignedIPv6Prefix.none
    /// How much later the gateway is heard by the secondary leg.
    public internal(set) var delays = LegDelays()
    var notifies = NotifyQueue()
    var verification: Verification?
    /// When the Tunnel Verification was sent that measures a leg's round trip.
    var probes: [LegID: Instant] = [:]
    var filters: FilterListSender
    /// The gateway refused its first filter list.
    var filterListMustRestart = false
    let monitorsTraffic: Bool
    var wasUp = false
    /// Whether anything ever came with the Bonding Key, on any leg.
    var wasHeard = false
    public internal(set) var bond: Bond?

    /// Tunnel verification, RFC 8157 §5.6.15.
    struct Verification: Hashable, Sendable {
        var request: PendingSetup
        var attempts: Int
        var next: Instant
    }

    public var gatewayAddresses: [LegID: IPAddress] { legs.mapValues(\.address) }

    /// Whether the gateway has been heard on the leg, so that it can be asked there.
    public func isConfirmed(_ leg: LegID) -> Bool { legs[leg]?.confirmed == true }

    init(
        id: UInt32, key: UInt32, client: ClientIdentificationName, local: IPAddress, authorization: Authorization,
        settings: AggregationPoint.Settings
    ) {
        self.id = id
        self.key = key
        self.client = client
        self.local = local
        self.authorization = authorization
        parameters = authorization.parameters ?? settings.parameters
        filters = FilterListSender(nextCommitCount: settings.firstCommitCount)
        monitorsTraffic = settings.monitorsTraffic
    }

    /// How long a leg may be silent. The gateway gives up after its attempts; the aggregator only when it must have
    /// done so. A leg that never said anything has no share in the Idle Hello State.
    private func tolerance(of leg: Leg) -> Duration {
        helloInterval(of: leg) * (Int(parameters.helloRetryTimes) + 1)
    }

    private func helloInterval(of leg: Leg) -> Duration {
        let idle = helloState == .idle && leg.confirmed
        return .seconds(Int64(idle ? parameters.idleHelloInterval : parameters.activeHelloInterval))
    }

    /// When a leg that stays silent is looked at next.
    private func deadline(of leg: Leg) -> Instant {
        switch leg.doubt {
        case .none where monitorsTraffic: return leg.heard + helloInterval(of: leg) * Int(parameters.helloRetryTimes)
        case .none, .asked, .watched: return leg.heard + tolerance(of: leg)
        case .asksAgain(_, let until): return until
        }
    }

    var deadline: Instant? {
        // For each message of thousands of gateways: without an array.
        var least = verification?.next
        func take(_ time: Instant) { least = least.map { min($0, time) } ?? time }
        for leg in legs.values { take(deadline(of: leg)) }
        if wasHeard, let next = notifies.next { take(next) }
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
            distribution: Bond.distribution(over: legs.keys, primaryOnly: primaryOnly, diagnostic: diagnostic),
            committedInformationRate: committedInformationRate, client: client)
    }

    /// Drops legs that were not heard for too long. A request is returned when verification ended without an answer.
    mutating func runTimers(_ now: Instant, _ effects: inout [AggregationPoint.Effect]) -> PendingSetup? {
        for leg in legs.keys.sorted() {
            guard let state = legs[leg], deadline(of: state) <= now else { continue }
            switch state.doubt {
            case .none where monitorsTraffic:
                legs[leg]?.doubt = .asked
                effects.append(.sampleTraffic(sessionID: id))
            case .watched(let count):
                legs[leg]?.doubt = .asksAgain(count, until: now + Constants.sampleWait)
                effects.append(.sampleTraffic(sessionID: id))
            case .none, .asked, .asksAgain: drop(leg, .helloLost, &effects)
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

    /// The answer to ``AggregationPoint/Effect/sampleTraffic(sessionID:)``.
    mutating func sampled(_ sample: TrafficSample, _ now: Instant, _ effects: inout [AggregationPoint.Effect]) {
        for leg in legs.keys.sorted() {
            let count = sample.received[leg] ?? 0
            switch legs[leg]?.doubt {
            case .asked: legs[leg]?.doubt = .watched(count)
            case .asksAgain(let before, _) where before == count: drop(leg, .helloLost, &effects)
            case .asksAgain: heard(leg, now)
            case .some(.none), .watched, nil: break
            }
        }
    }

    /// Measures a leg's round trip by a Tunnel Verification, which the gateway answers at once (RFC 8157 §5.6.15). A
    /// later one of a leg takes the place of one that is under way; a real verification is not disturbed. A gateway that
    /// was not heard since a restart may be asked: its leg was in use before.
    mutating func probe(_ leg: LegID, _ now: Instant, _ effects: inout [AggregationPoint.Effect]) {
        guard legs[leg] != nil, verification == nil else { return }
        probes[leg] = now
        send(.notify, [.tunnelVerification], preferring: leg, &effects)
    }

    mutating func heard(_ leg: LegID, _ now: Instant) {
        legs[leg]?.heard = now
        legs[leg]?.doubt = .none
    }

    mutating func join(
        _ leg: LegID, _ address: IPAddress, _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        // Also when the leg is there: a gateway that asks has lost it, and with it what the legs had in common.
        forgetShared(&effects)
        if legs[leg]?.address == address {
            heard(leg, now)
            return
        }
        legs[leg] = Leg(address: address, heard: now)
        wasUp = true
        effects.append(.event(sessionID: id, .legUp(leg, address)))
    }

    mutating func drop(_ leg: LegID, _ reason: LegDownReason, _ effects: inout [AggregationPoint.Effect]) {
        guard legs.removeValue(forKey: leg) != nil else { return }
        effects.append(.event(sessionID: id, .legDown(leg, reason)))
        if leg == .primary { bypassRate = 0 }
        delays.forget(leg)
        forgetShared(&effects)
    }

    /// What the legs had in common ends when one of them comes or goes, at both ends.
    private mutating func forgetShared(_ effects: inout [AggregationPoint.Effect]) {
        primaryOnly = false
        if diagnostic != nil {
            diagnostic = nil
            effects.append(.event(sessionID: id, .diagnostic(nil)))
        }
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
}
