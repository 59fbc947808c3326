import Addresses

// Notify messages of both directions: RFC 8157 §5.6.
extension HomeGatewaySession {
    /// Attribute by attribute: an acknowledgement of ours, or something to answer. Only what an aggregator may ask for
    /// is answered, for a gateway that echoed an echo would have both ends do so for ever.
    mutating func notified(_ message: ControlMessage, _ id: LegID, _ now: Instant, _ effects: inout [Effect]) {
        guard let grant, isUp(id) else {
            return effects.append(.event(.discarded(.unsolicited)))
        }
        var answers: [Attribute] = []
        for attribute in message.attributes {
            switch attribute {
            case .tunnelVerification: answers.append(attribute)
            case .filterListPackage(let package): answers.append(answer(package, &effects))
            default:
                if let entry = notifies.acknowledge(attribute, now: now) {
                    acknowledged(entry, now, &effects)
                } else {
                    effects.append(.event(.discarded(.duplicate)))
                    strayEcho(attribute, now)
                }
            }
        }
        guard !answers.isEmpty else { return }
        effects.append(
            .send(
                ControlMessage(type: .notify, leg: id, key: grant.key, attributes: answers), on: id,
                to: grant.aggregator))
    }

    /// RFC 8157 §5.6.2, §5.6.12.
    private mutating func answer(_ package: FilterListPackage, _ effects: inout [Effect]) -> Attribute {
        let outcome = filters.receive(package)
        switch outcome {
        case .replaced(let list): effects.append(.filterList(list.items))
        case .rejected(let reason): effects.append(.event(.filterListPackageRejected(reason)))
        case .collected, .duplicate: break
        }
        return .filterListPackageACK(filters.acknowledgement(of: package, outcome: outcome))
    }

    /// RFC 8157 §5.6.13, §5.6.14: a Hello state holds when the aggregator has said so too.
    private mutating func acknowledged(_ entry: NotifyQueue.Entry, _ now: Instant, _ effects: inout [Effect]) {
        switch entry.attribute {
        case .dslLinkFailure: askAgain(.primary, now)
        case .lteLinkFailure: askAgain(.secondary, now)
        case .switchingToActiveHelloState where helloState != .active:
            helloState = .active
            effects.append(.event(.helloState(.active)))
            paceHellos(now)
        case .switchingToIdleHelloState:
            if helloState != .idle {
                helloState = .idle
                effects.append(.event(.helloState(.idle)))
                forgetRoundTrips()
                paceHellos(now)
            }
            // The aggregator has forgotten who asked for the primary leg alone, and why, also when it was idle before.
            if primaryOnly { sayAnew(.distribution, now) }
        default: break
        }
    }

    /// The aggregator knows that the leg was lost: from now on it may be set up.
    private mutating func askAgain(_ id: LegID, _ now: Instant) {
        if case .waiting(let until)? = legs[id]?.state, legs[id]?.denials == 0 {
            legs[id]?.state = .waiting(until: min(until, now))
        }
    }

    /// The aggregator acted on an old copy of ours: say what holds, or look whether the leg still stands.
    private mutating func strayEcho(_ attribute: Attribute, _ now: Instant) {
        switch attribute {
        case .dslLinkFailure: hurryHello(.primary, now)
        case .lteLinkFailure: hurryHello(.secondary, now)
        default:
            // Falling idle made the aggregator forget that the secondary leg is not to be used.
            if attribute == .switchingToIdleHelloState, primaryOnly { sayAnew(.distribution, now) }
            guard let topic = NotifyTopic(attribute), let holds = state(of: topic), holds != attribute,
                notifies.stray(attribute)
            else { return }
            say(topic, now)
        }
    }

    /// What holds at this end; nil where there is nothing to say.
    private func state(of topic: NotifyTopic) -> Attribute? {
        switch topic {
        case .distribution: primaryOnly ? .switchingToDSLTunnel : .overflowingToLTETunnel
        case .diagnostic: diagnostic?.attribute ?? .diagnosticEnd
        case .hostPrefix: .ipv6PrefixAssignedToHost(hostPrefix)
        case .helloState where settings.monitorsTraffic:
            wantedHelloState == .idle ? .switchingToIdleHelloState : .switchingToActiveHelloState
        default: nil
        }
    }

    /// Tells the aggregator what holds. The primary leg carries it where the text names one, else the granting leg.
    mutating func say(_ topic: NotifyTopic, _ now: Instant) {
        guard grant != nil, let attribute = state(of: topic) else { return }
        let leg = topic == .helloState || topic == .hostPrefix ? grantingLeg : primaryLeg
        notifies.add(attribute, preferring: leg, now: now)
    }

    /// The same when the aggregator has forgotten it: the acknowledgement of a copy that it took before does not count.
    mutating func sayAnew(_ topic: NotifyTopic, _ now: Instant) {
        notifies.remove(topic)
        say(topic, now)
    }

    /// Over the legs that are left (RFC 8157 §5.6.5, §5.6.6).
    mutating func reportFailure(of id: LegID, _ now: Instant) {
        guard grant != nil, let attribute = Self.failure(of: id), let other = legsUp.first(where: { $0 != id }) else {
            return
        }
        notifies.add(attribute, preferring: other, now: now)
    }

    mutating func runNotifies(_ now: Instant, _ effects: inout [Effect]) {
        guard let grant, let other = legsUp.first else { return }
        while let due = notifies.due(now: now) {
            switch due {
            case .abandoned(let entry): effects.append(.event(.notifyAbandoned(entry.leg)))
            case .send(let entry):
                let id = isUp(entry.leg) ? entry.leg : other
                effects.append(
                    .send(
                        ControlMessage(type: .notify, leg: id, key: grant.key, attributes: [entry.attribute]), on: id,
                        to: grant.aggregator))
                // Silence on a leg is looked into before its next Hello is due.
                if entry.attempts > 2 { hurryHello(id, now) }
            }
        }
    }
}
