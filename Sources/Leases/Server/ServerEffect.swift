import Addresses

/// What a server wants done, in this order. `Answer` is what it sends.
public enum ServerEffect<Answer: Hashable & Sendable>: Hashable, Sendable {
    /// To the client's link.
    case send(Answer, to: ClientIdentity)
    /// The client's link is where this is from now on, or no longer.
    case addRoute(IPPrefix, ClientIdentity)
    case removeRoute(IPPrefix, ClientIdentity)
    case event(LeaseEvent)
    case discarded(DiscardReason, ClientIdentity)
}

/// Why a message was not acted on. The raw values are stable: they are names of counters.
public enum DiscardReason: String, Hashable, Sendable, CaseIterable {
    /// Not a type that this role takes.
    case unexpectedType = "unexpected_type"
    /// Something that the type must have is missing or cannot be used.
    case incomplete
    /// An answer to nothing that was asked, or a late one.
    case unsolicited
    /// Meant for another server, or from one that was not asked.
    case otherServer = "other_server"
    /// It came through a relay, which no bond has.
    case relayed
    /// What is offered cannot be used.
    case unusable
    /// There is nothing left for this client.
    case exhausted
    /// It is about a lease that the client does not have.
    case noLease = "no_lease"
}

/// What both servers have in common: the table, and what its changes mean.
struct LeaseBook: Sendable {
    private(set) var table: LeaseTable
    /// How long an offer waits for its request, in seconds.
    static let offerTime: UInt32 = 60

    init(_ settings: LeaseTable.Settings) { table = LeaseTable(settings) }

    /// What the client may have; nil when there is nothing.
    mutating func offer<Answer>(
        _ client: ClientIdentity, _ group: String, wish: IPPrefix?, _ now: LeaseTime,
        _ effects: inout [ServerEffect<Answer>]
    ) -> IPPrefix? {
        let until = now.adding(seconds: Self.offerTime)
        let (resource, ended) = table.offer(client, group: group, wish: wish, until: until, now: now)
        if let ended { end(ended, .withdrawn, &effects) }
        return resource
    }

    mutating func commit<Answer>(
        _ client: ClientIdentity, until expiry: LeaseTime, _ effects: inout [ServerEffect<Answer>]
    ) {
        guard let event = table.commit(client, until: expiry) else { return }
        effects.append(.event(event))
        if case .granted(let lease) = event { effects.append(.addRoute(lease.resource, client)) }
    }

    mutating func end<Answer>(
        _ client: ClientIdentity, _ reason: LeaseEndReason, _ now: LeaseTime, _ effects: inout [ServerEffect<Answer>]
    ) {
        let lease = reason == .declined ? table.forget(client, now: now) : table.end(client, now: now)
        if let lease { end(lease, reason, &effects) }
    }

    mutating func runTimers<Answer>(_ now: LeaseTime, _ effects: inout [ServerEffect<Answer>]) {
        while let lease = table.popExpired(now) { end(lease, .expired, &effects) }
    }

    private func end<Answer>(
        _ lease: Lease, _ reason: LeaseEndReason, _ effects: inout [ServerEffect<Answer>]
    ) {
        effects.append(.removeRoute(lease.resource, lease.client))
        effects.append(.event(.ended(lease, reason)))
    }

    /// See ``DHCPv4Server/load(_:_:)``.
    mutating func load<Answer>(
        _ lines: some Sequence<some StringProtocol>, _ clock: WallClock, _ effects: inout [ServerEffect<Answer>]
    ) -> [Int] {
        var rejected: [Int] = []
        for (number, line) in lines.enumerated() where !line.isEmpty {
            guard let lease = Lease(line: line, clock),
                table.restore(lease, isActive: line.hasPrefix("lease "), now: clock.now)
            else {
                rejected.append(number + 1)
                continue
            }
        }
        for lease in table.leases.sorted(by: { $0.client < $1.client }) {
            effects.append(.addRoute(lease.resource, lease.client))
        }
        return rejected
    }
}
