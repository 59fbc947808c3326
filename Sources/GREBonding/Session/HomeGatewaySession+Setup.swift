import Addresses

// Setup of the gateway's legs: RFC 8157 §5.1–§5.3, §6.2.
extension HomeGatewaySession {
    /// The first leg may always ask; the others need the Session ID that it brings, and wait for the addresses.
    func mayRequest(_ id: LegID) -> Bool {
        if id == grantingLeg { return grant != nil || !aggregators.isEmpty }
        return grant != nil && addressesBy == nil
    }

    /// Whom the request with this number asks, from 1 on.
    private func destination(attempt: Int) -> IPAddress? {
        if let grant { return grant.aggregator }
        guard !aggregators.isEmpty else { return nil }
        return aggregators[(attempt - 1) / Self.requestsPerAddress % aggregators.count]
    }

    mutating func request(_ id: LegID, attempt: Int, _ now: Instant, _ effects: inout [Effect]) {
        guard let destination = destination(attempt: attempt) else {
            legs[id]?.state = .waiting(until: now)
            return
        }
        let doublings = min(attempt - 1, 6)
        let wait = min(Constants.setupRetransmission * (1 << doublings), Constants.setupRetransmissionLimit)
        let next = now + jittered(wait)
        legs[id]?.state = .requesting(attempts: attempt, next: next)
        var attributes: [Attribute] = []
        if id == grantingLeg { attributes.append(.clientIdentificationName(settings.client)) }
        if let grant { attributes.append(.sessionID(grant.sessionID)) }
        if id == primaryLeg, id != grantingLeg {
            attributes.append(.dslSynchronizationRate(settings.dslSynchronizationRate))
        }
        attributes += settings.extraAttributes[id] ?? []
        effects.append(
            .send(
                ControlMessage(type: .setupRequest, leg: id, key: grant?.key ?? 0, attributes: attributes), on: id,
                to: destination))
        effects.append(.event(.setupRequested(id, attempt: attempt)))
        if attempt == Constants.unansweredRequests {
            effects.append(
                .event(.setupUnanswered(id, .haapUnreachable(over: id))))
        }
    }

    mutating func accepted(_ message: ControlMessage, _ id: LegID, _ now: Instant, _ effects: inout [Effect]) {
        guard let address = legs[id]?.address else { return }
        let isFirst = grant == nil
        if id == grantingLeg {
            guard take(grantOf: message, &effects) else { return }
        }
        parameters.take(message.attributes)
        if let rate = message.configuredDSLUpstreamBandwidth { grant?.primaryUpstreamRate = rate }
        if let rate = message.configuredDSLDownstreamBandwidth { grant?.primaryDownstreamRate = rate }
        // A failure report of this leg that is still under way would end it at the other side: ask a second time.
        let failure = Self.failure(of: id)
        if let failure, let topic = NotifyTopic(failure) { notifies.remove(topic) }
        let strays = failure.flatMap(NotifyTopic.init).map { notifies.mayStray($0, now: now) } ?? false
        legs[id]?.state = .established(
            HelloMonitor(next: now + Constants.firstHello, extra: strays ? now + Constants.secondHello : nil))
        legs[id]?.denials = 0
        reviveUntil = nil
        if id == grantingLeg { idleTimeoutAt = nil }
        if id == primaryLeg {
            nextBypassSample = now + .seconds(Int64(parameters.bypassBandwidthCheckInterval))
            upstreamBypass = 0
        }
        if legsUp.count == settings.legs.count { refusals = 0 }
        effects.append(.event(.legUp(id, address)))
        if isFirst { began(now) }
        // The aggregator forgets both when a leg joins; a copy that it took before does not count.
        if legsUp.count > 1, primaryOnly || notifies.mayStray(.distribution, now: now) { sayAnew(.distribution, now) }
        if diagnostic != nil { sayAnew(.diagnostic, now) }
    }

    /// Session ID, key and H of the granting leg's Accept; false when they cannot be used. A bond that lives keeps its
    /// session; a key that the old one vouches for is taken over.
    private mutating func take(grantOf message: ControlMessage, _ effects: inout [Effect]) -> Bool {
        let h: IPAddress? =
            switch settings.family {
            case .v4: message.hIPv4Address.map(IPAddress.v4)
            case .v6: message.hIPv6Address.map(IPAddress.v6)
            }
        guard let sessionID = message.sessionID, let h, let key = message.bondingKeyValue ?? grant?.key, key != 0
        else {
            effects.append(.event(.discarded(.missingAttribute)))
            return false
        }
        guard h.isUnicast, !h.isLinkLocal, !legs.values.contains(where: { $0.address == h }) else {
            effects.append(.event(.discarded(.unusableAddress)))
            return false
        }
        guard let old = grant else {
            grant = Grant(sessionID: sessionID, key: key, aggregator: h)
            return true
        }
        guard old.sessionID == sessionID else {
            effects.append(.event(.discarded(.unknownSession)))
            return false
        }
        grant?.key = key
        grant?.aggregator = h
        return true
    }

    /// What a new bond says first, as deployed gateways do (RFC 8157 §5.6.14, §5.6.7).
    private mutating func began(_ now: Instant) {
        traffic = TrafficWatch(bondSince: now)
        if settings.fetchesAddresses { addressesBy = now + Constants.addressWait }
        if settings.monitorsTraffic {
            wantedHelloState = .idle
            notifies.add(.switchingToIdleHelloState, preferring: grantingLeg, now: now)
        }
        // Also when there is none: the aggregator may remember one of the time before a restart of this end.
        notifies.add(.ipv6PrefixAssignedToHost(hostPrefix), preferring: grantingLeg, now: now)
    }

    /// RFC 8157 §5.3: the setup ends; a later try starts from the beginning.
    mutating func denied(_ code: ErrorCode?, _ id: LegID, _ now: Instant, _ effects: inout [Effect]) {
        let denials = min((legs[id]?.denials ?? 0) + 1, 1000)
        legs[id]?.denials = denials
        effects.append(.event(.setupDenied(id, code ?? ErrorCode(rawValue: 0))))
        let revival = id == grantingLeg && grant != nil
        let next = now + jittered(denyWait(code, denials: denials))
        legs[id]?.state = .waiting(until: next)
        // The aggregator may not know the bond any more. With a leg left its Hellos tell; without, nothing is left.
        if revival, legsUp.isEmpty { endBond(.allLegsLost, now, &effects) } else { hurryHellos(now) }
    }

    /// Codes that may soon no longer hold are tried again within a minute, those that need somebody to act less and
    /// less often.
    func denyWait(_ code: ErrorCode?, denials: Int) -> Duration {
        let transient: Bool =
            switch code {
            case .haapUnreachableOverLTE?, .haapUnreachableOverDSL?, .lteTunnelFailed?, .dslTunnelFailed?,
                .sessionAlreadyExists?, .maintenance?, .managementErrorDuringLTESetup?,
                .managementErrorDuringDSLSetup?:
                true
            default: false
            }
        let first = transient ? Constants.transientDenyWait : Constants.permanentDenyWait
        let limit = transient ? Constants.transientDenyLimit : Constants.permanentDenyLimit
        return min(first * (1 << min(max(denials - 1, 0), 10)), limit)
    }

    /// The attribute that reports the loss of a leg; nil for legs that the protocol has none for.
    static func failure(of id: LegID) -> Attribute? {
        switch id {
        case .primary: .dslLinkFailure
        case .secondary: .lteLinkFailure
        default: nil
        }
    }
}
