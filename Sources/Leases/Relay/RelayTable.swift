import Addresses
import ProtocolSupport

/// What servers have granted through a relay, as their answers tell: each address or prefix with its client, until its
/// valid lifetime ends (RFC 8987 §4.1). The servers are always right: what they give to another client moves there.
package struct RelayTable: Sendable {
    private(set) var leases: [IPPrefix: Lease] = [:]
    private var resources: [ClientIdentity: Set<IPPrefix>] = [:]
    private var deadlines = DeadlineQueue<LeaseTime, IPPrefix>()
    /// The transactions of each client's latest requests, newest last.
    private var requests: [ClientIdentity: [UInt32]] = [:]
    private let capacity: Int
    private let leasesPerClient: Int

    init(capacity: Int, leasesPerClient: Int) {
        self.capacity = max(1, capacity)
        self.leasesPerClient = max(1, leasesPerClient)
    }

    var deadline: LeaseTime? { deadlines.first }

    var isConsistent: Bool {
        leases.count <= capacity && resources.values.allSatisfy { (1...leasesPerClient).contains($0.count) }
            && resources.values.reduce(0) { $0 + $1.count } == leases.count
            && leases.allSatisfy { $0 == $1.resource && resources[$1.client]?.contains($0) == true }
            && deadlines.count == leases.values.count { $0.expiry != .never }
            && requests.count <= capacity
            && requests.values.allSatisfy { (1...leasesPerClient).contains($0.count) && Set($0).count == $0.count }
    }

    func isOwner(_ client: ClientIdentity, of resource: IPPrefix) -> Bool { leases[resource]?.client == client }

    /// The client asks for something. Only an answer to one of its latest requests is a grant: a duplicate that comes
    /// late would give back what the client released, or what somebody else has by now.
    mutating func noteRequest(_ transaction: UInt32, of client: ClientIdentity) {
        // Clients ask again, so that forgetting all of them costs each one message.
        if requests[client] == nil, requests.count >= capacity { requests.removeAll() }
        var own = requests[client] ?? []
        own.removeAll { $0 == transaction }
        requests[client] = own.suffix(leasesPerClient - 1) + [transaction]
    }

    /// The client has given something up, and answers that are under way are out of date.
    mutating func cancelRequests(of client: ClientIdentity) { requests[client] = nil }

    func isAnswer(_ transaction: UInt32, to client: ClientIdentity) -> Bool {
        requests[client]?.contains(transaction) ?? false
    }

    /// False, and nothing has changed, when there is no room. A client that has too many loses what ends first.
    mutating func grant(
        _ grants: [IPPrefix: LeaseTime], to client: ClientIdentity, _ effects: inout [RelayEffect]
    ) -> Bool {
        let known = grants.keys.count { leases[$0] != nil }
        guard grants.count <= leasesPerClient, leases.count - known + grants.count <= capacity else { return false }
        for (resource, expiry) in grants.sorted(by: { $0.key < $1.key }) {
            let lease = Lease(client: client, group: "", resource: resource, expiry: expiry)
            if isOwner(client, of: resource) {
                insert(lease)
                effects.append(.event(.renewed(lease)))
                continue
            }
            if let former = leases[resource]?.client {
                cancelRequests(of: former)
                end(resource, .withdrawn, &effects)
            }
            if let own = resources[client], own.count >= leasesPerClient,
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
        for resource in (resources[client] ?? []).sorted() { end(resource, reason, &effects) }
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
            } else if !grant([lease.resource: lease.expiry], to: lease.client, &ignored) {
                rejected.append(number + 1)
            }
        }
        let kept = leases.values.sorted { $0.resource < $1.resource }
        return (kept.map { .addRoute($0.resource, $0.client) }, rejected)
    }

    private mutating func insert(_ lease: Lease) {
        leases[lease.resource] = lease
        resources[lease.client, default: []].insert(lease.resource)
        if lease.expiry == .never {
            deadlines.remove(lease.resource)
        } else {
            deadlines.set(lease.resource, lease.expiry)
        }
    }

    private mutating func remove(_ resource: IPPrefix) -> Lease? {
        guard let lease = leases.removeValue(forKey: resource) else { return nil }
        deadlines.remove(resource)
        resources[lease.client]?.remove(resource)
        if resources[lease.client]?.isEmpty == true { resources[lease.client] = nil }
        return lease
    }
}
