/// How much later packets arrive by the secondary leg than by the primary one, from when the gateway says its Hellos
/// were sent (RFC 8157 §5.4.1). The clocks of the two ends need not agree: what they differ by is the same on both legs.
public struct LegDelays: Hashable, Sendable {
    /// Nanoseconds from the gateway's clock to this end's, the transmission time included.
    private var offsets: [LegID: RecentExtreme] = [:]

    public init() {}

    /// The least of late, zero or more; nil before both legs have been heard.
    public var difference: Duration? {
        guard let first = offsets[.primary]?.value, let second = offsets[.secondary]?.value else { return nil }
        let (difference, overflow) = second.subtractingReportingOverflow(first)
        return overflow || difference <= 0 ? .zero : min(.nanoseconds(difference), Self.limit)
    }

    /// More is not believed.
    static let limit = Duration.milliseconds(500)

    /// Nanoseconds by which no message is late and no clock goes wrong between two Hellos.
    private static let jump: UInt64 = 60_000_000_000

    /// Takes a Hello of a leg.
    public mutating func heard(_ timestamp: Timestamp, on leg: LegID, at now: Instant) {
        guard leg == .primary || leg == .secondary else { return }
        let sent = Int64(timestamp.totalMilliseconds) &* 1_000_000
        let offset = now.nanoseconds &- sent
        // A gateway's clock that began anew, as one of 32 bits of milliseconds does after 49.7 days: what was heard
        // before on either leg cannot be compared with this.
        offsets = offsets.filter { _, known in ((known.value ?? offset) &- offset).magnitude < Self.jump }
        offsets[leg, default: RecentExtreme(.least, window: .seconds(60))].add(offset, at: now.nanoseconds)
    }

    /// A leg that comes back may be another path.
    mutating func forget(_ leg: LegID) { offsets[leg] = nil }
}
