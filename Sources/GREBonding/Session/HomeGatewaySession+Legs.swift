import Addresses

// WAN changes, failures and timers of the gateway.
extension HomeGatewaySession {
    mutating func wanUp(_ id: LegID, _ address: IPAddress, _ now: Instant, _ effects: inout [Effect]) {
        guard var leg = legs[id] else { return }
        let moved = leg.address != nil && leg.address != address
        if case .established = leg.state, !moved { return }
        if case .requesting = leg.state, !moved { return }
        if case .established = leg.state {
            effects.append(.event(.legDown(id, .addressLost)))
            // The aggregator accepts the new address under the same Session ID; until then the bond stays if this
            // was its only leg.
            if legsUp == [id] { reviveUntil = now + Constants.revivalLimit }
        }
        leg.address = address
        leg.state = .waiting(until: now)
        legs[id] = leg
    }

    mutating func wanDown(_ id: LegID, _ reason: LegDownReason, _ now: Instant, _ effects: inout [Effect]) {
        guard legs[id] != nil else { return }
        let wasUp = isUp(id)
        legs[id]?.state = .unavailable
        if wasUp { legFailed(id, reason, now, &effects) }
        legs[id]?.address = nil
    }

    /// A leg that was up is lost: tell the aggregator over another one, or end the bond.
    mutating func legFailed(_ id: LegID, _ reason: LegDownReason, _ now: Instant, _ effects: inout [Effect]) {
        effects.append(.event(.legDown(id, reason)))
        if let leg = legs[id], case .established = leg.state {
            let next = now + jittered(Constants.setupRetransmission)
            legs[id]?.state = .waiting(until: next)
        }
        guard let other = legsUp.first else {
            endBond(.allLegsLost, now, &effects)
            return
        }
        // What this leg had still to say is said on the other one; a failure of the other one no longer holds.
        let lost: Attribute = id == primaryLeg ? .dslLinkFailure : .lteLinkFailure
        notifies.drop(now: now) { $0.attributes == [.dslLinkFailure] || $0.attributes == [.lteLinkFailure] }
        notify([lost], preferring: other, now, &effects)
    }

    /// Forgets the grant; every leg that has a WAN starts anew.
    mutating func endBond(
        _ reason: BondDownReason, _ now: Instant, wait: Duration = Constants.setupRetransmission,
        _ effects: inout [Effect]
    ) {
        guard let old = grant else { return }
        grant = nil
        reviveUntil = nil
        notifies = NotifyQueue()
        for id in settings.legs where legs[id]?.state != .unavailable {
            if isUp(id) { effects.append(.event(.legDown(id, .tornDown))) }
            let next = now + jittered(wait)
            legs[id]?.state = .waiting(until: next)
        }
        effects.append(.event(.bondDown(sessionID: old.sessionID, reason)))
    }

    /// Says goodbye on each leg that is up. The document knows no such message from a gateway; an aggregator that
    /// does not take it finds out by Hello loss.
    mutating func stop(_ effects: inout [Effect]) {
        if let grant {
            for id in legsUp {
                let code: ErrorCode = id == primaryLeg ? .dslTunnelFailed : .lteTunnelFailed
                effects.append(
                    .send(
                        ControlMessage(type: .tearDown, leg: id, key: grant.key, attributes: [.errorCode(code)]), on: id,
                        to: grant.aggregator))
            }
            effects.append(.event(.bondDown(sessionID: grant.sessionID, .stopped)))
        }
        grant = nil
        stopped = true
        if bond != nil {
            bond = nil
            effects.append(.bond(nil))
        }
    }

    mutating func notify(
        _ attributes: [Attribute], preferring id: LegID, _ now: Instant, _ effects: inout [Effect]
    ) {
        if !notifies.add(attributes, preferring: id, now: now) { effects.append(.event(.notifyAbandoned(id))) }
    }

    mutating func runTimers(_ now: Instant, _ effects: inout [Effect]) {
        if let limit = reviveUntil, limit <= now, legsUp.isEmpty { endBond(.allLegsLost, now, &effects) }
        for id in settings.legs.reversed() {
            switch legs[id]?.state {
            case .waiting(let until) where until <= now && mayRequest(id):
                request(id, attempt: 1, now, &effects)
            case .requesting(let attempts, let next) where next <= now:
                request(id, attempt: attempts + 1, now, &effects)
            case .established(var hello) where hello.next <= now:
                if let timestamp = hello.send(
                    now: now, interval: .seconds(Int64(parameters.activeHelloInterval)),
                    attempts: parameters.helloRetryTimes)
                {
                    legs[id]?.state = .established(hello)
                    sendHello(id, timestamp, &effects)
                } else {
                    legFailed(id, .helloLost, now, &effects)
                }
            default: break
            }
        }
        runNotifies(now, &effects)
    }

    private mutating func runNotifies(_ now: Instant, _ effects: inout [Effect]) {
        while let due = notifies.due(now: now) {
            switch due {
            case .abandoned(let entry): effects.append(.event(.notifyAbandoned(entry.leg)))
            case .send(let entry):
                guard let grant, let id = isUp(entry.leg) ? entry.leg : legsUp.first else { return }
                effects.append(
                    .send(
                        ControlMessage(type: .notify, leg: id, key: grant.key, attributes: entry.attributes), on: id,
                        to: grant.aggregator))
                return
            }
        }
    }

    private func sendHello(_ id: LegID, _ timestamp: Timestamp, _ effects: inout [Effect]) {
        guard let grant else { return }
        effects.append(
            .send(
                ControlMessage(
                    type: .hello, leg: id, key: grant.key,
                    attributes: [.timestamp(timestamp), .ipv6PrefixAssignedByHAAP(.none)]), on: id,
                to: grant.aggregator))
    }

    /// Spreads a wait over 75 % to 125 %: gateways that lost their aggregator together must not return together.
    mutating func jittered(_ wait: Duration) -> Duration {
        wait * Int(random.next(upperBound: UInt32(512)) + 768) / 1024
    }
}
