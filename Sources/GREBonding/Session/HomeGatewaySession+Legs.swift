import Addresses

// WAN changes, failures and timers of the gateway.
extension HomeGatewaySession {
    mutating func wanUp(_ id: LegID, _ address: IPAddress, _ now: Instant, _ effects: inout [Effect]) {
        guard var leg = legs[id] else { return }
        guard address.family == settings.family else {
            effects.append(.event(.discarded(.unusableAddress)))
            return wanDown(id, .addressLost, now, &effects)
        }
        let moved = leg.address != nil && leg.address != address
        if leg.state != .unavailable, !moved { return }
        if case .established = leg.state {
            effects.append(.event(.legDown(id, .addressLost)))
            // The aggregator accepts the new address under the same Session ID; until then the bond stays if this
            // was its only leg.
            if legsUp == [id] { reviveUntil = now + Constants.revivalLimit } else { forgetShared(id, now, &effects) }
        }
        leg.address = address
        // A report of this leg's failure that is still under way would undo a setup that overtakes it.
        let reported = Self.failure(of: id).flatMap(NotifyTopic.init).map(notifies.isUnderWay) ?? false
        leg.state = .waiting(until: reported ? now + Constants.setupRetransmission : now)
        leg.denials = 0
        legs[id] = leg
    }

    mutating func wanDown(_ id: LegID, _ reason: LegDownReason, _ now: Instant, _ effects: inout [Effect]) {
        guard let leg = legs[id] else { return }
        legs[id]?.state = .unavailable
        legs[id]?.address = nil
        switch leg.state {
        case .established: legFailed(id, reason, now, &effects)
        case .requesting, .waiting:
            // The aggregator may have accepted already, with the Accept still on its way.
            reportFailure(of: id, now)
            if legsUp.isEmpty, reviveUntil != nil { endBond(.allLegsLost, now, &effects) }
        case .unavailable: break
        }
    }

    /// A leg that was up is lost: tell the aggregator over another one, or end the bond.
    mutating func legFailed(_ id: LegID, _ reason: LegDownReason, _ now: Instant, _ effects: inout [Effect]) {
        effects.append(.event(.legDown(id, reason)))
        if let leg = legs[id], case .established = leg.state {
            let next = now + jittered(Constants.setupRetransmission)
            legs[id]?.state = .waiting(until: next)
        }
        guard !legsUp.isEmpty else { return endBond(.allLegsLost, now, &effects) }
        forgetShared(id, now, &effects)
        // The failure of another leg that was still to be said over this one no longer holds if that leg is up.
        for other in legsUp {
            if let topic = Self.failure(of: other).flatMap(NotifyTopic.init) { notifies.remove(topic) }
        }
        if reason != .reportedByPeer { reportFailure(of: id, now) }
        if id == grantingLeg, parameters.idleTimeout > 0, idleTimeoutAt == nil {
            idleTimeoutAt = now + .seconds(Int64(parameters.idleTimeout))
        }
    }

    /// What two legs had in common ends with one of them, at both ends.
    private mutating func forgetShared(_ id: LegID, _ now: Instant, _ effects: inout [Effect]) {
        rtt.reset()
        leavesSecondary = false
        notifies.remove(.distribution)
        if id == primaryLeg {
            notifies.remove(.bypassRate)
            nextBypassSample = nil
        }
        if diagnostic != nil {
            diagnostic = nil
            effects.append(.event(.diagnostic(nil)))
            notifies.remove(.diagnostic)
        }
    }

    /// Forgets the grant; every leg that has a WAN starts anew.
    mutating func endBond(
        _ reason: BondDownReason, _ now: Instant, wait: Duration = Constants.setupRetransmission,
        _ effects: inout [Effect]
    ) {
        guard let old = grant else { return }
        forgetBond(&effects)
        for id in settings.legs where legs[id]?.state != .unavailable {
            if isUp(id) { effects.append(.event(.legDown(id, .tornDown))) }
            let next = now + jittered(wait)
            legs[id]?.state = .waiting(until: next)
        }
        effects.append(.event(.bondDown(sessionID: old.sessionID, reason)))
    }

