import CLinux

/// How far a state's sequence has come, both ways of use: only one of the two numbers grows in one state
/// (`xfrm_replay_state_esn`; RFC 4303 §2.2.1, §3.4.3).
public struct ReplayState: Hashable, Sendable {
    /// The last number that was sent.
    public var sent: UInt64
    /// The highest number that was received and verified.
    public var received: UInt64
    /// How many numbers up to `received` are remembered, 1…4096.
    public var window: UInt32
    /// Which of them have been received, as the kernel keeps it; empty is none.
    public var bitmap: [UInt32]

    public static let windowLimit = UInt32(XFRMA_REPLAY_ESN_MAX)

    public init(sent: UInt64 = 0, received: UInt64 = 0, window: UInt32, bitmap: [UInt32] = []) {
        self.sent = sent
        self.received = received
        self.window = min(max(1, window), Self.windowLimit)
        self.bitmap = bitmap
    }
}

extension ReplayState: AttributeValue {
    public func append(to bytes: inout [UInt8]) {
        let words = Int(window + 31) / 32
        bytes.appendBytes(of: UInt32(words))
        bytes.appendBytes(of: UInt32(truncatingIfNeeded: sent))
        bytes.appendBytes(of: UInt32(truncatingIfNeeded: received))
        bytes.appendBytes(of: UInt32(truncatingIfNeeded: sent >> 32))
        bytes.appendBytes(of: UInt32(truncatingIfNeeded: received >> 32))
        bytes.appendBytes(of: window)
        for word in 0..<words { bytes.appendBytes(of: word < bitmap.count ? bitmap[word] : 0) }
    }

    public init?(payload: RawSpan) {
        guard let words = payload.load(UInt32.self, at: 0), let sentLow = payload.load(UInt32.self, at: 4),
            let receivedLow = payload.load(UInt32.self, at: 8), let sentHigh = payload.load(UInt32.self, at: 12),
            let receivedHigh = payload.load(UInt32.self, at: 16), let window = payload.load(UInt32.self, at: 20),
            words <= Self.windowLimit / 32
        else { return nil }
        var bitmap: [UInt32] = []
        for word in 0..<Int(words) {
            guard let bits = payload.load(UInt32.self, at: 24 + 4 * word) else { return nil }
            bitmap.append(bits)
        }
        sent = UInt64(sentHigh) << 32 | UInt64(sentLow)
        received = UInt64(receivedHigh) << 32 | UInt64(receivedLow)
        self.window = window
        self.bitmap = bitmap
    }
}
