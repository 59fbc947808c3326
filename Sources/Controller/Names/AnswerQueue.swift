import CLinux
import DNSAnswers
import NetlinkKit

/// Answers on their way to who asked. The kernel holds each until it has been read; while nobody reads, or too many
/// wait, they pass unread.
final class AnswerQueue {
    /// What of a packet is read: more than resolvers send in one datagram. The rest of a longer one is missed.
    private static let copyRange: UInt32 = 4096
    /// Answers that may wait at a time.
    private static let length: UInt32 = 256

    private let queue: PacketQueue
    private var writer: VerdictWriter
    private(set) var packets: UInt64 = 0
    /// What was no answer with addresses, by reason.
    private(set) var passed: [String: UInt64] = [:]
    private(set) var lastError: KernelError?

    var descriptor: Int32 { queue.descriptor }
    var overruns: UInt64 { queue.overruns }

    init(number: UInt16) throws(KernelError) {
        queue = try PacketQueue(
            number, copyRange: Self.copyRange, maximumLength: Self.length, flags: .failOpen, receiveBuffer: 1 << 20)
        writer = VerdictWriter(queue, capacity: Int(Self.length))
    }

    /// Hands over the answers that wait, and lets them go when `take` has returned.
    func receive(_ take: ([DNSAnswer]) -> Void) {
        var waiting: [UInt32] = []
        var answers: [DNSAnswer] = []
        do throws(KernelError) {
            try queue.receive(limit: Int(Self.length)) { packet in
                waiting.append(packet.id)
                guard let message = UDPDatagram.payload(of: packet.payload) else { return count("not_udp") }
                do throws(DNSAnswer.Failure) {
                    answers.append(try DNSAnswer(parsing: message))
                } catch {
                    count(error.rawValue)
                }
            }
        } catch {
            lastError = error
        }
        packets &+= UInt64(waiting.count)
        if !answers.isEmpty { take(answers) }
        do throws(KernelError) {
            for id in queue.takeRefused() + waiting { try writer.append(.accept, id: id) }
            try writer.flush()
        } catch {
            lastError = error
        }
    }

    private func count(_ reason: String) { passed[reason, default: 0] &+= 1 }
}

/// RFC 768 in IPv4 or IPv6.
enum UDPDatagram {
    private static let udp: UInt8 = 17

    /// What the first datagram of an IP packet carries, as far as it is there; nil for other fragments than the first,
    /// and behind extension headers.
    @_lifetime(copy packet)
    static func payload(of packet: RawSpan) -> RawSpan? {
        func byte(_ i: Int) -> UInt8 { packet.unsafeLoad(fromByteOffset: i, as: UInt8.self) }
        func half(_ i: Int) -> Int { Int(byte(i)) << 8 | Int(byte(i + 1)) }
        guard packet.byteCount >= 20 else { return nil }
        let start: Int
        switch byte(0) >> 4 {
        case 4:
            start = Int(byte(0) & 0xF) * 4
            guard start >= 20, byte(9) == udp, half(6) & 0x1FFF == 0 else { return nil }
        case 6:
            start = 40
            guard byte(6) == udp else { return nil }
        default: return nil
        }
        guard packet.byteCount >= start + 8 else { return nil }
        let length = half(start + 4)
        guard length >= 8 else { return nil }
        return packet.extracting((start + 8)..<min(start + length, packet.byteCount))
    }
}
