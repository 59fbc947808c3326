public import Addresses

/// What the data plane must do for one bonding connection: the session machines say it, the controller turns it into
/// kernel objects. Two equal values need the same objects.
public struct Bond: Hashable, Sendable {
    /// RFC 8157 §5.1.2.
    public var sessionID: UInt32
    /// The GRE Key of every packet of this bond, RFC 8157 §5.2.9.
    public var key: UInt32
    /// H: the aggregator's end of every leg, RFC 8157 §5.2.1.
    public var aggregator: IPAddress
    /// The gateway's end of each leg that may carry packets.
    public var legs: [LegID: IPAddress]
    public var distribution: Distribution
    /// Rate of the primary leg in this end's sending direction less what bypasses the bond, kbit/s; 0: not known.
    public var committedInformationRate: UInt32
    /// The subscriber (HAAP: as authorized; HG: its own name).
    public var client: ClientIdentificationName

    public enum Distribution: Hashable, Sendable {
        /// All packets take one leg.
        case only(LegID)
        /// Green and yellow packets take the first leg, red ones the second, RFC 8157 §4.3.
        case overflow(LegID, LegID)
    }

    public init(
        sessionID: UInt32, key: UInt32, aggregator: IPAddress, legs: [LegID: IPAddress], distribution: Distribution,
        committedInformationRate: UInt32, client: ClientIdentificationName
    ) {
        self.sessionID = sessionID
        self.key = key
        self.aggregator = aggregator
        self.legs = legs
        self.distribution = distribution
        self.committedInformationRate = committedInformationRate
        self.client = client
    }

    /// The distribution for the legs that are there: the primary first, the others take what overflows.
    static func distribution(
        over legs: some Collection<LegID>, primaryOnly: Bool, diagnostic: Diagnostic?
    ) -> Distribution {
        let ordered = legs.sorted()
        guard let first = ordered.first else { return .only(.secondary) }
        if let leg = diagnostic?.leg, ordered.contains(leg) { return .only(leg) }
        guard ordered.count > 1, !primaryOnly || diagnostic == .bonding else { return .only(first) }
        return .overflow(first, ordered[1])
    }
}
