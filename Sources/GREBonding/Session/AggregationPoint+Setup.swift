import Addresses

// Messages and setup requests at the aggregator: RFC 8157 §5.1–§5.3, §5.6.15, §7.
extension AggregationPoint {
    /// Whether a message is a bond's end, said by its gateway (RFC 8157 §5.5).
    public func ends(_ message: ControlMessage, from source: IPAddress) -> Bool {
        message.type == .tearDown && sessionOfKey[message.key].flatMap { sessions[$0]?.legs[message.leg]?.address } == source
    }

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
            let id = sessionOfKey[message.key]
            guard let id, sessions[id]?.legs[message.leg]?.address == source else {
                let known = id.flatMap { sessions[$0] }
                discard(
                    known == nil ? .unknownKey : known?.legs[message.leg] == nil ? .wrongLeg : .wrongSource,
                    known?.id)
                // Most likely a gateway whose bond or leg this aggregator lost, by a restart or a late failure report.
                // Saying so at once saves it the whole Hello tolerance; it checks key and source before it believes.
                if message.type != .tearDown, message.key != 0 {
                    reply(.tearDown, to: message, .tunnelFailed(message.leg), from: destination, to: source, &effects)
                }
                return
            }
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
        func refuse(_ reason: DiscardReason, _ code: ErrorCode) {
            effects.append(.event(sessionID: nil, .discarded(reason)))
            reply(.setupDeny, to: message, code, from: destination, to: source, &effects)
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
                return effects.append(.event(sessionID: nil, .discarded(.missingAttribute)))
            }
            guard message.key == 0 else {
                return effects.append(.event(sessionID: nil, .discarded(.unknownKey)))
            }
            guard settings.addresses.contains(where: { $0.family == source.family }) else {
                return refuse(.unusableAddress, .haapUnreachable(over: message.leg))
            }
            guard client.text?.isEmpty == false else {
                return refuse(.unusableName, .clientIdentificationNameNotPermitted)
            }
            if let id = sessionOfClient[client] { return conflict(id, setup(client), now, &effects) }
            if isDraining { return refuse(.draining, .maintenance) }
            guard sessions.count < settings.maximumSessions else {
                return refuse(.tooManySessions, .haapUnreachable(over: message.leg))
            }
            return ask(setup(client), now, &effects)
        }
        guard let session = sessions[sessionID], session.key == message.key else {
            return refuse(.unknownSession, .tunnelFailed(message.leg))
        }
        if let name = message.clientIdentificationName, name != session.client {
            return refuse(.unknownSession, .userIDsDoNotMatch)
        }
        // All legs of a bond end at one H.
        guard session.local.family == source.family else {
            return refuse(.unusableAddress, .haapUnreachable(over: message.leg))
        }
        ask(setup(session.client), now, &effects)
    }

    /// A request for a subscriber who has a bond: the same request again because the Accept was lost, or a gateway
    /// that restarted, or somebody else. The bond itself is asked before it is given up.
    mutating func conflict(_ id: UInt32, _ setup: PendingSetup, _ now: Instant, _ effects: inout [Effect]) {
        guard let session = sessions[id] else { return ask(setup, now, &effects) }
        // Nothing was heard of this bond yet, so the gateway has no other use of it than to want its Accept again.
        if session.legs[setup.request.leg]?.address == setup.request.source, !session.wasHeard {
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

    func reply(
        _ type: MessageType, to message: ControlMessage, _ code: ErrorCode, from local: IPAddress,
        to source: IPAddress, _ effects: inout [Effect]
    ) {
        effects.append(
            .send(
                ControlMessage(type: type, leg: message.leg, key: message.key, attributes: [.errorCode(code)]),
                from: local, to: source))
        if type == .setupDeny { effects.append(.event(sessionID: nil, .setupDenied(message.leg, code))) }
    }
}
