import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Leases
import Logging
import ProtocolSupport
import RADIUS

/// Asks RADIUS servers who may bond, tells them what bonds carry, and does what they ask of bonds that live.
final class RADIUSService {
    /// What became of a request.
    enum Answer {
        /// What the subscriber has from now on, and what its gateway is told.
        case granted(SubscriberConfiguration, Authorization)
        case denied(ErrorCode)
    }

    /// A bond as the servers know it.
    struct Session {
        var client: ClientIdentificationName
        var accounted: AccountedSession
        var begun: Instant
        /// When it is to be ended; nil: never.
        var until: Instant?
        /// A server has taken the Start.
        var isStarted = false
        /// What elements that are gone had counted.
        var counted: [LegID: LegTraffic] = [:]
    }

    let log = Log("radius")
    let settings: AggregationPointConfiguration
    let radius: RADIUSConfiguration
    let nas: NASIdentity
    private let loop: EventLoop
    private(set) var authentication: ServerGroup?
    private(set) var accountingServers: ServerGroup?
    var accounting: Accounting?
    var dynamic: DynamicAuthorization?
    var dynamicSockets: [DatagramSocket] = []
    var sessions: [UInt32: Session] = [:]
    /// The session of each client.
    var ids: [ClientIdentificationName: UInt32] = [:]
    /// Requests that wait for a server's word.
    private var asked: [RADIUSClient.Ticket: AuthorizationRequest] = [:]
    private var lastTicket: RADIUSClient.Ticket = 0
    private(set) var grants: GrantBook
    /// Whose record is to be written.
    var unrecorded: Set<UInt32> = []
    /// When sessions are to be ended.
    var ends = DeadlineQueue<Instant, UInt32>()
    /// What the aggregator has not heard yet.
    private var answers: [(AuthorizationRequest, Answer)] = []
    /// Why a bond ends that this end ends.
    var causes: [UInt32: TerminateCause] = [:]
    private(set) var accepted: UInt64 = 0
    private(set) var rejected: UInt64 = 0
    private(set) var unanswered: UInt64 = 0
    /// Grants with something that cannot be given.
    private(set) var unusable: UInt64 = 0
    var discarded: [RADIUSDiscardReason: UInt64] = [:]
    weak var aggregator: Aggregator?

    /// As many as ``AggregationPoint`` lets wait.
    private static let askedLimit = 4096

    init(_ settings: AggregationPointConfiguration, _ radius: RADIUSConfiguration, _ loop: EventLoop) {
        self.settings = settings
        self.radius = radius
        self.loop = loop
        nas = NASIdentity(
            identifier: radius.nasIdentifier, addresses: radius.source.isEmpty ? settings.addresses : radius.source,
            vendor: radius.vendor)
        grants = GrantBook(settings, radius)
        authentication = ServerGroup(
            radius, "authentication", port: \.authenticationPort, lanes: Self.askedLimit / 256, loop: loop,
            answered: { [weak self] in self?.answered($0, $1, $2) },
            unanswered: { [weak self] in self?.unanswered($0) })
        if radius.accounting { startAccounting() }
    }

    private func startAccounting() {
        var accounting = Accounting.Settings()
        accounting.limit = radius.accountingQueue
        if radius.interimInterval.rawValue > 0 { accounting.interval = radius.interimInterval.duration }
        self.accounting = Accounting(
            settings: accounting, epoch: RADIUSClock.unixTime() - Clock.now().nanoseconds / 1_000_000_000)
        accountingServers = ServerGroup(
            radius, "accounting", port: \.accountingPort, lanes: 1, loop: loop,
            answered: { [weak self] ticket, _, _ in self?.account(.outcome(ticket, taken: true)) },
            unanswered: { [weak self] ticket in self?.account(.outcome(ticket, taken: false)) })
    }

    /// Before anybody is granted anything.
    func prepare(_ aggregator: Aggregator) {
        self.aggregator = aggregator
        grants.leaseHolder = { [weak self] (prefix: IPPrefix, client: ClientIdentificationName) -> String? in
            guard let leases = self?.aggregator?.leases, let client = ClientIdentity(client) else { return nil }
            return leases.holder(of: prefix, besides: client)?.description
        }
    }

    /// - Parameter goesOn: with the sessions of a process before, which servers must not take for ended
    func start(goesOn: Bool) throws(SystemError) {
        if radius.dynamicAuthorization { try listen(loop) }
        if !goesOn { account(.service(on: true, nas.attributes)) }
    }

    func work(_ now: Instant) -> Instant? {
        authentication?.work()
        accountingServers?.work()
        if let deadline = accounting?.deadline, deadline <= RADIUSClock.now() { account(.timeout) }
        while let id = ends.popDue(now) {
            log(.notice, "radius-timeout", "the time that was granted is over", ["session": id])
            causes[id] = .sessionTimeout
            aggregator?.end(id, .maintenance)
        }
        while !answers.isEmpty {
            let batch = answers
            answers = []
            for (request, answer) in batch { aggregator?.answered(request, answer) }
        }
        return [
            RADIUSClock.instant(authentication?.deadline), RADIUSClock.instant(accountingServers?.deadline),
            RADIUSClock.instant(accounting?.deadline), ends.first,
        ].compactMap { $0 }.min()
    }

    // MARK: Who may bond

