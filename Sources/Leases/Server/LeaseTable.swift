import Addresses
import ProtocolSupport

/// Who has which resource: one resource for each client, one client for each resource. A resource stays with its client
/// after the lease has ended, until another client needs it, so clients come back to what they had. Every operation is
/// amortized O(log n).
public struct LeaseTable: Sendable {
    enum State: Hashable, Sendable {
        case offered, active
        /// Ended; the number tells this end from earlier ones.
        case held(UInt64)
    }

    struct Record: Hashable, Sendable {
        var lease: Lease
        var state: State
        var isStatic: Bool

        var isHeld: Bool { if case .held = state { true } else { false } }
    }

    private struct Cursor: Hashable, Sendable {
        var pool = 0
        var index: UInt64 = 0
    }

    /// Clients whose leases have ended, oldest first; entries that no longer hold are skipped.
    private struct HeldQueue: Sendable {
        var entries: [(client: ClientIdentity, number: UInt64)] = []
        var start = 0
    }

    let settings: Settings
    private(set) var records: [ClientIdentity: Record] = [:]
    private(set) var owners: [IPPrefix: ClientIdentity] = [:]
    var claims: LeaseClaims
    private var reserved: Set<IPPrefix> = []
    private var cursors: [String: Cursor] = [:]
    private var held: [String: HeldQueue] = [:]
    private var heldCount = 0
    private var deadlines = DeadlineQueue<LeaseTime, ClientIdentity>()
    private var ends: UInt64 = 0

    init(_ settings: Settings) {
        self.settings = settings
        claims = LeaseClaims(resourceLengths: settings.resourceLengths)
        reserved = settings.excluded.union(settings.reservations.values)
    }

    var deadline: LeaseTime? { deadlines.first }

    func lease(of client: ClientIdentity) -> Lease? {
        guard let record = records[client], record.state == .active else { return nil }
        return record.lease
    }

    /// What the client has or is to be given: its reservation, what it has or had, what it wishes for, a fresh one, or
    /// what has been unused for longest. nil when there is none, or the group is unknown. `ended` is a lease that had
    /// to end for it. Unless the lease is active it is kept for the client until `expiry`.
    mutating func offer(
        _ client: ClientIdentity, group: String, wish: IPPrefix?, until expiry: LeaseTime, now: LeaseTime
    ) -> (resource: IPPrefix?, ended: Lease?) {
        var ended: Lease?
        if let record = records[client] {
            if isValid(record.lease.resource, client, group), record.isStatic || record.lease.group == group {
                if record.state != .active { set(client, .offered, expiry, group) }
                return (record.lease.resource, nil)
            }
            ended = forget(client)
        }
        guard let resource = choose(client, group, wish) else { return (nil, ended) }
        records[client] = Record(
            lease: Lease(client: client, group: group, resource: resource, expiry: expiry), state: .offered,
            isStatic: reservation(of: client) != nil)
        owners[resource] = client
        schedule(expiry, client)
        return (resource, ended)
    }

    /// Makes what was offered, or is leased already, a lease until `expiry`, never shorter than it was. nil without an
    /// offer.
    mutating func commit(_ client: ClientIdentity, until expiry: LeaseTime) -> LeaseEvent? {
        guard let record = records[client] else { return nil }
        if record.state == .active {
            if expiry > record.lease.expiry { set(client, .active, expiry, record.lease.group) }
            return records[client].map { .renewed($0.lease) }
        }
        set(client, .active, expiry, record.lease.group)
        return records[client].map { .granted($0.lease) }
    }

    /// Ends the client's lease or offer; the lease when it was active. The resource is kept for its return.
    mutating func end(_ client: ClientIdentity, now: LeaseTime) -> Lease? {
        guard var record = records[client] else { return nil }
        if record.isHeld { return nil }
        let wasActive = record.state == .active
        record.lease.expiry = min(record.lease.expiry, now)
        hold(record)
        return wasActive ? record.lease : nil
    }

    /// Ends the client's lease and its claim to the resource, which is kept for anybody; the lease when it was active.
    private mutating func forget(_ client: ClientIdentity) -> Lease? {
        guard let record = remove(client) else { return nil }
        if !record.isStatic { holdForAnybody(record) }
        return record.state == .active ? record.lease : nil
    }

