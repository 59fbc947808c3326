/// What can happen. The raw values are the same in every version: operators filter, count and write hook commands by
/// them (docs/observe.md).
public enum EventKind: String, Hashable, Sendable, CaseIterable {
    case started
    case stopping
    case setupRequested = "setup-requested"
    case setupDenied = "setup-denied"
    case setupUnanswered = "setup-unanswered"
    case legUp = "leg-up"
    case legDown = "leg-down"
    case bondUp = "bond-up"
    case bondDown = "bond-down"
    case helloState = "hello-state"
    case primaryOnly = "primary-only"
    case bothLegs = "both-legs"
    case quotaShare = "quota-share"
    case quotaReached = "quota-reached"
    case quotaAvailable = "quota-available"
    case quotaClock = "quota-clock"
    case diagnostic
    case diagnosticEnded = "diagnostic-ended"
    case addresses
    case prefixToHost = "prefix-to-host"
    case filterListTaken = "filter-list-taken"
    case filterListRefused = "filter-list-refused"
    case notifyAbandoned = "notify-abandoned"
    case verification
    case drained
    case ipsecExpiring = "ipsec-expiring"
    case ipsecExpired = "ipsec-expired"
    case ipsecLost = "ipsec-lost"
    case ipsecBack = "ipsec-back"
    case ipsecRefused = "ipsec-refused"
    case roundTrip = "round-trip"
    case discarded

    /// For people.
    public var message: String {
        switch self {
        case .started: "began"
        case .stopping: "was told to end"
        case .setupRequested: "setup requested"
        case .setupDenied: "setup was denied"
        case .setupUnanswered: "no answer to setup requests"
        case .legUp: "leg is up"
        case .legDown: "leg is down"
        case .bondUp: "bond is up"
        case .bondDown: "bond has ended"
        case .helloState: "other Hello state"
        case .primaryOnly: "LTE is left out"
        case .bothLegs: "LTE is used again"
        case .quotaShare: "a part of LTE's quota is used"
        case .quotaReached: "LTE's quota is used up, it is only a reserve"
        case .quotaAvailable: "LTE's quota is not used up any more"
        case .quotaClock: "the clock went back to an earlier period of LTE's quota"
        case .diagnostic: "a diagnostic binds the traffic"
        case .diagnosticEnded: "the diagnostic has ended"
        case .addresses: "other addresses in the bond"
        case .prefixToHost: "the gateway's LAN has another prefix"
        case .filterListTaken: "the gateway took the filter list"
        case .filterListRefused: "the gateway did not take the filter list"
        case .notifyAbandoned: "a Notify was never acknowledged"
        case .verification: "asks whether the bond lives"
        case .drained: "no bond is left"
        case .ipsecExpiring: "an IPsec state has nearly carried what it may"
        case .ipsecExpired: "an IPsec state has carried what it may"
        case .ipsecLost: "an IPsec state is gone: its leg carries nothing that way"
        case .ipsecBack: "an IPsec state is there again"
        case .ipsecRefused: "packets of legs were refused"
        case .roundTrip: "measured"
        case .discarded: "a control message was not acted on"
        }
    }

    public var severity: EventSeverity {
        switch self {
        case .roundTrip: .debug
        case .started, .legUp, .bondUp, .quotaAvailable, .quotaClock, .ipsecBack: .notice
        case .quotaShare, .quotaReached, .setupDenied, .setupUnanswered, .legDown, .bondDown, .filterListRefused,
            .notifyAbandoned, .ipsecExpiring, .ipsecExpired, .ipsecLost, .ipsecRefused:
            .warning
        default: .info
        }
    }

    /// Comes with each Hello, or whenever somebody sends rubbish: neither kept nor given to hook commands, and shown
    /// by `spillway monitor` only when asked for.
    public var isFrequent: Bool { self == .roundTrip || self == .discarded }
}

public enum EventSeverity: String, Hashable, Sendable {
    case debug, info, notice, warning
}

/// What is said about an event. The raw values are the names in the log and in JSON.
public enum EventField: String, Hashable, Sendable, CaseIterable {
    /// "dsl", "lte"
    case leg
    /// Of a leg's or bond's end, and of a discarded message.
    case why
    /// The access link of the leg, at a gateway.
    case interface
    /// Outer address of the gateway's end of the leg.
    case address
    /// H, the aggregator's end.
    case aggregator
    /// The bond's device.
    case device
    /// Client Identification Name.
    case bond
    /// Session ID, decimal.
    case session
    /// Of a setup request, from 1.
    case attempt
    /// RFC 8157 §5.3.1, decimal.
    case code
    /// Of a filter list: its Commit_Count; of packets that were refused: how many.
    case count
    /// Of an IPsec state: its number, and where its packets come from; where they go is `address`.
    case spi, source
    /// "active", "idle"; or what is tested: "bonding", "dsl", "lte".
    case state
    case prefix
    /// Of a gateway in the bond, by leases or settings: its IPv4 address; name servers, separated by blanks; the domain.
    case inner, servers, domain
    /// Of LTE's quota: percent that was reached, bytes used and allowed, when it is reset (RFC 3339, UTC).
    case share, used, volume, resets
    /// Microseconds.
    case us

    /// The variable that a hook command finds it in.
    public var variable: String {
        switch self {
        case .leg: "LINK"
        case .why: "REASON"
        case .us: "ROUND_TRIP_US"
        default: rawValue.uppercased()
        }
    }
}
