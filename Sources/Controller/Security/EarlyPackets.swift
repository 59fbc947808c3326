import Addresses
import GREBonding
import NFTables
import NetlinkKit

/// ESP packets that arrive before the keys of their state. The end that asks for new keys has reserved an SPI for them
/// and installs the state when the answer has come and been computed with; the other end has its states before it
/// answers, and Linux sends with the newest at once. The kernel would drop what comes in between (RFC 7296 §2.8 has a
/// responder wait for the new keys' first packet, which Linux has no means for). So such packets wait here.
///
/// The first packet of each state passes this queue; then its SPI is in a set of the kernel's, and no other does. While
/// nobody reads the queue, or it is full, packets pass as if it were not there.
final class EarlyPackets {
    /// IPv6 header and SPI, or IPv4 header with all options and SPI.
    private static let copyRange: UInt32 = 64
    /// Packets that may wait at a time: 100 ms of 100 Mbit/s.
    private static let length: UInt32 = 1024
    /// How long keys may take: a small router's computation, and no more than packets are still worth anything for.
    static let patience = Duration.milliseconds(500)

    private let queue: PacketQueue
    private var writer: VerdictWriter
    private let state: KernelState
    /// By family of the outer packets, the sets of states that have keys.
    private let sets: [IPFamily: NamedSet]
    /// Numbers in the queue, in order, and when they are let go at the latest.
    private var waiting: [SecurityStateID: (packets: [UInt32], until: Instant)] = [:]
    /// Packets that waited for keys.
    private(set) var held: UInt64 = 0
    private(set) var lastError: KernelError?

    var descriptor: Int32 { queue.descriptor }

    init(_ number: UInt16, _ state: KernelState, _ tables: [OuterTable]) throws(KernelError) {
        queue = try PacketQueue(
            number, copyRange: Self.copyRange, maximumLength: Self.length, flags: .failOpen, receiveBuffer: 1 << 21)
        writer = VerdictWriter(queue, capacity: Int(Self.length))
        self.state = state
        sets = Dictionary(tables.map { ($0.family, $0.keyed) }, uniquingKeysWith: { first, _ in first })
    }

    /// Takes what has arrived.
    func receive() {
        var arrived: [(packet: UInt32, state: SecurityStateID?)] = []
        do throws(KernelError) {
            try queue.receive(limit: Int(Self.length)) { arrived.append(($0.id, Self.state(of: $0.payload))) }
        } catch {
            lastError = error
        }
        var isEarly: [SecurityStateID: Bool] = [:]
        for (packet, id) in arrived {
            guard let id else {
                accept([packet])
                continue
            }
            let early = isEarly[id] ?? look(id)
            isEarly[id] = early
            if early {
                held &+= 1
                waiting[id, default: ([], Clock.now() + Self.patience)].packets.append(packet)
            } else {
                accept([packet])
            }
        }
        accept(queue.takeRefused())
        flush()
    }

    /// - Returns: whether the state is there and has no keys yet
    private func look(_ id: SecurityStateID) -> Bool {
        guard let found = state.security.state(id) else {
            // The kernel drops and counts what is for no state.
            release(id)
            return false
        }
        guard found.isKeyed else { return true }
        keyed(id)
        return false
    }

    /// A state has keys now: what waits for them goes on, and what comes no longer passes here.
    func keyed(_ id: SecurityStateID) {
        release(id)
        flush()
        guard let set = sets[id.destination.family] else { return }
        var transaction = Transaction()
        transaction.add([Self.element(id)], to: set)
        // Where that fails packets go on passing here.
        _ = try? state.tables.commit(transaction)
    }

    func gone(_ id: SecurityStateID) {
        release(id)
        flush()
        guard let set = sets[id.destination.family] else { return }
        var transaction = Transaction()
        transaction.deleteIfPresent([Self.element(id)], from: set)
        _ = try? state.tables.commit(transaction)
    }

    /// Lets go what has waited long enough; when it wants to be called next.
    func work(_ now: Instant) -> Instant? {
        for (id, entry) in waiting where entry.until <= now { release(id) }
        flush()
        return waiting.values.map(\.until).min()
    }

    private func release(_ id: SecurityStateID) {
        if let entry = waiting.removeValue(forKey: id) { accept(entry.packets) }
    }

    private func accept(_ packets: [UInt32]) {
        do throws(KernelError) {
            for id in packets { try writer.append(.accept, id: id) }
        } catch {
            lastError = error
        }
    }

    private func flush() {
        do throws(KernelError) { try writer.flush() } catch { lastError = error }
    }

    private static func element(_ id: SecurityStateID) -> Element {
        Element(Value(id.destination), .integer(id.spi))
    }

    private static let esp: UInt8 = 50

    /// Destination and SPI of an ESP packet (RFC 4303 §2.1); nil for anything else.
    static func state(of packet: RawSpan) -> SecurityStateID? {
        func byte(_ i: Int) -> UInt8 { packet.unsafeLoad(fromByteOffset: i, as: UInt8.self) }
        guard packet.byteCount >= 20 else { return nil }
        let start: Int
        let destination: Range<Int>
        switch byte(0) >> 4 {
        case 4:
            start = Int(byte(0) & 0xF) * 4
            guard start >= 20, byte(9) == esp else { return nil }
            destination = 16..<20
        case 6:
            start = 40
            guard byte(6) == esp else { return nil }
            destination = 24..<40
        default: return nil
        }
        guard packet.byteCount >= start + 4, let address = IPAddress(bytes: destination.map(byte)) else { return nil }
        let spi = (start..<start + 4).reduce(UInt32(0)) { $0 << 8 | UInt32(byte($1)) }
        return SecurityStateID(destination: address, spi: spi)
    }
}
