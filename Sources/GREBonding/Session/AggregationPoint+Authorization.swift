import Addresses

// The operator's answers and what follows: Accept, Deny, Tear Down (RFC 8157 §5.2, §5.3, §6.2).
extension AggregationPoint {
    /// Asks the operator, once for each request however often it is repeated.
    mutating func ask(_ setup: PendingSetup, _ now: Instant, _ effects: inout [Effect]) {
        let request = setup.request
        guard !pending.contains(request) else { return }
        guard pending.add(request, now: now) else {
            return effects.append(.event(sessionID: request.sessionID, .discarded(.tooManyPending)))
        }
        effects.append(.authorize(request))
    }

    func deny(_ request: AuthorizationRequest, _ code: ErrorCode, _ effects: inout [Effect]) {
        effects.append(
            .send(
                ControlMessage(type: .setupDeny, leg: request.leg, key: request.key, attributes: [.errorCode(code)]),
                from: request.destination, to: request.source))
        effects.append(.event(sessionID: request.sessionID, .setupDenied(request.leg, code)))
    }

    mutating func authorized(
        _ request: AuthorizationRequest, _ result: AuthorizationResult, _ now: Instant, _ effects: inout [Effect]
    ) {
        guard pending.remove(request) else { return }
        let session = request.sessionID.flatMap { sessions[$0] }
        switch result {
        case .denied(let code):
            deny(request, code, &effects)
            guard let session, session.key == request.key else { return }
            // A refused further leg ends the whole bond (§6.2), and so does a subscriber who is no longer allowed.
            // A management system that is out of order (code 12) has not refused anybody.
            let primaryRefused = request.leg == .primary && code != .managementErrorDuringDSLSetup
            if code.isRefusal || primaryRefused, !(request.leg == .primary && settings.allowsSecondaryAlone) {
                end(session.id, .tornDown(code), code: code, &effects)
            }
        case .granted(let authorization):
            if request.sessionID != nil {
                // The bond ended while the operator was asked; the gateway hears it when it repeats its request.
                guard let session, session.key == request.key else { return }
                join(session.id, request, authorization, now, &effects)
            } else if let id = sessionOfClient[request.client] {
                // Two requests of one name were under way at once: the second is a conflict like any other.
                conflict(id, PendingSetup(request: request), now, &effects)
            } else if isDraining {
                deny(request, .maintenance, &effects)
            } else if let id = admit(request, authorization) {
                join(id, request, authorization, now, &effects)
            }
        }
    }

    private mutating func join(
        _ id: UInt32, _ request: AuthorizationRequest, _ authorization: Authorization, _ now: Instant,
        _ effects: inout [Effect]
    ) {
        let standard = settings.parameters
        update(id, now, &effects) { session, effects in
            session.authorization = authorization
            if request.leg != .primary { session.parameters = authorization.parameters ?? standard }
            if request.leg == .primary { session.dslSynchronizationRate = request.dslSynchronizationRate }
            session.join(request.leg, request.source, now, &effects)
        }
        if let session = sessions[id] { accept(request, session, &effects) }
    }

    /// A new session with numbers that nobody can guess (RFC 8157 §5.1.2, §5.2.9), unique among those that live.
    private mutating func admit(_ request: AuthorizationRequest, _ authorization: Authorization) -> UInt32? {
        guard let local = settings.addresses.first(where: { $0.family == request.source.family }) else { return nil }
        var id: UInt32
        var key: UInt32
        repeat { id = random.next() } while id == 0 || sessions[id] != nil
        repeat { key = random.next() } while key == 0 || sessionOfKey[key] != nil
        sessions[id] = AggregationSession(
            id: id, key: key, client: request.client, local: local, authorization: authorization, settings: settings)
        sessionOfKey[key] = id
        sessionOfClient[request.client] = id
        return id
    }

    func accept(_ request: AuthorizationRequest, _ session: AggregationSession, _ effects: inout [Effect]) {
        var attributes: [Attribute] = []
        if request.leg == .primary {
            let down = session.authorization.dslDownstream
            attributes = [
                .configuredDSLUpstreamBandwidth(session.authorization.dslUpstream),
                .configuredDSLDownstreamBandwidth(down > 0 ? down : session.dslSynchronizationRate),
            ]
            // Deployed aggregators repeat the parameters, behind the rates.
            if settings.dialect == .deployed { attributes += session.parameters.attributes }
        } else {
            for address in settings.addresses {
                switch address {
                case .v4(let a): attributes.append(.hIPv4Address(a))
                case .v6(let a): attributes.append(.hIPv6Address(a))
                }
            }
            attributes += [.sessionID(session.id), .bondingKeyValue(session.key)]
            attributes += session.parameters.attributes
            attributes.sort { $0.type < $1.type }
        }
        attributes += settings.extraAttributes[request.leg] ?? []
        effects.append(
            .send(
                ControlMessage(type: .setupAccept, leg: request.leg, key: session.key, attributes: attributes),
                from: request.destination, to: request.source))
    }
}