    /// Ends the client's lease on what it cannot use: nobody is given it until `expiry`, unless it is the client's
    /// reservation. Each client has one such resource at a time, so that it cannot empty a pool. The lease when it was
    /// active.
    mutating func setAside(_ client: ClientIdentity, until expiry: LeaseTime) -> Lease? {
        guard var record = remove(client) else { return nil }
        let lease = record.lease
        let wasActive = record.state == .active
        if !record.isStatic {
            let holder = ClientIdentity.decliner(client)
            if let earlier = remove(holder) { holdForAnybody(earlier) }
            record.lease = Lease(client: holder, group: lease.group, resource: lease.resource, expiry: expiry)
            record.state = .offered
            records[holder] = record
            owners[lease.resource] = holder
            schedule(expiry, holder)
        }
        guard wasActive else { return nil }
        return Lease(client: client, group: lease.group, resource: lease.resource, expiry: expiry)
    }

    /// The lease of the next client whose time is up; nil when there is none at `now`.
    mutating func popExpired(_ now: LeaseTime) -> Lease? {
        while let client = deadlines.popDue(now) {
            guard let record = records[client] else { continue }
            hold(record)
            if record.state == .active { return record.lease }
        }
        return nil
    }

    /// Everything there is to keep, as lines: what was declined, because a client's own line replaces all before it,
    /// what ended in that order, then leases. A file of them followed by the lines of later events is again such a
    /// file.
    func lines(_ clock: WallClock) -> [String] {
        func number(_ record: Record) -> UInt64 {
            switch record.state {
            case .offered: 0
            case .held(let number): number
            case .active: .max
            }
        }
        let kept = records.values.sorted { (number($0), $0.lease.client) < (number($1), $1.lease.client) }
        return kept.compactMap { record in
            switch record.state {
            case .held: record.lease.client.isNobody ? nil : record.lease.line(.held, clock)
            case .active: record.lease.line(.lease, clock)
            case .offered:
                record.lease.client.declining.map {
                    Lease(
                        client: $0, group: record.lease.group, resource: record.lease.resource,
                        expiry: record.lease.expiry
                    ).line(.declined, clock)
                }
            }
        }
    }

    var leases: [Lease] { records.values.filter { $0.state == .active }.map(\.lease) }

    var counts: (records: Int, deadlines: Int, held: Int) {
        (records.count, deadlines.count, held.values.reduce(0) { $0 + $1.entries.count })
    }
    var isConsistent: Bool {
        records.count == owners.count && records.allSatisfy { owners[$1.lease.resource] == $0 && $1.lease.client == $0 }
            && records.values.count(where: \.isHeld) == heldCount
            && deadlines.count == records.values.count { !$0.isHeld && $0.lease.expiry != .never }
            && records.count <= limit
    }

    /// A lease from a file, before anything else is done with the table; whether it was taken. What came before about
    /// the client is replaced.
    mutating func restore(_ lease: Lease, _ kind: Lease.LineKind, now: LeaseTime) -> Bool {
        let owner = owners[lease.resource]
        guard isValid(lease.resource, lease.client, lease.group),
            owner == nil || owner == lease.client || isHeld(owner),
            records.count < limit || records[lease.client] != nil
        else { return false }
        _ = owner.flatMap { remove($0) }
        _ = remove(lease.client)
        let record = Record(
            lease: lease, state: .active, isStatic: reservation(of: lease.client) != nil)
        records[lease.client] = record
        owners[lease.resource] = lease.client
        switch kind {
        case .lease where lease.expiry > now: schedule(lease.expiry, lease.client)
        case .declined where lease.expiry > now: _ = setAside(lease.client, until: lease.expiry)
        case .declined: _ = forget(lease.client)
        case .lease, .held: hold(record)
        }
        return true
    }

    /// Whether the client has, had or is to have something.
    func knows(_ client: ClientIdentity) -> Bool { records[client] != nil || reservation(of: client) != nil }

    private func reservation(of client: ClientIdentity) -> IPPrefix? {
        claims.lease(of: client) ?? settings.reservations[client]
    }

    private func isHeld(_ client: ClientIdentity?) -> Bool {
        client.flatMap { records[$0]?.isHeld } ?? false
    }

    /// Whether the client may have the resource as things are set.
    func isValid(_ resource: IPPrefix, _ client: ClientIdentity, _ group: String) -> Bool {
        if let reservation = reservation(of: client) { return resource == reservation }
        return isFree(resource) && isPooled(resource, group)
    }

    private func isFree(_ resource: IPPrefix) -> Bool { !reserved.contains(resource) && !claims.meet(resource) }

    private func isPooled(_ resource: IPPrefix, _ group: String) -> Bool {
        settings.pools[group]?.contains { $0.contains(resource) } == true
    }

    /// Pools of the group are searched from their beginning.
    mutating func rewind(_ group: String) { cursors[group] = nil }

