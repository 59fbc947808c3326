/// What the kernel counted for one bond since its devices were made: packets of subscribers, leg by leg. Counts run on
/// and may begin anew at zero when a leg's address changes.
public struct TrafficSample: Hashable, Sendable {
    /// Packets that came by a leg with a valid outer source and key.
    public var received: [LegID: UInt64]
    /// Packets that were given to a leg.
    public var sent: [LegID: UInt64]

    public init(received: [LegID: UInt64] = [:], sent: [LegID: UInt64] = [:]) {
        self.received = received
        self.sent = sent
    }
}
