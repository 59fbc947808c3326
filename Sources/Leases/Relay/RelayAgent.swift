import Addresses

public enum RelayInput: Hashable, Sendable {
    /// To UDP port 67 or 547 on the client's link: broadcast, multicast, or to the relay's own address.
    case fromClient([UInt8], source: IPAddress, ClientIdentity)
    /// To UDP port 67 or 547 of the relay's address, from a server's network. Answers are believed: the caller passes
    /// only what arrived on an interface where no client is.
    case fromServer([UInt8], source: IPAddress)
    case timeout
    /// The client's leases end here; the servers are not told.
    case withdraw(ClientIdentity)
}

/// What the relay agents of both families have in common. What a server must send back unchanged tells whose link an
/// answer is for; of a message on its way only its transaction is remembered. What servers grant is remembered until it
/// ends.
package protocol RelayAgent: Sendable {
    var table: RelayTable { get set }

    /// Why the message does not go on; nil when it does.
    mutating func request(
        _ bytes: [UInt8], from source: IPAddress, _ client: ClientIdentity, _ now: LeaseTime,
        _ effects: inout [RelayEffect]
    ) -> DiscardReason?

    mutating func answer(
        _ bytes: [UInt8], from source: IPAddress, _ now: LeaseTime, _ effects: inout [RelayEffect])
}

extension RelayAgent {
    /// When a timeout is next due.
    package var deadline: LeaseTime? { table.deadline }

    /// In no order.
    package var leases: [Lease] { Array(table.leases.values) }

    /// What the client has been granted.
    package func resources(of client: ClientIdentity) -> [IPPrefix] { table.resources(of: client) }

    /// The lines of a lease file that ``load(_:_:)`` takes.
    package func lines(_ clock: WallClock) -> [String] { table.lines(clock) }

    /// Takes the lines of a lease file (``lines(_:)``, then ``LeaseEvent/line(_:)`` of later events), before any
    /// message: routes for the leases that still hold, and the numbers of lines (from 1) that were not taken, because
    /// they cannot be read or there is no room.
    package mutating func load(
        _ lines: some Sequence<some StringProtocol>, _ clock: WallClock
    ) -> (effects: [RelayEffect], rejected: [Int]) { table.load(lines, clock) }

    package mutating func handle(_ input: RelayInput, now: LeaseTime) -> [RelayEffect] {
        var effects: [RelayEffect] = []
        table.runTimers(now, &effects)
        switch input {
        case .fromClient(let bytes, let source, let client):
            if let reason = request(bytes, from: source, client, now, &effects) {
                effects.append(.discarded(reason, client))
            }
        case .fromServer(let bytes, let source): answer(bytes, from: source, now, &effects)
        case .timeout: break
        case .withdraw(let client): table.endAll(of: client, .withdrawn, &effects)
        }
        return effects
    }
}
