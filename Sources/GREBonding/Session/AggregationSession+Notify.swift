import Addresses

// Messages of established legs at the aggregator: RFC 8157 §5.4, §5.6.
extension AggregationSession {
    /// A message of an established leg; key, leg and source are checked already.
    mutating func receive(
        _ message: ControlMessage, on leg: LegID, _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        heard(leg, now)
        legs[leg]?.confirmed = true
        wasHeard = true
        notifies.heard(now: now)
        switch message.type {
        case .hello:
            guard let timestamp = message.timestamp else {
                return effects.append(.event(sessionID: id, .discarded(.missingAttribute)))
            }
            let before = delays.difference
            delays.heard(timestamp, on: leg, at: now)
            if delays.difference != before { effects.append(.delaysChanged(sessionID: id)) }
            let prefix = message.ipv6PrefixAssignedByHAAP ?? .none
            send(.hello, [.timestamp(timestamp), .ipv6PrefixAssignedByHAAP(prefix)], preferring: leg, &effects)
        case .notify: notified(message.attributes, on: leg, now, &effects)
        default: effects.append(.event(sessionID: id, .discarded(.unexpectedType)))
        }
    }

    /// Attribute by attribute: an answer to something of ours, or a state of the gateway's. All the latter are echoed
    /// in one message; that they are states makes it harmless to hear them twice.
    private mutating func notified(
        _ attributes: [Attribute], on leg: LegID, _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        var echo: [Attribute] = []
        for attribute in attributes {
            switch attribute {
            case .tunnelVerification: verified(on: leg, now, &effects)
            case .filterListPackageACK(let ack): acknowledged(ack, now, &effects)
            case .filterListPackage: effects.append(.event(sessionID: id, .discarded(.unexpectedType)))
            default: echo.append(attribute)
            }
        }
        // Acknowledge first: the answer must leave on the leg that is about to go, if it is the one it came on.
        if !echo.isEmpty { send(.notify, echo, preferring: leg, &effects) }
        for attribute in echo { take(attribute, now, &effects) }
    }

    private mutating func take(_ attribute: Attribute, _ now: Instant, _ effects: inout [AggregationPoint.Effect]) {
        func event(_ event: SessionEvent) { effects.append(.event(sessionID: id, event)) }
        switch attribute {
        case .dslLinkFailure: drop(.primary, .reportedByPeer, &effects)
        case .lteLinkFailure: drop(.secondary, .reportedByPeer, &effects)
        case .bypassTrafficRate(let rate): if legs[.primary] != nil { bypassRate = rate }
        case .switchingToDSLTunnel where !primaryOnly && legs.count > 1:
            primaryOnly = true
            event(.primaryOnly(true))
        case .overflowingToLTETunnel where primaryOnly:
            primaryOnly = false
            event(.primaryOnly(false))
        case .ipv6PrefixAssignedToHost(let prefix) where prefix != hostPrefix:
            hostPrefix = prefix
            event(.prefixAssignedToHost(prefix))
        case .switchingToActiveHelloState:
            if helloState == .idle { event(.helloState(.active)) }
            helloState = .active
            // Silence up to now was allowed; from now on it counts.
            for leg in legs.keys { heard(leg, now) }
        case .switchingToIdleHelloState:
            if helloState == .active { event(.helloState(.idle)) }
            helloState = .idle
            primaryOnly = false
        case .diagnosticEnd where diagnostic != nil:
            diagnostic = nil
            event(.diagnostic(nil))
        default:
            if let kind = Diagnostic(attribute), kind != diagnostic, kind.isPossible(with: legs.keys) {
                diagnostic = kind
                event(.diagnostic(kind))
            }
        }
    }

    /// The gateway that holds the session is alive: whoever else asked under its name is refused (§5.6.15).
    private mutating func verified(on leg: LegID, _ now: Instant, _ effects: inout [AggregationPoint.Effect]) {
        if let sent = probes.removeValue(forKey: leg) {
            effects.append(.event(sessionID: id, .roundTrip(leg, max(.zero, now - sent))))
            if verification == nil { return }
        }
        guard let check = verification?.request.request else {
            return effects.append(.event(sessionID: id, .discarded(.duplicate)))
        }
        verification = nil
        effects.append(
            .send(
                ControlMessage(
                    type: .setupDeny, leg: check.leg, key: check.key, attributes: [.errorCode(.sessionAlreadyExists)]),
                from: check.destination, to: check.source))
        effects.append(.event(sessionID: id, .setupDenied(check.leg, .sessionAlreadyExists)))
    }

    // MARK: Filter list, RFC 8157 §5.6.2 and §5.6.12

    mutating func setFilterList(
        _ items: [FilterItem], _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        do throws(FilterListError) {
            try filters.replace(by: items)
        } catch {
            return effects.append(.event(sessionID: id, .filterListNotSendable(error)))
        }
        notifies.remove(.filterList)
        sendPackage(now)
    }

    private mutating func sendPackage(_ now: Instant) {
        guard let package = filters.current else { return }
        notifies.add(.filterListPackage(package), preferring: .primary, now: now)
    }

    private mutating func acknowledged(
        _ ack: FilterListPackageACK, _ now: Instant, _ effects: inout [AggregationPoint.Effect]
    ) {
        guard ack.commitCount == filters.commitCount, filters.current != nil,
            ack.code != .acknowledged || !filters.isLate(),
            let entry = notifies.acknowledge(.filterListPackageACK(ack), now: now)
        else { return effects.append(.event(sessionID: id, .discarded(.duplicate))) }
        if ack.code == .acknowledged {
            if filters.taken(attempts: entry.attempts) {
                effects.append(.event(sessionID: id, .filterListTaken(commitCount: ack.commitCount)))
            } else {
                sendPackage(now)
            }
        } else {
            filters.giveUp()
            filterListMustRestart = ack.code == .noListYet
            effects.append(.event(sessionID: id, .filterListRefused(commitCount: ack.commitCount, ack.code)))
        }
    }

    mutating func runNotifies(_ now: Instant, _ effects: inout [AggregationPoint.Effect]) {
        // What overtakes the Accept would be of an unknown bond to the gateway.
        guard !legs.isEmpty, wasHeard else { return }
        while let due = notifies.due(now: now) {
            switch due {
            case .abandoned(let entry):
                // It says other things: it does not know filter lists.
                filters.giveUp()
                effects.append(.event(sessionID: id, .notifyAbandoned(entry.leg)))
            case .send(let entry): send(.notify, [entry.attribute], preferring: leg(for: entry), &effects)
            }
        }
    }

    /// A leg may be dead for longer than a filter list is repeated, until its Hellos have shown it: after three
    /// attempts the legs take turns, and a reminder goes where the gateway has just been heard.
    private func leg(for entry: NotifyQueue.Entry) -> LegID {
        if entry.isReminder {
            let ordered = legs.sorted { $0.key < $1.key }
            return ordered.max { $0.value.heard < $1.value.heard }?.key ?? entry.leg
        }
        guard entry.attempts > 3, entry.attempts % 2 == 0 else { return entry.leg }
        return legs.keys.filter { $0 != entry.leg }.min() ?? entry.leg
    }
}
