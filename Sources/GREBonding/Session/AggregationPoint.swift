public import Addresses

/// The aggregator's half of all its bonding connections: finds the session a message belongs to, admits new ones,
/// and keeps their timers. Without input or output, like ``HomeGatewaySession``.
public struct AggregationPoint: Sendable {
    public struct Settings: Hashable, Sendable {
        /// H of each family that is served: the aggregator's end of the legs (RFC 8157 §5.2.1, §5.2.2).
        public var addresses: [IPAddress]
        public var parameters: SessionParameters
        public var dialect: Dialect

        public init(addresses: [IPAddress], parameters: SessionParameters, dialect: Dialect) {
            self.addresses = addresses
            self.parameters = parameters
            self.dialect = dialect
        }
    }

    public enum Input: Hashable, Sendable {
        /// A control message from `source` to `destination`, one of this machine's G or H addresses.
        case message(ControlMessage, from: IPAddress, to: IPAddress)
        /// The operator's answer to ``Effect/authorize(_:)``.
        case authorized(AuthorizationRequest, AuthorizationResult)
        case timeout
        /// Ends every bond with error code 10 and takes no new ones (RFC 8157 §5.5).
        case stop
    }

    public enum Effect: Hashable, Sendable {
        case send(ControlMessage, from: IPAddress, to: IPAddress)
        /// Ask the operator's list or AAA whether this leg may be set up.
        case authorize(AuthorizationRequest)
        /// The data plane wanted for the session; nil: none.
        case bond(sessionID: UInt32, Bond?)
        case event(sessionID: UInt32?, SessionEvent)
    }

    public let settings: Settings
    public internal(set) var sessions: [UInt32: AggregationSession] = [:]
    var sessionOfKey: [UInt32: UInt32] = [:]
    var sessionOfClient: [ClientIdentificationName: UInt32] = [:]
    /// Setup Requests that wait for the operator's answer, and since when.
    var pending: [AuthorizationRequest: Instant] = [:]
    var pendingPerSource: [IPAddress: Int] = [:]
    var deadlines = DeadlineQueue()
    var random: any RandomNumberGenerator & Sendable
    var stopped = false

    public init(settings: Settings, random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()) {
        self.settings = settings
        self.random = random
    }

    public var deadline: Instant? { stopped ? nil : deadlines.first }

    public mutating func handle(_ input: Input, now: Instant) -> [Effect] {
        var effects: [Effect] = []
        if stopped { return effects }
        switch input {
        case .message(let message, let source, let destination):
            receive(message, from: source, to: destination, now, &effects)
        case .authorized(let request, let result): authorized(request, result, now, &effects)
        case .timeout: runTimers(now, &effects)
        case .stop:
            for id in Array(sessions.keys).sorted() { end(id, .stopped, code: .maintenance, &effects) }
            stopped = true
        }
        return effects
    }

    /// Runs one session with the effects in hand, then brings index, timers and data plane up to date.
    mutating func update(
        _ id: UInt32, _ now: Instant, _ effects: inout [Effect],
        _ body: (inout AggregationSession, inout [Effect]) -> Void
    ) {
        guard var session = sessions[id] else { return }
        // Out of the dictionary while it is changed, so that nothing of it is copied.
        sessions[id] = nil
        body(&session, &effects)
        if session.legs.isEmpty, session.wasUp {
            remove(session, .allLegsLost, &effects)
            return
        }
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
        sessions[id] = nil
        sessionOfKey[session.key] = nil
        if sessionOfClient[session.client] == id { sessionOfClient[session.client] = nil }
        deadlines.remove(id)
        if session.bond != nil { effects.append(.bond(sessionID: id, nil)) }
        effects.append(.event(sessionID: id, .bondDown(sessionID: id, reason)))
    }

    private mutating func runTimers(_ now: Instant, _ effects: inout [Effect]) {
        for (request, since) in pending where now - since >= Constants.authorizationWait { forget(request) }
        while let id = deadlines.popDue(now) {
            var replacement: (client: PendingSetup, session: UInt32)?
            update(id, now, &effects) { session, effects in
                if let request = session.runTimers(now, &effects) { replacement = (request, session.id) }
            }
            // Tunnel verification went unanswered: the old bond is dead, the new request is taken (§5.6.15).
            if let replacement {
                end(replacement.session, .replaced, code: nil, &effects)
                ask(replacement.client, now, &effects)
            }
        }
    }
}
