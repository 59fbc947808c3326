import Addresses

// Setup of the gateway's legs, and what arrives from the aggregator: RFC 8157 §5.1–§5.3, §6.2.
extension HomeGatewaySession {
    /// The first leg may always ask; the others need the Session ID that it brings.
    func mayRequest(_ id: LegID) -> Bool { id == grantingLeg || grant != nil }

    mutating func request(_ id: LegID, attempt: Int, _ now: Instant, _ effects: inout [Effect]) {
        let doublings = min(attempt - 1, 6)
        let wait = min(Constants.setupRetransmission * (1 << doublings), Constants.setupRetransmissionLimit)
        let next = now + jittered(wait)
        legs[id]?.state = .requesting(attempts: attempt, next: next)
        var attributes: [Attribute] = []
        if id == grantingLeg { attributes.append(.clientIdentificationName(settings.client)) }
        if let grant { attributes.append(.sessionID(grant.sessionID)) }
        if id != grantingLeg { attributes.append(.dslSynchronizationRate(settings.dslSynchronizationRate)) }
        effects.append(
            .send(
                ControlMessage(type: .setupRequest, leg: id, key: grant?.key ?? 0, attributes: attributes), on: id,
                to: grant?.aggregator ?? settings.aggregator))
        effects.append(.event(.setupRequested(id, attempt: attempt)))
    }

    mutating func receive(
        _ message: ControlMessage, _ id: LegID, _ source: IPAddress, _ now: Instant, _ effects: inout [Effect]
    ) {
        func discard(_ reason: DiscardReason) { effects.append(.event(.discarded(reason))) }
        guard let leg = legs[id], message.leg == id else { return discard(.wrongLeg) }
        guard source == settings.aggregator || source == grant?.aggregator else { return discard(.wrongSource) }
        let asking = if case .requesting = leg.state { true } else { false }
        if message.key != grant?.key {
            // Only the answer to the very first request may carry a key that is not yet known.
            let first = grant == nil && id == grantingLeg && asking
            let key = message.bondingKeyValue
            guard first, message.type == .setupDeny || message.key == 0 || message.key == key else {
                return discard(.unknownKey)
            }
        }
        switch message.type {
        case .setupAccept:
            guard asking else { return discard(.unsolicited) }
            accepted(message, id, now, &effects)
        case .setupDeny:
            guard asking else { return discard(.unsolicited) }
            denied(message.errorCode, id, now, &effects)
        case .hello:
            guard case .established(var hello) = leg.state else { return discard(.unsolicited) }
            guard let timestamp = message.timestamp else { return discard(.missingAttribute) }
            let interval = Duration.seconds(Int64(parameters.activeHelloInterval))
            guard let sample = hello.answered(timestamp, receivedAt: now, interval: interval) else {
                return discard(.unsolicited)
            }
            legs[id]?.state = .established(hello)
            effects.append(.event(.roundTrip(id, sample)))
        case .tearDown:
            let wait = denyWait(message.errorCode, denials: 0)
            endBond(.tornDown(message.errorCode), now, wait: wait, &effects)
        case .notify: notified(message, id, now, &effects)
        case .setupRequest: discard(.unexpectedType)
        }
    }

    private mutating func accepted(
        _ message: ControlMessage, _ id: LegID, _ now: Instant, _ effects: inout [Effect]
    ) {
        guard let address = legs[id]?.address else { return }
        if id == grantingLeg {
            let h: IPAddress? =
                switch settings.aggregator.family {
                case .v4: message.hIPv4Address.map(IPAddress.v4)
                case .v6: message.hIPv6Address.map(IPAddress.v6)
                }
            guard let sessionID = message.sessionID, let h, let key = message.bondingKeyValue ?? grant?.key else {
                effects.append(.event(.discarded(.missingAttribute)))
                return
            }
            guard h.isUnicast, !h.isLinkLocal else {
                effects.append(.event(.discarded(.unusableAddress)))
                return
            }
            if grant?.sessionID != sessionID || grant?.key != key {
                grant = Grant(sessionID: sessionID, key: key, aggregator: h)
            }
            grant?.aggregator = h
        }
        parameters.take(message.attributes)
        if let rate = message.configuredDSLUpstreamBandwidth { grant?.primaryUpstreamRate = rate }
        if let rate = message.configuredDSLDownstreamBandwidth { grant?.primaryDownstreamRate = rate }
        legs[id]?.state = .established(HelloMonitor(next: now))
        legs[id]?.denials = 0
        reviveUntil = nil
        effects.append(.event(.legUp(id, address)))
        let lost: Attribute = id == primaryLeg ? .dslLinkFailure : .lteLinkFailure
        notifies.drop(now: now) { $0.attributes == [lost] }
    }

    /// RFC 8157 §5.3: the setup ends; a later try starts from the beginning.
    private mutating func denied(
        _ code: ErrorCode?, _ id: LegID, _ now: Instant, _ effects: inout [Effect]
    ) {
        let denials = (legs[id]?.denials ?? 0) + 1
        legs[id]?.denials = denials
        effects.append(.event(.setupDenied(id, code ?? ErrorCode(rawValue: 0))))
        let revival = id == grantingLeg && grant != nil
        let next = now + jittered(denyWait(code, denials: denials))
        legs[id]?.state = .waiting(until: next)
        // The aggregator does not know the bond any more: nothing is left to revive.
        if revival, legsUp.isEmpty { endBond(.allLegsLost, now, &effects) }
    }

    private func denyWait(_ code: ErrorCode?, denials: Int) -> Duration {
        let transient: Bool =
            switch code {
            case .haapUnreachableOverLTE?, .haapUnreachableOverDSL?, .lteTunnelFailed?, .dslTunnelFailed?,
                .sessionAlreadyExists?, .maintenance?, .managementErrorDuringLTESetup?,
                .managementErrorDuringDSLSetup?:
                true
            default: false
            }
        let first = transient ? Constants.transientDenyWait : Constants.permanentDenyWait
        return min(first * (1 << min(max(denials - 1, 0), 10)), Constants.denyWaitLimit)
    }

    /// RFC 8157 §5.6: an acknowledgement of ours, or something to acknowledge by sending it back.
    private mutating func notified(
        _ message: ControlMessage, _ id: LegID, _ now: Instant, _ effects: inout [Effect]
    ) {
        if notifies.acknowledge(message.attributes, now: now) { return }
        guard let grant, isUp(id) else {
            effects.append(.event(.discarded(.unsolicited)))
            return
        }
        // Filter lists have an answer of their own; until rules are made of them the list is refused as "no list yet"
        // would be: by silence, so that the aggregator repeats it.
        let echo = message.attributes.filter { if case .filterListPackage = $0 { false } else { true } }
        guard !echo.isEmpty else { return }
        effects.append(
            .send(
                ControlMessage(type: .notify, leg: id, key: grant.key, attributes: echo), on: id,
                to: grant.aggregator))
    }
}
