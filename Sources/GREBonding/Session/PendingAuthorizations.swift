import Addresses
import ProtocolSupport

/// Setup Requests that wait for the operator's answer, bounded over all and from each source.
struct PendingAuthorizations: Sendable {
    private var tickets: [AuthorizationRequest: UInt32] = [:]
    private var requests: [UInt32: AuthorizationRequest] = [:]
    private var perSource: [IPAddress: Int] = [:]
    private var deadlines = DeadlineQueue<Instant, UInt32>()
    private var lastTicket: UInt32 = 0

    var count: Int { tickets.count }
    var sources: Int { perSource.count }
    var isConsistent: Bool {
        requests.count == count && deadlines.count == count && perSource.values.reduce(0, +) == count
    }
    /// When the first of them has waited too long.
    var deadline: Instant? { deadlines.first }

    func contains(_ request: AuthorizationRequest) -> Bool { tickets[request] != nil }

    /// False when there is no room.
    mutating func add(_ request: AuthorizationRequest, now: Instant) -> Bool {
        guard count < Constants.pendingAuthorizations,
            perSource[request.source, default: 0] < Constants.pendingPerSource
        else { return false }
        repeat { lastTicket &+= 1 } while requests[lastTicket] != nil
        tickets[request] = lastTicket
        requests[lastTicket] = request
        perSource[request.source, default: 0] += 1
        deadlines.set(lastTicket, now + Constants.authorizationWait)
        return true
    }

    /// False when it does not wait, or no longer.
    mutating func remove(_ request: AuthorizationRequest) -> Bool {
        guard let ticket = tickets.removeValue(forKey: request) else { return false }
        requests[ticket] = nil
        deadlines.remove(ticket)
        let left = perSource[request.source, default: 1] - 1
        perSource[request.source] = left > 0 ? left : nil
        return true
    }

    /// Takes out one that has waited too long.
    mutating func popDue(_ now: Instant) -> AuthorizationRequest? {
        guard let first = deadlines.first, first <= now, let ticket = deadlines.popDue(now),
            let request = requests[ticket]
        else { return nil }
        _ = remove(request)
        return request
    }
}
