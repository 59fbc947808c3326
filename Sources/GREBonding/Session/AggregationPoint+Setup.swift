import Addresses

// Messages and setup at the aggregator: RFC 8157 §5.1–§5.3, §5.6.15, §6.2, §7.
extension AggregationPoint {
    mutating func receive(
        _ message: ControlMessage, from source: IPAddress, to destination: IPAddress, _ now: Instant,
        _ effects: inout [Effect]
    ) {
        func discard(_ reason: DiscardReason, _ id: UInt32? = nil) {
            effects.append(.event(sessionID: id, .discarded(reason)))
        }
        guard source.isUnicast else { return discard(.unusableAddress) }
        switch message.type {
        case .setupRequest: requested(message, from: source, to: destination, now, &effects)
        case .hello, .notify, .tearDown:
            guard let id = sessionOfKey[message.key], let session = sessions[id] else {
                discard(.unknownKey)
                // Most likely a gateway whose bond this aggregator lost by a restart. Saying so at once saves it
                // the whole Hello tolerance; it checks key and source before it believes.
                if message.type == .hello {
                    let code: ErrorCode = message.leg == .primary ? .dslTunnelFailed : .lteTunnelFailed
                    reply(.tearDown, to: message, code, from: destination, to: source, &effects)
                }
                return
            }
            guard let leg = session.legs[message.leg] else { return discard(.wrongLeg, id) }
            guard leg.address == source else { return discard(.wrongSource, id) }
            if message.type == .tearDown {
                end(id, .tornDown(message.errorCode), code: nil, &effects)
            } else {
                update(id, now, &effects) { $0.receive(message, on: message.leg, now, &$1) }
            }
        case .setupAccept, .setupDeny: discard(.unexpectedType)
        }
    }

    private mutating func requested(
        _ message: ControlMessage, from source: IPAddress, to destination: IPAddress, _ now: Instant,
        _ effects: inout [Effect]
    ) {
        func discard(_ reason: DiscardReason) { effects.append(.event(sessionID: nil, .discarded(reason))) }
        guard settings.addresses.contains(where: { $0.family == source.family }) else {
            return discard(.unusableAddress)
        }
        func setup(_ client: ClientIdentificationName) -> PendingSetup {
            PendingSetup(
                request: AuthorizationRequest(
                    client: client, leg: message.leg, source: source, destination: destination,
                    sessionID: message.sessionID, key: message.key,
                    dslSynchronizationRate: message.dslSynchronizationRate ?? 0))
        }
        guard let sessionID = message.sessionID else {
            // A new bonding connection: only the first leg carries a name and no session (§5.1.1, §5.1.2).
            guard let client = message.clientIdentificationName, message.leg != .primary else {
                return discard(.missingAttribute)
            }
            guard message.key == 0 else { return discard(.unknownKey) }
            if let id = sessionOfClient[client] { return conflict(id, setup(client), now, &effects) }
            return ask(setup(client), now, &effects)
        }
        guard let session = sessions[sessionID], session.key == message.key else {
            discard(.unknownSession)
            let code: ErrorCode = message.leg == .primary ? .dslTunnelFailed : .lteTunnelFailed
            return reply(.setupDeny, to: message, code, from: destination, to: source, &effects)
        }
        if let name = message.clientIdentificationName, name != session.client {
            discard(.unknownSession)
            return reply(.setupDeny, to: message, .userIDsDoNotMatch, from: destination, to: source, &effects)
        }
        ask(setup(session.client), now, &effects)
    }

    /// A request for a subscriber who has a bond: the same request again because the Accept was lost, or a gateway
    /// that restarted, or somebody else. The bond itself is asked before it is given up.
    private mutating func conflict(
        _ id: UInt32, _ setup: PendingSetup, _ now: Instant, _ effects: inout [Effect]
    ) {
        guard let session = sessions[id], let leg = session.legs[setup.request.leg] else {
            return ask(setup, now, &effects)
        }
        if !leg.confirmed, leg.address == setup.request.source {
            return accept(setup.request, session, &effects)
        }
        update(id, now, &effects) { session, effects in
            if session.verification != nil {
                effects.append(.event(sessionID: id, .discarded(.verificationUnderWay)))
            } else {
                session.verification = .init(request: setup, attempts: 0, next: now)
                effects.append(.event(sessionID: id, .verificationStarted(sessionID: id)))
            }
        }
    }

