import Addresses

/// What is routed to clients by another's word, such as a RADIUS server's, beside what is leased here. No pool gives
/// anything of it to anybody; what of it is to be leased to its client is that client's reservation.
struct LeaseClaims: Sendable {
    private struct Claim: Sendable {
        var prefixes: [IPPrefix]
        var lease: IPPrefix?
    }

    private var claims: [ClientIdentity: Claim] = [:]
    /// How many claims there are to each prefix, and how many prefixes of each length.
    private var counts: [IPPrefix: Int] = [:]
    private var lengths: [UInt8: Int] = [:]
    /// How many claims are to a part of a resource.
    private var parts: [IPPrefix: Int] = [:]
    private let resourceLengths: Set<UInt8>

    init(resourceLengths: Set<UInt8>) { self.resourceLengths = resourceLengths }

    func lease(of client: ClientIdentity) -> IPPrefix? { claims[client]?.lease }

    func prefixes(of client: ClientIdentity) -> [IPPrefix] { claims[client]?.prefixes ?? [] }

    /// Whether a resource of a pool meets what is claimed.
    func meet(_ resource: IPPrefix) -> Bool {
        if parts[resource] != nil { return true }
        return lengths.keys.contains { length in
            guard length <= resource.length, let around = IPPrefix(resource.address, length: length) else {
                return false
            }
            return counts[around.masked] != nil
        }
    }

    /// Takes the place of the client's claim before. Without prefixes there is none.
    mutating func set(_ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity) {
        if let old = claims.removeValue(forKey: client) {
            for prefix in old.prefixes { count(prefix, -1) }
        }
        if prefixes.isEmpty { return }
        for prefix in prefixes { count(prefix, 1) }
        claims[client] = Claim(prefixes: prefixes, lease: lease)
    }

    private mutating func count(_ prefix: IPPrefix, _ step: Int) {
        func add<Key>(_ key: Key, _ table: inout [Key: Int]) {
            let sum = (table[key] ?? 0) + step
            table[key] = sum == 0 ? nil : sum
        }
        add(prefix.masked, &counts)
        add(prefix.length, &lengths)
        for length in resourceLengths where length < prefix.length {
            if let whole = IPPrefix(prefix.address, length: length) { add(whole.masked, &parts) }
        }
    }
}

extension LeaseTable {
    /// From now on `prefixes` are routed to the client, and `lease`, one of them, is what it is given here; without
    /// prefixes it has no claim any more. The client's lease where that had to end for it.
    mutating func claim(_ prefixes: [IPPrefix], lease: IPPrefix?, of client: ClientIdentity) -> Lease? {
        let former = claims.prefixes(of: client)
        if former == prefixes, claims.lease(of: client) == lease { return nil }
        claims.set(prefixes, lease: lease, of: client)
        // What a pool has passed over meanwhile it is to find again.
        for (group, pools) in settings.pools where pools.contains(where: { $0.meets(former) }) { rewind(group) }
        return settle(client)
    }

    /// Who else has leased, or is offered, something of a prefix.
    func holder(of prefix: IPPrefix, besides client: ClientIdentity) -> ClientIdentity? {
        func isInUse(_ record: Record?) -> Bool {
            guard let record, record.lease.client != client else { return false }
            return !record.isHeld && record.lease.client.declining == nil
        }
        if let owner = owners[prefix], isInUse(records[owner]) { return owner }
        guard settings.pools.values.contains(where: { $0.contains { $0.meets([prefix]) } }) else { return nil }
        if let resource = resource(around: prefix) {
            return owners[resource].flatMap { isInUse(records[$0]) ? $0 : nil }
        }
        return records.values.first { isInUse($0) && $0.lease.resource.overlaps(prefix) }?.lease.client
    }

    /// The only resource of pools that a prefix meets; nil: there may be several.
    private func resource(around prefix: IPPrefix) -> IPPrefix? {
        let lengths = settings.resourceLengths
        guard lengths.count == 1, let length = lengths.first, length <= prefix.length else { return nil }
        return IPPrefix(prefix.address, length: length)?.masked
    }
}
