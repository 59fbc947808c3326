import Addresses

public enum ServerInput<Message: Hashable & Sendable>: Hashable, Sendable {
    /// A message on the client's link.
    case message(Message, from: ClientIdentity, group: String)
    case timeout
    /// The operator takes the lease back; its client hears of it when it renews.
    case withdraw(ClientIdentity)
    /// From now on the prefixes are routed to the client by another's word, and `lease`, one of them, is what it is
    /// given; nobody else is given anything of them. Without prefixes this is over.
    case claim([IPPrefix], lease: IPPrefix?, of: ClientIdentity)
}

/// What the servers of both families have in common.
package protocol LeaseServer: Sendable {
    associatedtype Message: Hashable & Sendable
    associatedtype Answer: Hashable & Sendable

    var book: LeaseBook { get set }

    mutating func receive(
        _ message: Message, _ client: ClientIdentity, _ group: String, _ now: LeaseTime,
        _ effects: inout [ServerEffect<Answer>])
}

extension LeaseServer {
    /// When a timeout is next due.
    package var deadline: LeaseTime? { book.table.deadline }

    /// What the client has leased.
    package func lease(of client: ClientIdentity) -> Lease? { book.table.lease(of: client) }

    /// Who else has leased, or is offered, something of a prefix.
    package func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? {
        book.table.holder(of: prefix, besides: client)
    }

    /// In no order.
    package var leases: [Lease] { book.table.leases }

    /// The lines of a lease file that ``load(_:_:)`` takes.
    package func lines(_ clock: WallClock) -> [String] { book.table.lines(clock) }

    /// Takes the lines of a lease file, before any message: routes for the leases that still hold, and the numbers of
    /// lines (from 1) that were not taken, because they cannot be read or do not fit the settings.
    package mutating func load(
        _ lines: some Sequence<some StringProtocol>, _ clock: WallClock
    ) -> (effects: [ServerEffect<Answer>], rejected: [Int]) {
        var effects: [ServerEffect<Answer>] = []
        let rejected = book.load(lines, clock, &effects)
        return (effects, rejected)
    }

    package mutating func handle(_ input: ServerInput<Message>, now: LeaseTime) -> [ServerEffect<Answer>] {
        var effects: [ServerEffect<Answer>] = []
        book.runTimers(now, &effects)
        switch input {
        case .message(let message, let client, let group): receive(message, client, group, now, &effects)
        case .timeout: break
        case .withdraw(let client): book.end(client, .withdrawn, now, &effects)
        case .claim(let prefixes, let lease, let client): book.claim(prefixes, lease: lease, of: client, &effects)
        }
        return effects
    }
}
