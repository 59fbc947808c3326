/// Which of the servers a message goes to.
package struct RelayServers<Address: Hashable & Sendable>: Sendable {
    let all: [Address]
    let use: RelayServerUse
    private var current = 0
    /// When the current server was first sent something that it has not answered since.
    private var waitsSince: LeaseTime?

    /// How long a server may be silent before the next one has its turn, in nanoseconds: clients have asked twice.
    static var patience: Int64 { .seconds(5) }

    init(_ all: [Address], _ use: RelayServerUse) {
        self.all = all
        self.use = use
    }

    /// Where a message goes that servers answer.
    mutating func next(_ now: LeaseTime) -> [Address] {
        guard use == .failover, all.count > 1 else { return all }
        if let since = waitsSince, now.since(since) >= Self.patience {
            current = (current + 1) % all.count
            waitsSince = nil
        }
        waitsSince = waitsSince ?? now
        return [all[current]]
    }

    mutating func answered(_ server: Address) {
        if all.indices.contains(current), all[current] == server { waitsSince = nil }
    }
}

/// How several servers are used.
public enum RelayServerUse: String, Hashable, Sendable, CaseIterable {
    /// Each message goes to all of them, and clients choose among the answers (RFC 1542 §4.1.1, RFC 8415 §19.1).
    case all
    /// To one, until it is silent: then to the next.
    case failover
}