    /// After a claim of the client has come, changed or gone: what it has and may no longer have ends.
    mutating func settle(_ client: ClientIdentity) -> Lease? {
        guard let record = records[client] else { return nil }
        let isStatic = reservation(of: client) == record.lease.resource
        if record.isStatic, !isStatic, record.isHeld {
            _ = remove(client)
            return nil
        }
        records[client]?.isStatic = isStatic
        return isValid(record.lease.resource, client, record.lease.group) ? nil : forget(client)
    }

    private mutating func choose(_ client: ClientIdentity, _ group: String, _ wish: IPPrefix?) -> IPPrefix? {
        if let reservation = reservation(of: client) {
            if let owner = owners[reservation], isHeld(owner) || owner.declining != nil { _ = remove(owner) }
            let hasRoom = settings.reservations[client] != nil || records.count < limit
            return owners[reservation] == nil && hasRoom ? reservation : nil
        }
        guard let pools = settings.pools[group] else { return nil }
        if let wish, isValid(wish, client, group) {
            if isHeld(owners[wish]) {
                _ = owners[wish].flatMap { remove($0) }
                return wish
            }
            if owners[wish] == nil, records.count < limit { return wish }
        }
        if records.count < limit, let fresh = fresh(group, pools) { return fresh }
        return reuse(group)
    }

    /// Reservations have room of their own.
    private var limit: Int { settings.capacity + settings.reservations.count }

    private mutating func remove(_ client: ClientIdentity) -> Record? {
        guard let record = records.removeValue(forKey: client) else { return nil }
        owners[record.lease.resource] = nil
        deadlines.remove(client)
        if record.isHeld { heldCount -= 1 }
        return record
    }

    /// One that nobody has had since the start. The cursor only goes forward, so over time each is passed once.
    private mutating func fresh(_ group: String, _ pools: [LeasePool]) -> IPPrefix? {
        var cursor = cursors[group] ?? Cursor()
        defer { cursors[group] = cursor }
        while cursor.pool < pools.count {
            let pool = pools[cursor.pool]
            while cursor.index < pool.count {
                let resource = pool[cursor.index]
                cursor.index += 1
                if owners[resource] == nil, isFree(resource) { return resource }
            }
            cursor = Cursor(pool: cursor.pool + 1)
        }
        return nil
    }

    /// The resource of the group that has been unused for longest; its client is forgotten.
    private mutating func reuse(_ group: String) -> IPPrefix? {
        guard var queue = held.removeValue(forKey: group) else { return nil }
        defer { held[group] = queue }
        while queue.start < queue.entries.count {
            let entry = queue.entries[queue.start]
            queue.start += 1
            guard records[entry.client]?.state == .held(entry.number) else { continue }
            if let resource = remove(entry.client)?.lease.resource, isFree(resource) { return resource }
        }
        queue = HeldQueue()
        return nil
    }

    private mutating func hold(_ record: Record) {
        guard record.isStatic || isPooled(record.lease.resource, record.lease.group) else {
            // It was the client's by a claim. Where a pool has it, too, it is to be found again.
            _ = remove(record.lease.client)
            for (group, pools) in settings.pools where pools.contains(where: { $0.contains(record.lease.resource) }) {
                rewind(group)
            }
            return
        }
        var record = record
        ends += 1
        record.state = .held(ends)
        records[record.lease.client] = record
        owners[record.lease.resource] = record.lease.client
        deadlines.remove(record.lease.client)
        heldCount += 1
        if record.isStatic { return }
        let group = record.lease.group
        held[group, default: HeldQueue()].entries.append((record.lease.client, ends))
        guard var queue = held[group], queue.entries.count > 2 * heldCount + 64 else { return }
        queue.entries = queue.entries[queue.start...].filter { records[$0.client]?.state == .held($0.number) }
        queue.start = 0
        held[group] = queue
    }

    private mutating func holdForAnybody(_ record: Record) {
        var record = record
        let resource = record.lease.resource
        record.lease = Lease(
            client: .nobody(resource), group: record.lease.group, resource: resource, expiry: record.lease.expiry)
        hold(record)
    }

    private mutating func set(_ client: ClientIdentity, _ state: State, _ expiry: LeaseTime, _ group: String) {
        guard var record = records[client] else { return }
        if record.isHeld { heldCount -= 1 }
        record.state = state
        record.lease = Lease(client: client, group: group, resource: record.lease.resource, expiry: expiry)
        records[client] = record
        schedule(expiry, client)
    }

    private mutating func schedule(_ time: LeaseTime, _ client: ClientIdentity) {
        if time == .never { deadlines.remove(client) } else { deadlines.set(client, time) }
    }
}
