import CLinux
import GREBonding
import Glibc
import NetlinkKit
import Observation

/// What puts one bond's packets in order. An object, so that nothing of it is copied to look at it.
private final class Recombination {
    var resequencer: Resequencer
    var flows = SparseFlows()

    init(_ settings: Resequencer.Settings) { resequencer = Resequencer(settings: settings) }
}

/// Puts the packets of all bonds that use several legs back in order: the kernel holds them, this decides (RFC 8157
/// §4.4). Only the first bytes of each packet are read, and nothing is allocated for one.
final class RecombinationQueue {
    /// Enough for an IPv6 outer header, GRE with key and sequence, and the inner addresses and ports.
    static let copyRange: UInt32 = 96

    private let queue: PacketQueue
    private var writer: VerdictWriter
    private var bonds: [UInt32: Recombination] = [:]
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
        try queue.outlive()
        writer = VerdictWriter(queue)
        self.markMask = markMask
    }

    /// How the packets of a bond are put in order; nil: it is gone, and what it still holds is let go.
    func set(_ key: UInt32, _ settings: Resequencer.Settings?) {
        guard bonds[key]?.resequencer.settings != settings else { return }
        if let settings {
            let bond = bonds[key] ?? Recombination(settings)
            bonds[key] = bond
            bond.resequencer.settings = settings
            if settings == .passing {
                bond.resequencer.flush { accept($0) }
                bond.flows = SparseFlows()
                holding.remove(key)
            }
        } else {
            bonds[key]?.resequencer.flush { accept($0) }
            if let gone = bonds.removeValue(forKey: key) { ended.add(gone.resequencer.statistics) }
            holding.remove(key)
        }
        flush()
    }

    var resequencers: some Sequence<Resequencer> { bonds.values.lazy.map(\.resequencer) }

    func statistics(of key: UInt32) -> (Resequencer.Statistics, depth: Int)? {
        bonds[key].map { ($0.resequencer.statistics, $0.resequencer.depth) }
    }

    /// Nanoseconds by which packets of a bond came late of late; nil: none did.
    func lateness(of key: UInt32) -> Int64? { bonds[key]?.resequencer.longestLateness }

    /// Takes all packets that are announced, and lets go of those whose turn it is.
    func receive() {
        let now = Self.clock()
        do throws(KernelError) {
            _ = try queue.receive { packet in take(packet, now) }
        } catch {
            lastError = "\(error)"
        }
        for id in queue.takeRefused() { accept(UInt64(id)) }
        flush()
    }

    /// Lets go of what has waited long enough; when it wants to be called next.
    func work(_ now: Instant) -> Instant? {
        guard !holding.isEmpty else { return nil }
        let due = deadline
        guard let due, due <= now else { return due }
        expire()
        return deadline
    }

    private var deadline: Instant? {
        var least: Int64?
        for key in holding { if let time = bonds[key]?.resequencer.deadline { least = min(least ?? time, time) } }
        return least.map { Instant(nanoseconds: $0) }
    }

    private func expire() {
        let now = Self.clock()
        for key in holding {
            bonds[key]?.resequencer.expire(now: now) { accept($0) }
            if bonds[key]?.resequencer.depth ?? 0 == 0 { holding.remove(key) }
        }
        flush()
    }

    private func take(_ packet: borrowing QueuedPacket, _ now: Int64) {
        packets &+= 1
        guard let header = OuterHeader(packet.payload), let bond = bonds[header.key] else {
            unsequenced &+= 1
            return accept(UInt64(packet.id))
        }
        // The first leg's packets come unmarked, those of the others with their leg's mark: see OuterTable.
        let leg = max(0, Int((packet.mark & markMask) >> UInt32(markMask.trailingZeroBitCount)) - 1)
        let independent = bond.flows.isSparse(flow: header.flow, leg: leg, bytes: header.length, now: now)
        bond.resequencer.receive(
            sequence: header.sequence, leg: leg, token: UInt64(packet.id), now: now, independent: independent
        ) { accept($0) }
        if bond.resequencer.depth > 0 {
            holding.insert(header.key)
        } else if !holding.isEmpty {
            holding.remove(header.key)
        }
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

    /// The loop's timer counts the same clock.
    private static func clock() -> Int64 { Clock.now().nanoseconds }
}
