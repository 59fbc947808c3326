/// Notify messages that wait for their acknowledgement (RFC 8157 §5.6). One at a time and in order, so that two
/// states that exclude each other cannot overtake one another on unlike legs.
struct NotifyQueue: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var attributes: [Attribute]
        /// The leg that the text prefers; another one carries it when that leg is gone.
        var leg: LegID
        var attempts = 0
    }

    private(set) var entries: [Entry] = []
    private(set) var next: Instant?

    /// Adds a Notify; false when the queue is full and the entry was refused.
    mutating func add(_ attributes: [Attribute], preferring leg: LegID, now: Instant) -> Bool {
        guard entries.count < Constants.notifyQueueLimit else { return false }
        entries.append(Entry(attributes: attributes, leg: leg))
        if entries.count == 1 { next = now }
        return true
    }

    /// What happened to the head of the queue when its time came.
    enum Due: Hashable {
        case send(Entry)
        /// Never acknowledged: given up, the next one follows.
        case abandoned(Entry)
    }

    /// The head of the queue when it is due.
    mutating func due(now: Instant) -> Due? {
        guard let time = next, time <= now, !entries.isEmpty else { return nil }
        if entries[0].attempts >= Constants.notifyAttempts {
            let entry = entries.removeFirst()
            next = entries.isEmpty ? nil : now
            return .abandoned(entry)
        }
        entries[0].attempts += 1
        let doublings = min(entries[0].attempts - 1, 8)
        next = now + min(Constants.notifyRetransmission * (1 << doublings), Constants.notifyRetransmissionLimit)
        return .send(entries[0])
    }

    /// Takes an acknowledgement; false when it answers nothing that waits (a duplicate, or a new Notify).
    mutating func acknowledge(_ attributes: [Attribute], now: Instant) -> Bool {
        guard let head = entries.first, head.attempts > 0, Self.answers(attributes, head.attributes) else {
            return false
        }
        entries.removeFirst()
        next = entries.isEmpty ? nil : now
        return true
    }

    /// Drops what waits and matches; for states that no longer hold.
    mutating func drop(now: Instant, where matches: (Entry) -> Bool) {
        let headLeaves = entries.first.map(matches) ?? false
        entries.removeAll(where: matches)
        if entries.isEmpty { next = nil } else if headLeaves { next = now }
    }

    /// The echo of all attributes; for filter list packages an ACK with the same commit count.
    private static func answers(_ answer: [Attribute], _ sent: [Attribute]) -> Bool {
        if answer == sent { return true }
        guard case .filterListPackage(let package)? = sent.first, sent.count == 1 else { return false }
        return answer.contains {
            if case .filterListPackageACK(let ack) = $0 { ack.commitCount == package.commitCount } else { false }
        }
    }
}
