import GREBonding
import NFTables

/// Traffic beside the bond on the primary access link, one way: what the link carried less what it carried for the bond
/// (RFC 8157 §4.6, §5.6.1).
struct BypassMeter {
    /// kbit/s at the last reading.
    private(set) var last: UInt32 = 0
    private var before: (link: UInt64, bonded: Counter, at: Instant)?

    init() {}

    /// Kbit/s since the call before; 0 the first time, and when a counter began anew.
    /// - Parameters:
    ///   - link: bytes that the link carried, headers of the link included
    ///   - bonded: outer packets of the bond among them
    ///   - header: bytes of link header in `link` for each packet
    mutating func rate(link: UInt64, bonded: Counter, header: UInt64, now: Instant) -> UInt32 {
        defer { before = (link, bonded, now) }
        last = 0
        guard let before, link >= before.link, bonded.packets >= before.bonded.packets,
            bonded.bytes >= before.bonded.bytes, now > before.at
        else { return 0 }
        let inside = bonded.bytes - before.bonded.bytes + (bonded.packets - before.bonded.packets) &* header
        let all = link - before.link
        let beside = all > inside ? all - inside : 0
        // Bytes × 8 over milliseconds are kbit/s.
        last = UInt32(clamping: beside &* 8 / UInt64(max(1, (now - before.at).milliseconds)))
        return last
    }
}