    private mutating func forgetBond(_ effects: inout [Effect]) {
        grant = nil
        reviveUntil = nil
        idleTimeoutAt = nil
        nextBypassSample = nil
        notifies = NotifyQueue()
        parameters = SessionParameters()
        rtt.reset()
        leavesSecondary = false
        diagnostic = nil
        helloState = .active
        wantedHelloState = .active
        traffic = TrafficWatch()
        delegatedPrefix = .none
        addressesBy = nil
        if filters.current != nil { effects.append(.filterList([])) }
        filters = FilterListAssembler(limits: filters.limits)
    }

    /// Says goodbye on each leg that is up. The document knows no such message from a gateway; an aggregator that
    /// does not take it finds out by Hello loss.
    private func sayGoodbye(_ effects: inout [Effect]) {
        guard let grant else { return }
        for id in legsUp {
            effects.append(
                .send(
                    ControlMessage(
                        type: .tearDown, leg: id, key: grant.key,
                        attributes: [.errorCode(.tunnelFailed(id))]), on: id,
                    to: grant.aggregator))
        }
    }

    mutating func stop(_ effects: inout [Effect]) {
        sayGoodbye(&effects)
        if let grant { effects.append(.event(.bondDown(sessionID: grant.sessionID, .stopped))) }
        forgetBond(&effects)
        stopped = true
        if bond != nil {
            bond = nil
            effects.append(.bond(nil))
        }
    }

    mutating func runTimers(_ now: Instant, _ effects: inout [Effect]) {
        if let limit = reviveUntil, limit <= now, legsUp.isEmpty { endBond(.allLegsLost, now, &effects) }
        if let limit = addressesBy, limit <= now { addressesBy = nil }
        if let limit = idleTimeoutAt, limit <= now {
            // RFC 8157 §5.2.8: the traffic goes on beside the tunnel.
            sayGoodbye(&effects)
            endBond(.idleTimeout, now, &effects)
        }
        // The notifications first: they may ask for a Hello, which must then be due before the deadline is read.
        runNotifies(now, &effects)
        for id in settings.legs.reversed() {
            switch legs[id]?.state {
            case .waiting(let until) where until <= now && mayRequest(id):
                request(id, attempt: 1, now, &effects)
            case .requesting(let attempts, let next) where next <= now:
                request(id, attempt: attempts + 1, now, &effects)
            case .established(var hello) where hello.next <= now:
                if let timestamp = hello.send(
                    now: now, interval: helloInterval, attempts: parameters.helloRetryTimes)
                {
                    legs[id]?.state = .established(hello)
                    sendHello(id, timestamp, &effects)
                } else {
                    legFailed(id, .helloLost, now, &effects)
                }
            default: break
            }
        }
        // A leg that just failed is reported at once.
        runNotifies(now, &effects)
    }

    mutating func probe(_ id: LegID, _ now: Instant, _ effects: inout [Effect]) {
        guard case .established(var hello)? = legs[id]?.state else { return }
        let timestamp = hello.probe(now: now)
        legs[id]?.state = .established(hello)
        sendHello(id, timestamp, &effects)
    }

    private func sendHello(_ id: LegID, _ timestamp: Timestamp, _ effects: inout [Effect]) {
        guard let grant else { return }
        effects.append(
            .send(
                ControlMessage(
                    type: .hello, leg: id, key: grant.key,
                    attributes: [.timestamp(timestamp), .ipv6PrefixAssignedByHAAP(delegatedPrefix)]), on: id,
                to: grant.aggregator))
    }

    /// Spreads a wait over 75 % to 125 %: gateways that lost their aggregator together must not return together.
    mutating func jittered(_ wait: Duration) -> Duration {
        wait * Int(random.next(upperBound: UInt32(512)) + 768) / 1024
    }
}
