/// What a Notify attribute is about. Attributes of one topic replace each other; those of different topics are
/// independent, and may be under way at the same time.
enum NotifyTopic: Hashable, Sendable, CaseIterable {
    case bypassRate, distribution, primaryFailure, secondaryFailure, hostPrefix, diagnostic, helloState, filterList

    /// nil for an attribute that no end sends in a Notify of its own.
    init?(_ attribute: Attribute) {
        switch attribute {
        case .bypassTrafficRate: self = .bypassRate
        case .switchingToDSLTunnel, .overflowingToLTETunnel: self = .distribution
        case .dslLinkFailure: self = .primaryFailure
        case .lteLinkFailure: self = .secondaryFailure
        case .ipv6PrefixAssignedToHost: self = .hostPrefix
        case .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel, .diagnosticStartLTETunnel, .diagnosticEnd:
            self = .diagnostic
        case .switchingToActiveHelloState, .switchingToIdleHelloState: self = .helloState
        case .filterListPackage, .filterListPackageACK: self = .filterList
        default: return nil
        }
    }
}

/// Notify attributes that wait for their acknowledgement (RFC 8157 §5.6), at most one of each topic: a newer state
/// takes the place of the older one, so the queue cannot grow.
///
/// A Notify has no number. A copy that was sent more often than it was echoed may still be under way and undo a later
/// state when it arrives. Therefore what follows such a copy is said once more after strays have died out, and an echo
/// that fits nothing makes its topic be said again (``stray(_:)``).
struct NotifyQueue: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var attribute: Attribute
        var topic: NotifyTopic
        /// The leg that the text prefers; another one carries it when that leg is gone.
        var leg: LegID
        var attempts = 0
        var next: Instant
        var lastSent: Instant?
        /// Say it once more after the acknowledgement.
        var again: Bool

        /// Whether all attempts were made before, and this one was made because the peer was heard.
        var isReminder: Bool { topic == .filterList && attempts > Constants.filterListAttempts }
    }

    enum Due: Hashable {
        case send(Entry)
        /// Never acknowledged, given up.
        case abandoned(Entry)
    }

    /// In the order in which the topics were taken up.
    private(set) var entries: [Entry] = []
    /// Until when a copy may still be under way.
    private var strays: [NotifyTopic: Instant] = [:]

    var isEmpty: Bool { entries.isEmpty }
    var next: Instant? { entries.map(\.next).min() }

    /// Takes an attribute to be sent; false when it is of no topic.
    @discardableResult
    mutating func add(_ attribute: Attribute, preferring leg: LegID, now: Instant) -> Bool {
        guard let topic = NotifyTopic(attribute) else { return false }
        if entries.contains(where: { $0.topic == topic && $0.attribute == attribute }) { return true }
        remove(topic)
        // Packages are told apart by their numbers; only states can be undone by an old copy.
        let again = topic != .filterList && mayStray(topic, now: now)
        entries.append(Entry(attribute: attribute, topic: topic, leg: leg, next: now, again: again))
        return true
    }

    /// The earliest entry that is due. Call it until it gives nil.
    mutating func due(now: Instant) -> Due? {
        guard let index = entries.indices.min(by: { entries[$0].next < entries[$1].next }),
            entries[index].next <= now
        else { return nil }
        let filterList = entries[index].topic == .filterList
        if let limit = Constants.notifyAttempts[entries[index].topic], entries[index].attempts >= limit {
            return .abandoned(entries.remove(at: index))
        }
        entries[index].attempts += 1
        entries[index].lastSent = now
        let attempts = entries[index].attempts
        let wait =
            if filterList {
                Constants.filterListRetransmission
            } else if attempts > Constants.notifyFastAttempts {
                Constants.notifySlowRetransmission
            } else {
                min(Constants.notifyRetransmission * (1 << min(attempts - 1, 8)), Constants.notifyRetransmissionLimit)
            }
        entries[index].next = now + wait
        if filterList, attempts >= Constants.filterListAttempts, attempts < Constants.notifyAttempts[.filterList] ?? 0 {
            entries[index].next = .distantFuture
        }
        return .send(entries[index])
    }

    /// The peer was heard, on any leg: a filter list that was repeated in vain is said once more. While nothing is
    /// heard nothing is said, and who answers other things is reminded a few times only.
    mutating func heard(now: Instant) {
        for index in entries.indices where entries[index].next == .distantFuture {
            guard let sent = entries[index].lastSent, now - sent >= Constants.filterListRetransmission else { continue }
            entries[index].next = now
        }
    }

    /// Takes an acknowledgement; nil when it answers nothing that waits (a duplicate, or a Notify of the peer's own).
    mutating func acknowledge(_ attribute: Attribute, now: Instant) -> Entry? {
        guard let index = entries.firstIndex(where: { $0.attempts > 0 && Self.answers(attribute, $0.attribute) })
        else { return nil }
        let entry = entries[index]
        if entry.again {
            entries[index].again = false
            entries[index].attempts = 0
            entries[index].next = now + Constants.strayLife
        } else {
            entries.remove(at: index)
            // What was sent once and echoed can only come again if the network doubled it.
            strays[entry.topic] = entry.lastSent.map {
                $0 + (entry.attempts > 1 ? Constants.strayLife : Constants.doubledLife)
            }
        }
        return entry
    }

    /// An echo that fits nothing: an old copy arrived late. Whether its topic has nothing under way, so that the state
    /// that holds must be added by the caller.
    mutating func stray(_ attribute: Attribute) -> Bool {
        guard let topic = NotifyTopic(attribute) else { return false }
        guard let index = entries.firstIndex(where: { $0.topic == topic }) else { return true }
        entries[index].again = true
        return false
    }

    /// Drops what waits on the topic, because its state no longer holds.
    mutating func remove(_ topic: NotifyTopic) {
        guard let index = entries.firstIndex(where: { $0.topic == topic }) else { return }
        let entry = entries.remove(at: index)
        if let sent = entry.lastSent { strays[topic] = sent + Constants.strayLife }
    }

    /// Whether something of the topic waits for its acknowledgement.
    func isUnderWay(_ topic: NotifyTopic) -> Bool { entries.contains { $0.topic == topic } }

    /// Whether a copy of the topic may still be under way.
    func mayStray(_ topic: NotifyTopic, now: Instant) -> Bool {
        strays[topic].map { now < $0 } ?? false
    }

    /// The echo; for a filter list package an ACK with the same commit count.
    private static func answers(_ answer: Attribute, _ sent: Attribute) -> Bool {
        if case .filterListPackage(let package) = sent, case .filterListPackageACK(let ack) = answer {
            return ack.commitCount == package.commitCount
        }
        return answer == sent
    }
}
