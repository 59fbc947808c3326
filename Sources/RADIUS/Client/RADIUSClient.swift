import ProtocolSupport

/// Asks servers, repeats what is not answered, and turns to the next server. Without input or output: a datagram
/// goes out by a lane, which the caller makes a socket of its own, because identifiers have only 8 bits for each
/// source port (RFC 2865 §2.5).
public struct RADIUSClient: Sendable {
    public struct Server: Hashable, Sendable {
        public var secret: SharedSecret
        /// Answers to Access-Requests without a Message-Authenticator are not believed.
        public var requiresMessageAuthenticator: Bool

        public init(secret: SharedSecret, requiresMessageAuthenticator: Bool = true) {
            self.secret = secret
            self.requiresMessageAuthenticator = requiresMessageAuthenticator
        }
    }

    public struct Settings: Hashable, Sendable {
        /// In the order in which they are asked.
        public var servers: [Server]
        /// The first wait for an answer; it doubles with each try.
        public var timeout = Duration.seconds(1)
        /// How often one server is asked; one that is held to be dead only once.
        public var tries = 3
        /// For how long a server that did not answer is asked last.
        public var deadTime = Duration.seconds(60)
        /// 256 requests wait for an answer on each.
        public var lanes = 16

        public init(servers: [Server]) { self.servers = servers }
    }

    /// The caller's number for a request.
    public typealias Ticket = UInt64

    public enum Input: Hashable, Sendable {
        case ask(Ticket, ClientRequest)
        case received([UInt8], server: Int, lane: Int)
        /// Nobody wants the answer any more.
        case forget(Ticket)
        case timeout
    }

    public enum Effect: Hashable, Sendable {
        case transmit([UInt8], server: Int, lane: Int)
        /// The server's word, proven to be its own.
        case answered(Ticket, AttributeList, PacketCode, server: Int)
        /// All servers were asked in vain.
        case unanswered(Ticket)
        case serverIsDead(Int)
        case serverIsAlive(Int)
        case discarded(RADIUSDiscardReason, server: Int)
    }

    /// What happened with one server.
    public struct Statistics: Hashable, Sendable {
        public var requests: UInt64 = 0
        public var retransmissions: UInt64 = 0
        public var answers: UInt64 = 0
        /// Requests that went to the next server, or nowhere.
        public var timeouts: UInt64 = 0
    }

    struct Slot: Hashable {
        var server: Int
        var lane: Int
        var identifier: UInt8
    }

    /// A request on its way.
    struct Pending {
        var request: ClientRequest
        /// Bit n: server n was asked.
        var asked: UInt64 = 0
        var slot: Slot?
        var bytes: [UInt8] = []
        var attempts = 0
        var allowed = 1
        var begun = Duration.zero
    }

    struct ServerState {
        var deadUntil: Duration?
        var heard: Duration?
        /// The next identifier to try, of each lane.
        var cursors: [UInt8]
        var inUse: [Int]
    }

    public let settings: Settings
    let authenticator: Authenticator
    var random: any RandomNumberGenerator & Sendable
    var pending: [Ticket: Pending] = [:]
    var slots: [Slot: Ticket] = [:]
    var servers: [ServerState]
    var deadlines = DeadlineQueue<Duration, Ticket>()
    public internal(set) var statistics: [Statistics]

    /// - Parameter settings: with 1 to 64 servers
    public init(
        settings: Settings, authenticator: Authenticator,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.settings = settings
        self.authenticator = authenticator
        self.random = random
        let lanes = max(1, settings.lanes)
        servers = settings.servers.map { _ in
            ServerState(cursors: [UInt8](repeating: 0, count: lanes), inUse: [Int](repeating: 0, count: lanes))
        }
        statistics = settings.servers.map { _ in Statistics() }
    }

    /// When ``Input/timeout`` is due. Times count from an origin of the caller's choice.
    public var deadline: Duration? { deadlines.first }

    /// Requests without an answer so far.
    public var inFlight: Int { pending.count }

    public func isDead(_ server: Int, now: Duration) -> Bool {
        guard servers.indices.contains(server), let until = servers[server].deadUntil else { return false }
        return until > now
    }

    public mutating func handle(_ input: Input, now: Duration) -> [Effect] {
        var effects: [Effect] = []
        switch input {
        case .ask(let ticket, let request):
            guard pending[ticket] == nil else { break }
            pending[ticket] = Pending(request: request)
            askNext(ticket, now, &effects)
        case .received(let bytes, let server, let lane): receive(bytes, server, lane, now, &effects)
        case .forget(let ticket): forget(ticket)
        case .timeout:
            while let ticket = deadlines.popDue(now) { expired(ticket, now, &effects) }
        }
        return effects
    }
}