    func authorize(_ request: AuthorizationRequest) {
        guard asked.count < Self.askedLimit else { return answer(request, .denied(Self.noAnswer(request.leg))) }
        lastTicket &+= 1
        asked[lastTicket] = request
        let name = userName(request.client, request.leg, request.source)
        let query = AccessQuery(
            userName: name, source: request.source, destination: request.destination,
            leg: request.leg == .primary ? .dsl : .lte,
            session: request.sessionID.flatMap { sessions[$0]?.accounted.name })
        authentication?.ask(
            lastTicket, query.request(nas, password: radius.password?.bytes ?? Array(name.utf8)))
    }

    /// The template's words by what they stand for, each once: a name may look like one.
    private func userName(_ client: ClientIdentificationName, _ leg: LegID, _ source: IPAddress) -> String {
        var result = ""
        var rest = radius.userName[...]
        let words = [
            "{cin}": client.text ?? client.description, "{leg}": leg.statusName, "{address}": source.description,
        ]
        while let first = rest.first {
            if let (word, value) = words.first(where: { rest.hasPrefix($0.key) }) {
                result += value
                rest = rest.dropFirst(word.count)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result
    }

    private func answer(_ request: AuthorizationRequest, _ answer: Answer) { answers.append((request, answer)) }

    private func answered(_ ticket: RADIUSClient.Ticket, _ attributes: AttributeList, _ code: PacketCode) {
        guard let request = asked.removeValue(forKey: ticket) else { return }
        guard code == .accessAccept else {
            rejected &+= 1
            let told = (try? attributes.first(.errorCode)).map { ErrorCode(rawValue: $0) }
            let denied =
                told ?? (request.leg == .primary ? .dslUserNotAllowed : .clientIdentificationNameNotPermitted)
            let message = (try? attributes.first(.replyMessage)) ?? "no reason given"
            log(.info, "radius-rejected", message, ["client": request.client, "code": denied.rawValue])
            return answer(request, .denied(denied))
        }
        do {
            let grant = try AccessGrant(attributes)
            let subscriber = try take(
                grant, of: request.client, by: userName(request.client, request.leg, request.source),
                from: request.source)
            accepted &+= 1
            let parameters = SessionParameters(settings.session, grant)
            answer(request, .granted(subscriber, Authorization(subscriber, parameters: parameters)))
        } catch {
            // A service that cannot be given as it was granted is not given (RFC 2865 §1.1).
            unusable &+= 1
            log(.warning, "radius-unusable", "\(error)", ["client": request.client])
            answer(request, .denied(Self.noAnswer(request.leg)))
        }
    }

    /// Books what a server granted; pools give it to nobody else.
    func take(
        _ grant: AccessGrant, of client: ClientIdentificationName, by userName: String, from source: IPAddress
    ) throws(GrantBook.Unusable) -> SubscriberConfiguration {
        let subscriber = try grants.take(
            grant, of: client, by: userName, from: source, base: aggregator?.subscribers.base(of: client))
        claim(grants[client]?.prefixes ?? [], of: client, as: subscriber)
        return subscriber
    }

    private func unanswered(_ ticket: RADIUSClient.Ticket) {
        guard let request = asked.removeValue(forKey: ticket) else { return }
        unanswered &+= 1
        answer(request, .denied(Self.noAnswer(request.leg)))
    }

    /// RFC 8157 §5.3.1.
    private static func noAnswer(_ leg: LegID) -> ErrorCode {
        leg == .primary ? .managementErrorDuringDSLSetup : .managementErrorDuringLTESetup
    }

    // MARK: Bonds

    /// The grant was for nothing, or its bond is over.
    func forget(_ client: ClientIdentificationName) {
        grants.forget(client)
        claim([], of: client, as: nil)
    }

    /// Pools give nobody else what is granted.
    private func claim(
        _ prefixes: [IPPrefix], of client: ClientIdentificationName, as subscriber: SubscriberConfiguration?
    ) {
        guard let leases = aggregator?.leases, let client = ClientIdentity(client) else { return }
        leases.claim(prefixes, of: client, as: subscriber)
    }

    /// A bond has begun, or goes on in this process.
    func began(_ id: UInt32, _ client: ClientIdentificationName) {
        unrecorded.insert(id)
        guard sessions[id] == nil, let granted = grants[client] else { return }
        let session = Session(
            client: client,
            accounted: AccountedSession(
                name: AccountedSession.name(begun: RADIUSClock.unixTime(), session: id), userName: granted.userName,
                source: granted.source, grant: granted.grant), begun: Clock.now())
        sessions[id] = session
        ids[client] = id
        limit(id, granted.grant.sessionTimeout, from: session.begun)
        account(.begin(id, session.accounted.attributes(nas), interval: interval(granted.grant)))
    }

    func interval(_ grant: AccessGrant) -> Duration? { grant.interimInterval.map { .seconds(Int64(max(60, $0))) } }

    /// A further leg was granted: what the server said last holds.
    func continued(_ id: UInt32) {
        guard var session = sessions[id], let granted = grants[session.client] else { return }
        session.accounted.grant = granted.grant
        sessions[id] = session
        unrecorded.insert(id)
        limit(id, granted.grant.sessionTimeout, from: session.begun)
        account(.describe(id, session.accounted.attributes(nas)))
    }

    /// - Parameter timeout: seconds; 0 is for ever, and nil as before
    func limit(_ id: UInt32, _ timeout: UInt32?, from begin: Instant) {
        guard let timeout else { return }
        limit(id, at: timeout > 0 ? begin + .seconds(Int64(timeout)) : nil)
    }

    /// - Parameter until: nil: never
    func limit(_ id: UInt32, at until: Instant?) {
        if let until { ends.set(id, until) } else { ends.remove(id) }
        sessions[id]?.until = until
        unrecorded.insert(id)
    }
}
