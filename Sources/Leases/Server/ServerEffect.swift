import Addresses

/// What a server wants done, in this order. `Answer` is what it sends.
public enum ServerEffect<Answer: Hashable & Sendable>: Hashable, Sendable {
    /// To the client's link.
    case send(Answer, to: ClientIdentity)
    /// The client's link is where this is from now on, or no longer.
    case addRoute(IPPrefix, ClientIdentity)
    case removeRoute(IPPrefix, ClientIdentity)
    case event(LeaseEvent)
    case discarded(DiscardReason, ClientIdentity)
}

/// Why a message was not acted on. The raw values are stable: they are names of counters.
public enum DiscardReason: String, Hashable, Sendable, CaseIterable {
    /// Not a type that this role takes.
    case unexpectedType = "unexpected_type"
    /// Something that the type must have is missing or cannot be used.
    case incomplete
    /// An answer to nothing that was asked, or a late one.
    case unsolicited
    /// Meant for another server, or from one that was not asked.
    case otherServer = "other_server"
    /// It came through a relay, which no bond has.
    case relayed
    /// What is offered cannot be used.
    case unusable
    /// There is nothing left for this client.
    case exhausted
    /// It is about a lease that the client does not have.
    case noLease = "no_lease"
    /// A relay: it is about what another client has.
    case taken
    /// A relay cannot read it.
    case malformed
    /// It was relayed too often.
    case tooManyHops = "too_many_hops"
}
