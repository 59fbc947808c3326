import Addresses
import ProtocolSupport

/// What servers have granted through a relay, as their answers tell: each address or prefix with its client, until its
/// valid lifetime ends (RFC 8987 §4.1). Servers know clients by what these say of themselves, so one that speaks in
/// another's name is granted what the other has: until that one's lease has ended here it does not move.
package struct RelayTable: Sendable {
    private(set) var leases: [IPPrefix: Lease] = [:]
    private var owned: [ClientIdentity: Set<IPPrefix>] = [:]
    private var deadlines = DeadlineQueue<LeaseTime, IPPrefix>()
    /// Each client's latest requests, newest last.
    private var requests: [ClientIdentity: [Request]] = [:]
    private let capacity: Int
    private let leasesPerClient: Int

    private struct Request: Sendable {
        let transaction: UInt32
        /// What the client asks to keep or to have.
        let resource: IPPrefix?
        /// What it was offered, and by which servers.
        var offers: [IPPrefix: String]
    }

    init(capacity: Int, leasesPerClient: Int) {
        self.capacity = max(1, capacity)
        self.leasesPerClient = max(1, leasesPerClient)
    }

    var deadline: LeaseTime? { deadlines.first }

    var isConsistent: Bool {
        leases.count <= capacity && owned.values.allSatisfy { (1...leasesPerClient).contains($0.count) }
            && owned.values.reduce(0) { $0 + $1.count } == leases.count
            && leases.allSatisfy { $0 == $1.resource && owned[$1.client]?.contains($0) == true }
            && deadlines.count == leases.values.count { $0.expiry != .never }
            && requests.count <= capacity
            && requests.values.allSatisfy {
                (1...leasesPerClient).contains($0.count) && Set($0.map(\.transaction)).count == $0.count
                    && $0.allSatisfy { $0.offers.count <= leasesPerClient }
            }
    }

    func resources(of client: ClientIdentity) -> [IPPrefix] { (owned[client] ?? []).sorted() }

    func isOwner(_ client: ClientIdentity, of resource: IPPrefix) -> Bool { leases[resource]?.client == client }

    /// The client asks for something. Only an answer to one of its latest requests is a grant: a duplicate that comes
    /// late would give back what the client released, or what somebody else has by now.
    mutating func noteRequest(_ transaction: UInt32, for resource: IPPrefix? = nil, of client: ClientIdentity) {
        // Clients ask again, so that forgetting all of them costs each one message.
        if requests[client] == nil, requests.count >= capacity { requests.removeAll() }
        var own = requests[client] ?? []
        let offers = own.first { $0.transaction == transaction }?.offers ?? [:]
        own.removeAll { $0.transaction == transaction }
        let request = Request(transaction: transaction, resource: resource, offers: offers)
        requests[client] = own.suffix(leasesPerClient - 1) + [request]
    }

    /// A server offers something; where several offer the same, the first one does.
    mutating func noteOffer(_ resource: IPPrefix, by server: String, _ transaction: UInt32, to client: ClientIdentity) {
        guard let place = requests[client]?.firstIndex(where: { $0.transaction == transaction }),
            let offers = requests[client]?[place].offers, offers[resource] == nil, offers.count < leasesPerClient
        else { return }
        requests[client]?[place].offers[resource] = server
    }

    /// Who has offered this to the client in the transaction, or else granted it.
    func server(of resource: IPPrefix, _ transaction: UInt32, for client: ClientIdentity) -> String? {
        let request = requests[client]?.first { $0.transaction == transaction }
        return request?.offers[resource] ?? (isOwner(client, of: resource) ? leases[resource]?.group : nil)
    }

    /// The client has given something up, and answers that are under way are out of date.
    mutating func cancelRequests(of client: ClientIdentity) { requests[client] = nil }

    func isAnswer(_ transaction: UInt32, to client: ClientIdentity) -> Bool {
        requests[client]?.contains { $0.transaction == transaction } ?? false
    }

    /// The server has refused what was asked for.
    mutating func refuse(_ transaction: UInt32, to client: ClientIdentity, _ effects: inout [RelayEffect]) {
        let request = requests[client]?.first { $0.transaction == transaction }
        if let resource = request?.resource, isOwner(client, of: resource) { end(resource, .withdrawn, &effects) }
    }

    /// Whether somebody else has it.
    func isTaken(_ resource: IPPrefix, from client: ClientIdentity) -> Bool {
        leases[resource].map { $0.client != client } ?? false
    }

    /// False, and nothing has changed, when there is no room or somebody else has it. A client that has too many loses
    /// what ends first.
    mutating func grant(
        _ grants: [IPPrefix: LeaseTime], by server: String = "", to client: ClientIdentity,
        _ effects: inout [RelayEffect]
    ) -> Bool {
        let known = grants.keys.count { leases[$0] != nil }
        guard grants.count <= leasesPerClient, leases.count - known + grants.count <= capacity,
            !grants.keys.contains(where: { isTaken($0, from: client) })
        else { return false }
        for (resource, expiry) in grants.sorted(by: { $0.key < $1.key }) {
            let lease = Lease(client: client, group: server, resource: resource, expiry: expiry)
            if isOwner(client, of: resource) {
                insert(lease)
                effects.append(.event(.renewed(lease)))
                continue
            }
            if let own = owned[client], own.count >= leasesPerClient,
                let first = own.subtracting(grants.keys).compactMap({ leases[$0] })
                    .min(by: { ($0.expiry, $0.resource) < ($1.expiry, $1.resource) })
            {
                end(first.resource, .withdrawn, &effects)
            }
            insert(lease)
            effects.append(.addRoute(resource, client))
            effects.append(.event(.granted(lease)))
        }
        return true
    }

    mutating func end(_ resource: IPPrefix, _ reason: LeaseEndReason, _ effects: inout [RelayEffect]) {
        guard let lease = remove(resource) else { return }
        effects.append(.removeRoute(resource, lease.client))
        effects.append(.event(.ended(lease, reason)))
    }

    mutating func endAll(of client: ClientIdentity, _ reason: LeaseEndReason, _ effects: inout [RelayEffect]) {
        cancelRequests(of: client)
        for resource in resources(of: client) { end(resource, reason, &effects) }
    }

    mutating func runTimers(_ now: LeaseTime, _ effects: inout [RelayEffect]) {
        while let resource = deadlines.popDue(now) { end(resource, .expired, &effects) }
    }

    func lines(_ clock: WallClock) -> [String] {
        leases.values.sorted { $0.resource < $1.resource }.map { $0.line(.lease, clock) }
    }

    /// See ``RelayAgent/load(_:_:)``.
    mutating func load(
        _ lines: some Sequence<some StringProtocol>, _ clock: WallClock
    ) -> (effects: [RelayEffect], rejected: [Int]) {
        var rejected: [Int] = []
        var ignored: [RelayEffect] = []
        for (number, line) in lines.enumerated() where !line.isEmpty {
            guard let (kind, lease) = Lease.parse(line, clock) else {
                rejected.append(number + 1)
                continue
            }
            if kind != .lease || lease.expiry <= clock.now {
                if isOwner(lease.client, of: lease.resource) { _ = remove(lease.resource) }
            } else if !grant([lease.resource: lease.expiry], by: lease.group, to: lease.client, &ignored) {
                rejected.append(number + 1)
            }
        }
        let kept = leases.values.sorted { $0.resource < $1.resource }
        return (kept.map { .addRoute($0.resource, $0.client) }, rejected)
    }

    private mutating func insert(_ lease: Lease) {
        leases[lease.resource] = lease
        owned[lease.client, default: []].insert(lease.resource)
        if lease.expiry == .never {
            deadlines.remove(lease.resource)
        } else {
            deadlines.set(lease.resource, lease.expiry)
        }
    }

    private mutating func remove(_ resource: IPPrefix) -> Lease? {
        guard let lease = leases.removeValue(forKey: resource) else { return nil }
        deadlines.remove(resource)
        owned[lease.client]?.remove(resource)
        if owned[lease.client]?.isEmpty == true { owned[lease.client] = nil }
        return lease
    }
}
