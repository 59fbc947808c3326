import Formatting

/// What a capture says about a packet besides its bytes.
public struct CaptureContext: Sendable {
    /// Which packet of the capture it is, from 1.
    public let number: Int
    /// "2025-01-31T23:59:59.042000000Z".
    public let time: String
    /// How many of its bytes were captured.
    public let captured: Int
    /// How many bytes it had on the wire.
    public let length: Int

    /// The time is in seconds and nanoseconds since 1970-01-01T00:00Z; any numbers may come.
    public init(number: Int, seconds: Int64, nanoseconds: Int64, captured: Int, length: Int) {
        self.number = number
        time = UTCTime.text(seconds: seconds, nanoseconds: nanoseconds)
        self.captured = captured
        self.length = length
    }
}
