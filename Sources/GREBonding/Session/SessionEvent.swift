public import Addresses

/// What happened, for logs, hooks and `spillway monitor`. Nothing in the data plane depends on it.
public enum SessionEvent: Hashable, Sendable {
    case setupRequested(LegID, attempt: Int)
    case setupDenied(LegID, ErrorCode)
    /// So many requests had no answer; the code is the one that the standard has for it, 1 or 2.
    case setupUnanswered(LegID, ErrorCode)
    case legUp(LegID, IPAddress)
    case legDown(LegID, LegDownReason)
    case bondUp(sessionID: UInt32)
    case bondDown(sessionID: UInt32, BondDownReason)
    case roundTrip(LegID, Duration)
    case notifyAbandoned(LegID)
    case helloState(HelloState)
    /// The use of the secondary leg stops or resumes because of the round-trip times (RFC 8157 §5.6.3, §5.6.4).
    case primaryOnly(Bool)
    case diagnostic(Diagnostic?)
    /// RFC 8157 §5.6.7, at the aggregator.
    case prefixAssignedToHost(AssignedIPv6Prefix)
    /// The gateway took a whole filter list, or said no to it (RFC 8157 §5.6.12).
    case filterListTaken(commitCount: UInt32)
    case filterListRefused(commitCount: UInt32, FilterListPackageACK.Code)
    /// The gateway did not take a package of a filter list.
    case filterListPackageRejected(FilterListAssembler.Rejection)
    case filterListNotSendable(FilterListError)
    /// The last bond of a draining aggregator is gone.
    case drained
    case verificationStarted(sessionID: UInt32)
    /// A message that was not acted on, counted by its reason.
    case discarded(DiscardReason)
}

public enum LegDownReason: String, Hashable, Sendable, CaseIterable {
    case carrierLost = "carrier_lost"
    case addressLost = "address_lost"
    case helloLost = "hello_lost"
    /// The peer said so in a Notify (RFC 8157 §5.6.5, §5.6.6).
    case reportedByPeer = "reported_by_peer"
    case tornDown = "torn_down"
    case stopped
}

public enum BondDownReason: Hashable, Sendable {
    /// No leg is left.
    case allLegsLost
    /// The peer sent a Tear Down (RFC 8157 §5.5), or this end did.
    case tornDown(ErrorCode?)
    /// The granting leg was away for longer than the Idle Timeout (RFC 8157 §5.2.8).
    case idleTimeout
    /// The same subscriber set up a new one.
    case replaced
    case stopped

    /// The same in every version.
    public var name: String {
        switch self {
        case .allLegsLost: "all_legs_lost"
        case .tornDown: "torn_down"
        case .idleTimeout: "idle_timeout"
        case .replaced: "replaced"
        case .stopped: "stopped"
        }
    }
}

/// Why a control message was not acted on. The raw values are stable: they are names of counters.
public enum DiscardReason: String, Hashable, Sendable, CaseIterable {
    /// The GRE Key is of no bond here (RFC 8157 §7).
    case unknownKey = "unknown_key"
    /// The outer source is not that of the leg the message claims (RFC 8157 §7).
    case wrongSource = "wrong_source"
    case wrongLeg = "wrong_leg"
    case unknownSession = "unknown_session"
    /// A message type that this role does not take.
    case unexpectedType = "unexpected_type"
    /// An answer to nothing that was asked.
    case unsolicited
    case missingAttribute = "missing_attribute"
    case unusableAddress = "unusable_address"
    /// A Setup Request while tunnel verification runs (RFC 8157 §5.6.15).
    case verificationUnderWay = "verification_under_way"
    case tooManyPending = "too_many_pending"
    /// The aggregator no longer takes new bonds.
    case draining
    /// The aggregator has as many bonds as it may have.
    case tooManySessions = "too_many_sessions"
    /// The name is empty or not printable UTF-8.
    case unusableName = "unusable_name"
    case duplicate
}
