/// Which flows of one bond send so little that they never leave the first leg: their packets need not wait for those
/// of other flows. A flow that was seen on another leg, or sends more than a call does, is put in order.
///
/// What is kept is small and of fixed size: flows that nobody has heard of for longest make room.
public struct SparseFlows: Hashable, Sendable {
    /// Bytes a second that a flow may send, and at once, IP headers included. A sender that spares sparse flows its
    /// queue has larger limits, so that such a flow is on one leg.
    static let rate: UInt32 = 16_000
    static let burst: UInt32 = 2_000
    /// Milliseconds for which a flow counts as divided after a packet of it came by another leg.
    static let divided: UInt32 = 2_000
    private static let sets = 64
    private static let ways = 4

    private struct Entry: Hashable, Sendable {
        var flow: UInt64 = 0
        /// Milliseconds, modulo 2^32.
        var at: UInt32 = 0
        /// Bytes in its bucket, which drains at ``rate``.
        var level: UInt32 = 0
    }

    private var entries: [Entry] = []

    public init() {}

    /// Takes a packet and tells whether it may go at once.
    /// - Parameters:
    ///   - flow: a hash of its addresses, protocol and ports; 0: not known, such packets are put in order
    ///   - leg: counts from 0, the first one
    ///   - bytes: of the outer packet
    ///   - now: nanoseconds
    public mutating func isSparse(flow: UInt64, leg: Int, bytes: UInt32, now: Int64) -> Bool {
        guard flow != 0 else { return false }
        let ms = UInt32(truncatingIfNeeded: now / 1_000_000)
        if entries.isEmpty {
            // A bond whose packets all take the first leg has no need of a table.
            entries = Array(repeating: Entry(at: ms), count: Self.sets * Self.ways)
        }
        let start = Int(flow % UInt64(Self.sets)) * Self.ways
        var slot = start
        for i in start..<start + Self.ways {
            if entries[i].flow == flow {
                slot = i
                break
            }
            if ms &- entries[i].at > ms &- entries[slot].at { slot = i }
        }
        var entry = entries[slot].flow == flow ? entries[slot] : Entry(flow: flow, at: ms)
        let drained = min(ms &- entry.at, 60_000) &* (Self.rate / 1000)
        entry.level = entry.level > drained ? entry.level - drained : 0
        entry.at = ms
        let full = Self.burst + Self.divided * (Self.rate / 1000)
        entry.level = leg == 0 ? min(entry.level &+ min(bytes, 65_535), full) : full
        entries[slot] = entry
        return leg == 0 && entry.level <= Self.burst
    }
}