    /// Asks the operator, once for each request however often it is repeated.
    mutating func ask(_ setup: PendingSetup, _ now: Instant, _ effects: inout [Effect]) {
        let request = setup.request
        guard pending[request] == nil else { return }
        guard pending.count < Constants.pendingAuthorizations,
            pendingPerSource[request.source, default: 0] < Constants.pendingPerSource
        else {
            effects.append(.event(sessionID: nil, .discarded(.tooManyPending)))
            return
        }
        pending[request] = now
        pendingPerSource[request.source, default: 0] += 1
        effects.append(.authorize(request))
    }

    mutating func forget(_ request: AuthorizationRequest) {
        guard pending.removeValue(forKey: request) != nil else { return }
        let left = pendingPerSource[request.source, default: 1] - 1
        pendingPerSource[request.source] = left > 0 ? left : nil
    }

    mutating func authorized(
        _ request: AuthorizationRequest, _ result: AuthorizationResult, _ now: Instant, _ effects: inout [Effect]
    ) {
        guard pending[request] != nil else { return }
        forget(request)
        let session = request.sessionID.flatMap { sessions[$0] }
        let key = session?.key ?? request.key
        switch result {
        case .denied(let code):
            effects.append(
                .send(
                    ControlMessage(type: .setupDeny, leg: request.leg, key: key, attributes: [.errorCode(code)]),
                    from: request.destination, to: request.source))
            effects.append(.event(sessionID: request.sessionID, .setupDenied(request.leg, code)))
            // A refused further leg ends the whole bond (§6.2).
            if let id = request.sessionID, request.leg == .primary {
                end(id, .tornDown(code), code: code, &effects)
            }
        case .granted(let authorization):
            guard request.sessionID == nil || session != nil else { return }
            let id = session?.id ?? admit(request, authorization, &effects)
            guard let id else { return }
            update(id, now, &effects) { session, effects in
                session.authorization = authorization
                if request.leg == .primary { session.dslSynchronizationRate = request.dslSynchronizationRate }
                session.legs[request.leg] = .init(address: request.source, heard: now)
                session.wasUp = true
                effects.append(.event(sessionID: id, .legUp(request.leg, request.source)))
            }
            if let session = sessions[id] { accept(request, session, &effects) }
        }
    }

    /// A new session with numbers that nobody can guess (RFC 8157 §5.1.2, §5.2.9), unique among those that live.
    private mutating func admit(
        _ request: AuthorizationRequest, _ authorization: Authorization, _ effects: inout [Effect]
    ) -> UInt32? {
        guard let local = settings.addresses.first(where: { $0.family == request.source.family }) else { return nil }
        var id: UInt32
        var key: UInt32
        repeat { id = random.next() } while id == 0 || sessions[id] != nil
        repeat { key = random.next() } while key == 0 || sessionOfKey[key] != nil
        if let old = sessionOfClient[request.client] {
            // Two requests of one subscriber were under way at once: the later one holds.
            end(old, .replaced, code: nil, &effects)
        }
        sessions[id] = AggregationSession(
            id: id, key: key, client: request.client, local: local, authorization: authorization,
            parameters: settings.parameters)
        sessionOfKey[key] = id
        sessionOfClient[request.client] = id
        return id
    }

    private func accept(
        _ request: AuthorizationRequest, _ session: AggregationSession, _ effects: inout [Effect]
    ) {
        var attributes: [Attribute] = []
        if request.leg == .primary {
            let down = session.authorization.dslDownstream
            attributes += [
                .configuredDSLUpstreamBandwidth(session.authorization.dslUpstream),
                .configuredDSLDownstreamBandwidth(down > 0 ? down : session.dslSynchronizationRate),
            ]
            if settings.dialect == .deployed { attributes += settings.parameters.attributes }
        } else {
            for address in settings.addresses {
                switch address {
                case .v4(let a): attributes.append(.hIPv4Address(a))
                case .v6(let a): attributes.append(.hIPv6Address(a))
                }
            }
            attributes += [.sessionID(session.id), .bondingKeyValue(session.key)]
            attributes += settings.parameters.attributes
        }
        attributes.sort { $0.type < $1.type }
        effects.append(
            .send(
                ControlMessage(type: .setupAccept, leg: request.leg, key: session.key, attributes: attributes),
                from: request.destination, to: request.source))
    }

    private func reply(
        _ type: MessageType, to message: ControlMessage, _ code: ErrorCode, from local: IPAddress,
        to source: IPAddress, _ effects: inout [Effect]
    ) {
        effects.append(
            .send(
                ControlMessage(type: type, leg: message.leg, key: message.key, attributes: [.errorCode(code)]),
                from: local, to: source))
    }
}
