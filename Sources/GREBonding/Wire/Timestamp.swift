/// The sender's time since it was restarted, echoed to measure the round trip: RFC 8157 §5.4.1.
public struct Timestamp: Hashable, Sendable {
    /// Whole seconds.
    public var seconds: UInt32
    /// Milliseconds on top of ``seconds``, 0…999. Larger values of a peer are kept.
    public var milliseconds: UInt32

    /// The two fields as on the wire.
    public init(seconds: UInt32, milliseconds: UInt32) {
        self.seconds = seconds
        self.milliseconds = milliseconds
    }

    /// From a count of milliseconds; seconds beyond 32 bits wrap.
    public init(totalMilliseconds: UInt64) {
        seconds = UInt32(truncatingIfNeeded: totalMilliseconds / 1000)
        milliseconds = UInt32(truncatingIfNeeded: totalMilliseconds % 1000)
    }

    /// Both fields as one count of milliseconds; cannot overflow.
    public var totalMilliseconds: UInt64 { UInt64(seconds) * 1000 + UInt64(milliseconds) }
}
