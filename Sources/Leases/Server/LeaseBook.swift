import Addresses

/// What both servers have in common: the table, and what its changes mean.
package struct LeaseBook: Sendable {
    private(set) var table: LeaseTable
    /// How long an offer waits for its request, in seconds.
    static let offerTime: UInt32 = 60
    /// How long nobody is given what a client found in use, in seconds.
    static let declinedTime: UInt32 = 86_400

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
        let lease =
            reason == .declined
            ? table.setAside(client, until: now.adding(seconds: Self.declinedTime)) : table.end(client, now: now)
        if let lease { end(lease, reason, &effects) }
    }

    /// See ``LeaseTable/claim(_:lease:of:)``.
    mutating func claim<Answer>(
        _ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity,
        _ effects: inout [ServerEffect<Answer>]
    ) {
        if let ended = table.claim(prefixes, lease: lease, of: client) { end(ended, .withdrawn, &effects) }
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

    /// See ``LeaseServer/load(_:_:)``.
    mutating func load<Answer>(
        _ lines: some Sequence<some StringProtocol>, _ clock: WallClock, _ effects: inout [ServerEffect<Answer>]
    ) -> [Int] {
        var rejected: [Int] = []
        for (number, line) in lines.enumerated() where !line.isEmpty {
            guard let (kind, lease) = Lease.parse(line, clock), table.restore(lease, kind, now: clock.now) else {
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
