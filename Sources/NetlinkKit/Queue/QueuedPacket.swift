import CLinux

/// A packet that waits for its verdict, borrowed from the receive buffer.
public struct QueuedPacket: ~Escapable {
    /// By which verdicts name it. Counts up from 1 in each queue and wraps.
    public let id: UInt32
    /// The EtherType, host byte order.
    public let hardwareProtocol: UInt16
    /// `NF_INET_*`: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting.
    public let hook: UInt8
    public let mark: UInt32
    /// Indexes; 0 where there is none.
    public let inputLink: UInt32
    public let outputLink: UInt32
    /// Microseconds since 1970 at reception; nil when the kernel did not note it.
    public let timestamp: UInt64?
    /// Bytes of the whole packet, which may be more than was copied.
    public let length: Int
    /// The packet from its network header on, as far as it was copied.
    public let payload: RawSpan

    /// Reads a packet's announcement; nil for any other message.
    @_lifetime(copy message)
    init?(_ message: borrowing Message) {
        guard message.type == PacketQueue.packetType else { return nil }
        let bytes = message.bytes
        var id: UInt32?
        var hardwareProtocol: UInt16 = 0
        var hook: UInt8 = 0
        var mark: UInt32 = 0
        var inputLink: UInt32 = 0
        var outputLink: UInt32 = 0
        var timestamp: UInt64?
        var capturedLength: UInt32?
        var payload = 0..<0
        // One pass: this runs for every packet.
        var offset = 20
        while let size = bytes.load(UInt16.self, at: offset), let type = bytes.load(UInt16.self, at: offset &+ 2),
            size >= 4, Int(size) <= bytes.byteCount - offset
        {
            let value = offset + 4
            let end = offset + Int(size)
            func number() -> UInt32 {
                size >= 8 ? UInt32(bigEndian: bytes.load(UInt32.self, at: value) ?? 0) : 0
            }
            switch type & 0x3FFF {
            case 1 where size >= 11:  // NFQA_PACKET_HDR
                id = number()
                hardwareProtocol = UInt16(bigEndian: bytes.load(UInt16.self, at: value + 4) ?? 0)
                hook = bytes.load(UInt8.self, at: value + 6) ?? 0
            case 3: mark = number()
            case 4 where size >= 20:  // NFQA_TIMESTAMP
                let seconds = UInt64(bigEndian: bytes.load(UInt64.self, at: value) ?? 0)
                let micros = UInt64(bigEndian: bytes.load(UInt64.self, at: value + 8) ?? 0)
                timestamp = seconds &* 1_000_000 &+ micros
            case 5: inputLink = number()
            case 6: outputLink = number()
            case 10: payload = value..<end  // NFQA_PAYLOAD
            case 13: capturedLength = number()  // NFQA_CAP_LEN
            default: break
            }
            offset += (Int(size) + 3) & ~3
        }
        guard let id else { return nil }
        self.id = id
        self.hardwareProtocol = hardwareProtocol
        self.hook = hook
        self.mark = mark
        self.inputLink = inputLink
        self.outputLink = outputLink
        self.timestamp = timestamp
        length = capturedLength.map(Int.init) ?? payload.count
        self.payload = bytes.extracting(payload)
    }
}
