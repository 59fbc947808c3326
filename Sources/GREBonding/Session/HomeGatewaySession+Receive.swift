import Addresses

// What arrives from the aggregator: RFC 8157 §5.2–§5.6, §7.
extension HomeGatewaySession {
    mutating func receive(
        _ message: ControlMessage, _ id: LegID, _ source: IPAddress, _ now: Instant, _ effects: inout [Effect]
    ) {
        func discard(_ reason: DiscardReason) { effects.append(.event(.discarded(reason))) }
        guard let leg = legs[id], message.leg == id else { return discard(.wrongLeg) }
        guard aggregators.contains(source) || source == grant?.aggregator else { return discard(.wrongSource) }
        let asking = if case .requesting = leg.state { true } else { false }
        if message.key != grant?.key {
            // Only the answer to the very first request may carry a key that is not yet known, and only an Accept.
            guard grant == nil, id == grantingLeg, asking,
                message.key == 0 || message.type == .setupAccept && message.key == message.bondingKeyValue
            else { return discard(.unknownKey) }
        }
        switch message.type {
        case .setupAccept:
            if asking { return accepted(message, id, now, &effects) }
            discard(.unsolicited)
            unasked(id, leg.state, now)
        case .setupDeny:
            guard asking else { return discard(.unsolicited) }
            denied(message.errorCode, id, now, &effects)
        case .hello: answered(message, id, now, &effects)
        case .tearDown:
            guard grant != nil else { return discard(.unsolicited) }
            tornDown(message.errorCode, id, now, &effects)
        case .notify: notified(message, id, now, &effects)
        case .setupRequest: discard(.unexpectedType)
        }
    }

    /// An Accept that came too late: the aggregator has a leg that this end has given up meanwhile.
    private mutating func unasked(_ id: LegID, _ state: LegState, _ now: Instant) {
        guard grant != nil else { return }
        switch state {
        case .unavailable: reportFailure(of: id, now)
        case .waiting: legs[id]?.state = .waiting(until: now)
        case .established:
            // A late copy of the request made the aggregator forget what it had been told.
            if primaryOnly { sayAnew(.distribution, now) }
            if diagnostic != nil { sayAnew(.diagnostic, now) }
        case .requesting: break
        }
    }

    private mutating func answered(
        _ message: ControlMessage, _ id: LegID, _ now: Instant, _ effects: inout [Effect]
    ) {
        guard case .established(var hello)? = legs[id]?.state else {
            return effects.append(.event(.discarded(.unsolicited)))
        }
        guard let timestamp = message.timestamp else {
            return effects.append(.event(.discarded(.missingAttribute)))
        }
        guard let sample = hello.answered(timestamp, receivedAt: now, interval: helloInterval) else {
            return effects.append(.event(.discarded(.unsolicited)))
        }
        legs[id]?.state = .established(hello)
        effects.append(.event(.roundTrip(id, sample)))
        guard helloState == .active, legsUp.count > 1, rtt.measured(sample, on: id, parameters) else { return }
        effects.append(.event(.primaryOnly(rtt.primaryOnly)))
        if !isSecondaryReserve, !leavesSecondary { say(.distribution, now) }
    }

    /// RFC 8157 §5.5. A tunnel failure of the very leg that the message came on ends that leg; everything else ends
    /// the bond. The Hellos of the other legs find out whether the aggregator still knows it.
    private mutating func tornDown(
        _ code: ErrorCode?, _ id: LegID, _ now: Instant, _ effects: inout [Effect]
    ) {
        if code == .tunnelFailed(id) {
            guard isUp(id) else { return effects.append(.event(.discarded(.unsolicited))) }
            legFailed(id, .reportedByPeer, now, &effects)
            hurryHellos(now)
        } else {
            refusals = min(refusals + 1, 1000)
            endBond(.tornDown(code), now, wait: denyWait(code, denials: refusals), &effects)
        }
    }
}
