import ProtocolSupport

public import Addresses

/// The aggregator's half of all its bonding connections: finds the session a message belongs to, admits new ones,
/// and keeps their timers. Without input or output, like ``HomeGatewaySession``.
public struct AggregationPoint: Sendable {
    public struct Settings: Hashable, Sendable {
        /// H of each family that is served: the aggregator's end of the legs (RFC 8157 §5.2.1, §5.2.2).
        public var addresses: [IPAddress]
        public var parameters: SessionParameters
        public var dialect: Dialect
        /// What else the Accept of a leg carries, after the standard's attributes.
        public var extraAttributes: [LegID: [Attribute]]
        /// Whether a bond stays with its secondary leg when the primary one is refused. The standard ends it (§6.2).
        public var allowsSecondaryAlone: Bool
        /// Bonds at a time; more are denied.
        public var maximumSessions: Int
        /// Bonds ended in a second while draining, from 10.
        public var drainRate: Int
        /// The Commit_Count of the first filter list of a bond (§5.6.2).
        public var firstCommitCount: UInt32
        /// Whether the controller answers ``Effect/sampleTraffic(sessionID:)``. Without it Hellos alone keep a leg.
        public var monitorsTraffic: Bool

        public init(
            addresses: [IPAddress], parameters: SessionParameters, dialect: Dialect,
            extraAttributes: [LegID: [Attribute]] = [:], allowsSecondaryAlone: Bool = false,
            maximumSessions: Int = 100_000, drainRate: Int = 100, firstCommitCount: UInt32 = 1,
            monitorsTraffic: Bool = false
        ) {
            self.addresses = addresses
            self.parameters = parameters
            self.dialect = dialect
            self.extraAttributes = extraAttributes
            self.allowsSecondaryAlone = allowsSecondaryAlone
            self.maximumSessions = maximumSessions
            self.drainRate = drainRate
            self.firstCommitCount = firstCommitCount
            self.monitorsTraffic = monitorsTraffic
        }
    }

    public enum Input: Hashable, Sendable {
        /// A control message from `source` to `destination`, one of this machine's G or H addresses.
        case message(ControlMessage, from: IPAddress, to: IPAddress)
        /// The operator's answer to ``Effect/authorize(_:)``.
        case authorized(AuthorizationRequest, AuthorizationResult)
        /// The operator grants a session something else from now on. A gateway hears its rate upstream in the Accept of
        /// a leg only (RFC 8157 §5.2.10).
        case reauthorized(sessionID: UInt32, Authorization)
        /// The answer to ``Effect/sampleTraffic(sessionID:)``.
        case traffic(sessionID: UInt32, TrafficSample)
        /// The round trip of a leg of a session is wanted now, as an event.
        case probe(sessionID: UInt32, LegID)
        case timeout
        /// What the gateway of a session is to leave out of its bond (RFC 8157 §5.6.2); replaces the list before.
        case setFilterList(sessionID: UInt32, [FilterItem])
        /// Ends one bond (§5.5).
        case tearDown(sessionID: UInt32, ErrorCode)
        /// Takes no new bonds from now on and ends those that live, step by step, with error code 10 (§5.5).
        case drain
        /// Ends every bond at once with error code 10 and takes no new ones (RFC 8157 §5.5).
        case stop
    }

    public enum Effect: Hashable, Sendable {
        case send(ControlMessage, from: IPAddress, to: IPAddress)
        /// Ask the operator's list or AAA whether this leg may be set up.
        case authorize(AuthorizationRequest)
        /// The data plane wanted for the session; nil: none.
        case bond(sessionID: UInt32, Bond?)
        /// Read what the kernel counted for the session.
        case sampleTraffic(sessionID: UInt32)
        /// By how much later the secondary leg is has become known better (``AggregationSession/delays``).
        case delaysChanged(sessionID: UInt32)
        case event(sessionID: UInt32?, SessionEvent)
    }

    public let settings: Settings
    public internal(set) var sessions: [UInt32: AggregationSession] = [:]
    var sessionOfKey: [UInt32: UInt32] = [:]
    var sessionOfClient: [ClientIdentificationName: UInt32] = [:]
    var pending = PendingAuthorizations()
    var deadlines = DeadlineQueue<Instant, UInt32>()
    var random: any RandomNumberGenerator & Sendable
    var stopped = false
    public internal(set) var isDraining = false
    /// Sessions that may be others than was recorded of them, and the hash of what that was: of 64 bits and with a seed
    /// that nobody knows, so two that differ have not the same.
    var unrecorded: Set<UInt32> = []
    var recorded: [UInt32: Int] = [:]
    var nextDrainStep: Instant?

    public init(settings: Settings, random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()) {
        self.settings = settings
        self.random = random
    }

    /// The session of a gateway.
    public func session(of client: ClientIdentificationName) -> AggregationSession? {
        sessionOfClient[client].flatMap { sessions[$0] }
    }

    public var deadline: Instant? {
        stopped ? nil : [deadlines.first, pending.deadline, nextDrainStep].compactMap { $0 }.min()
    }

    public mutating func handle(_ input: Input, now: Instant) -> [Effect] {
        var effects: [Effect] = []
        if stopped { return effects }
        switch input {
        case .message(let message, let source, let destination):
            receive(message, from: source, to: destination, now, &effects)
        case .authorized(let request, let result): authorized(request, result, now, &effects)
        case .reauthorized(let id, let authorization):
            update(id, now, &effects) { session, _ in session.authorization = authorization }
        case .traffic(let id, let sample): update(id, now, &effects) { $0.sampled(sample, now, &$1) }
        case .probe(let id, let leg): update(id, now, &effects) { $0.probe(leg, now, &$1) }
        case .timeout: runTimers(now, &effects)
        case .setFilterList(let id, let items): update(id, now, &effects) { $0.setFilterList(items, now, &$1) }
        case .tearDown(let id, let code): end(id, .tornDown(code), code: code, &effects)
        case .drain:
            guard !isDraining else { break }
            isDraining = true
            nextDrainStep = now
            drain(now, &effects)
        case .stop:
            for id in sessions.keys.sorted() { end(id, .stopped, code: .maintenance, &effects) }
            pending = PendingAuthorizations()
            nextDrainStep = nil
            stopped = true
        }
        return effects
    }
}
