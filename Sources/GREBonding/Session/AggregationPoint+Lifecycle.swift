import Addresses
import ProtocolSupport

// Sessions change, end, and run their timers; draining.
extension AggregationPoint {
    /// Runs one session with the effects in hand, then brings index, timers and data plane up to date.
    mutating func update(
        _ id: UInt32, _ now: Instant, _ effects: inout [Effect],
        _ body: (inout AggregationSession, inout [Effect]) -> Void
    ) {
        guard var session = sessions[id] else { return }
        unrecorded.insert(id)
        // Out of the dictionary while it is changed, so that nothing of it is copied.
        sessions[id] = nil
        body(&session, &effects)
        session.runNotifies(now, &effects)
        if session.legs.isEmpty, session.wasUp {
            remove(session, .allLegsLost, &effects)
            // Whoever asked under its name need not wait for the end of a verification (RFC 8157 §5.6.15).
            if let waiting = session.verification?.request { ask(waiting, now, &effects) }
            return
        }
        keep(&session, &effects)
        // The gateway has no list and refused this one: it is to set up its tunnels anew (RFC 8157 §5.6.12).
        if session.filterListMustRestart { end(id, .tornDown(.maintenance), code: .maintenance, &effects) }
    }

    /// Puts a session that has changed, or is new, in its place.
    mutating func keep(_ session: inout AggregationSession, _ effects: inout [Effect]) {
        let id = session.id
        let wanted = session.wantedBond(settings)
        if wanted != session.bond {
            if session.bond == nil, wanted != nil {
                effects.append(.event(sessionID: id, .bondUp(sessionID: id)))
            }
            session.bond = wanted
            effects.append(.bond(sessionID: id, wanted))
        }
        if let deadline = session.deadline { deadlines.set(id, deadline) } else { deadlines.remove(id) }
        sessions[id] = session
    }

    /// Ends a session: a Tear Down on each of its legs when there is a code to tell.
    mutating func end(_ id: UInt32, _ reason: BondDownReason, code: ErrorCode?, _ effects: inout [Effect]) {
        guard let session = sessions[id] else { return }
        if let code {
            for (leg, state) in session.legs.sorted(by: { $0.key < $1.key }) {
                effects.append(
                    .send(
                        ControlMessage(type: .tearDown, leg: leg, key: session.key, attributes: [.errorCode(code)]),
                        from: session.local, to: state.address))
            }
        }
        remove(session, reason, &effects)
    }

    private mutating func remove(
        _ session: AggregationSession, _ reason: BondDownReason, _ effects: inout [Effect]
    ) {
        let id = session.id
        unrecorded.insert(id)
        sessions[id] = nil
        sessionOfKey[session.key] = nil
        if sessionOfClient[session.client] == id { sessionOfClient[session.client] = nil }
        deadlines.remove(id)
        if session.bond != nil { effects.append(.bond(sessionID: id, nil)) }
        effects.append(.event(sessionID: id, .bondDown(sessionID: id, reason)))
        if isDraining, sessions.isEmpty {
            nextDrainStep = nil
            effects.append(.event(sessionID: nil, .drained))
        }
    }

    /// Of those that are due a few; the others are still due afterwards.
    mutating func runTimers(_ now: Instant, _ effects: inout [Effect]) {
        while let request = pending.popDue(now) {
            // The operator's system said nothing: the gateway is told so and may come back soon (codes 11, 12).
            deny(request, .managementError(during: request.leg), &effects)
        }
        for _ in 0..<Constants.timersAtOnce {
            guard let id = deadlines.popDue(now) else { break }
            var unanswered: PendingSetup?
            update(id, now, &effects) { session, effects in unanswered = session.runTimers(now, &effects) }
            // Tunnel verification went unanswered: the old bond is dead, the new request is taken (§5.6.15).
            if let unanswered {
                end(id, .replaced, code: nil, &effects)
                ask(unanswered, now, &effects)
            }
        }
        drain(now, &effects)
    }

    /// One step of draining, lowest session numbers first; they are random, so nobody is preferred.
    mutating func drain(_ now: Instant, _ effects: inout [Effect]) {
        guard let due = nextDrainStep, due <= now else { return }
        let ids = sessions.keys.sorted().prefix(max(1, settings.drainRate / 10))
        if ids.isEmpty {
            nextDrainStep = nil
            return effects.append(.event(sessionID: nil, .drained))
        }
        nextDrainStep = now + Constants.drainStep
        for id in ids { end(id, .tornDown(.maintenance), code: .maintenance, &effects) }
    }
}
