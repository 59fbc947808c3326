/// What the kernel has counted on a link since the link was created, and which link that was.
public struct LinkCount: Hashable, Sendable {
    /// The interface's name, without white space.
    public var name: String
    /// Names this start of the kernel; without white space.
    public var boot: String
    /// The interface's number; another one that is created later has another.
    public var index: UInt32
    public var receivedBytes: UInt64
    public var sentBytes: UInt64
    /// Both ways.
    public var packets: UInt64
    /// Bytes of link header that are counted with each packet and are not the operator's.
    public var headerLength: UInt64

    public init(
        name: String, boot: String, index: UInt32, receivedBytes: UInt64, sentBytes: UInt64, packets: UInt64,
        headerLength: UInt64
    ) {
        self.name = name
        self.boot = boot
        self.index = index
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
        self.packets = packets
        self.headerLength = headerLength
    }

    /// Bytes of IP packets since an earlier count. A link that was created anew, by a new start or by another hand, has
    /// counted from 0 on; what another interface has carried before is not ours.
    func growth(since old: LinkCount) -> UInt64 {
        guard old.name == name else { return 0 }
        let (now, before) = (receivedBytes &+ sentBytes, old.receivedBytes &+ old.sentBytes)
        if old.boot == boot, old.index == index, packets >= old.packets {
            if now >= before { return Self.payload(now - before, packets - old.packets, headerLength) }
            // Drivers whose counters falter for a moment are no new links: those are far below.
            if now > before / 2 { return 0 }
        }
        return Self.payload(now, packets, headerLength)
    }

    private static func payload(_ bytes: UInt64, _ packets: UInt64, _ header: UInt64) -> UInt64 {
        let headers = packets.multipliedReportingOverflow(by: header)
        return headers.overflow || headers.partialValue > bytes ? 0 : bytes - headers.partialValue
    }
}
