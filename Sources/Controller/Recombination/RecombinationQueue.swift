import CLinux
import GREBonding
import Glibc
import NetlinkKit
import Observation

/// Puts the packets of all bonds that use several legs back in order: the kernel holds them, this decides (RFC 8157
/// §4.4). Only the first bytes of each packet are read, and nothing is allocated for one.
final class RecombinationQueue {
    /// Enough for an IPv6 outer header, GRE with key and sequence, and the inner addresses and ports.
    static let copyRange: UInt32 = 96

    private let queue: PacketQueue
    private var writer: VerdictWriter
    private(set) var resequencers: [UInt32: Resequencer] = [:]
    /// Of bonds that are gone.
    private(set) var ended = Facts.Resequencer()
    /// Keys of bonds that hold packets at this moment.
    private var holding: Set<UInt32> = []
    private let markMask: UInt32
    private(set) var packets: UInt64 = 0
    /// Packets of no bond, or without a sequence number: let through at once.
    private(set) var unsequenced: UInt64 = 0
    private(set) var lastError: String?

    var descriptor: Int32 { queue.descriptor }
    var overruns: UInt64 { queue.overruns }
    var refusals: UInt64 { queue.refusals }

    init(number: UInt16, markMask: UInt32) throws(KernelError) {
        queue = try PacketQueue(number, copyRange: Self.copyRange, maximumLength: 65_536, flags: .failOpen)
        writer = VerdictWriter(queue)
        self.markMask = markMask
    }

    /// How the packets of a bond are put in order; nil: it is gone, and what it still holds is let go.
    func set(_ key: UInt32, _ settings: Resequencer.Settings?) {
        guard resequencers[key]?.settings != settings else { return }
        if let settings {
            resequencers[key, default: Resequencer(settings: settings)].settings = settings
            if settings == .passing {
                resequencers[key]?.flush { accept($0) }
                holding.remove(key)
            }
        } else {
            resequencers[key]?.flush { accept($0) }
            if let gone = resequencers.removeValue(forKey: key) { ended.add(gone.statistics) }
            holding.remove(key)
        }
        flush()
    }

    func statistics(of key: UInt32) -> (Resequencer.Statistics, depth: Int)? {
        resequencers[key].map { ($0.statistics, $0.depth) }
    }

    /// Takes all packets that are announced, and lets go of those whose turn it is.
    func receive() {
        let now = Self.clock()
        do throws(KernelError) {
            _ = try queue.receive { packet in take(packet, now) }
        } catch {
            lastError = "\(error)"
        }
        flush()
    }

    /// When ``expire()`` is due.
    var deadline: Instant? {
        var least: Int64?
        for key in holding { if let time = resequencers[key]?.deadline { least = min(least ?? time, time) } }
        return least.map { Instant(nanoseconds: $0) }
    }

    func expire() {
        guard !holding.isEmpty else { return }
        let now = Self.clock()
        for key in holding {
            resequencers[key]?.expire(now: now) { accept($0) }
            if resequencers[key]?.depth ?? 0 == 0 { holding.remove(key) }
        }
        flush()
    }

    private func take(_ packet: borrowing QueuedPacket, _ now: Int64) {
        packets &+= 1
        guard let (key, sequence) = Self.header(packet.payload), resequencers[key] != nil else {
            unsequenced &+= 1
            return accept(UInt64(packet.id))
        }
        // The first leg's packets come unmarked, those of the others with their leg's mark: see OuterTable.
        let leg = max(0, Int((packet.mark & markMask) >> UInt32(markMask.trailingZeroBitCount)) - 1)
        resequencers[key]?.receive(sequence: sequence, leg: leg, token: UInt64(packet.id), now: now) { accept($0) }
        if resequencers[key]?.depth ?? 0 > 0 { holding.insert(key) } else { holding.remove(key) }
    }

    private func accept(_ token: UInt64) {
        do throws(KernelError) {
            try writer.append(.accept, id: UInt32(truncatingIfNeeded: token))
        } catch {
            lastError = "\(error)"
        }
    }

    private func flush() {
        do throws(KernelError) { try writer.flush() } catch { lastError = "\(error)" }
    }

    /// GRE key and sequence number of an IP packet; nil when it has none.
    static func header(_ packet: RawSpan) -> (key: UInt32, sequence: UInt32)? {
        func byte(_ i: Int) -> UInt8 { packet.unsafeLoad(fromByteOffset: i, as: UInt8.self) }
        func word(_ i: Int) -> UInt32 {
            UInt32(bigEndian: packet.unsafeLoadUnaligned(fromByteOffset: i, as: UInt32.self))
        }
        guard packet.byteCount >= 20 else { return nil }
        let start: Int
        switch byte(0) >> 4 {
        case 4:
            start = Int(byte(0) & 0xF) * 4
            guard start >= 20, byte(9) == gre else { return nil }
        case 6:
            start = 40
            guard byte(6) == gre else { return nil }
        default: return nil
        }
        guard packet.byteCount >= start + 12, byte(start) & 0xB0 == 0x30, byte(start + 1) & 7 == 0 else { return nil }
        return (word(start + 4), word(start + 8))
    }

    /// IP protocol number, RFC 2784.
    private static let gre: UInt8 = 47

    /// The loop's timer counts the same clock.
    private static func clock() -> Int64 { Clock.now().nanoseconds }
}
