import CLinux
import Glibc

/// An NFQUEUE: packets that nftables sent to a queue's number wait in the kernel until a verdict comes for them.
///
/// One socket serves one queue. Nothing is allocated per packet. Not thread-safe.
///
/// When the receive buffer is full the kernel cannot announce a packet: it drops it, or lets it pass if the queue is
/// `failOpen`. `NETLINK_NO_ENOBUFS` is *not* set, so that this shows here and is counted in ``overruns``: such a packet
/// is a hole in the sequence that no verdict will ever fill.
public final class PacketQueue {
    /// `NFQA_CFG_F_*`
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Let packets pass when the queue is full, instead of dropping them.
        public static let failOpen = Flags(rawValue: 1)
        /// Take segmented packets whole; without it the kernel splits them first.
        public static let gso = Flags(rawValue: 4)
    }

    public let number: UInt16
    /// For epoll.
    public var descriptor: Int32 { socket.descriptor }
    /// How often the receive buffer was full; each time one packet or more was not announced.
    public private(set) var overruns: UInt64 = 0
    /// Datagrams that were no announcement of a packet, or not whole.
    public private(set) var malformed: UInt64 = 0
    /// Verdicts that the kernel refused, most often because the packet was gone (`ENOENT`).
    public private(set) var refusals: UInt64 = 0
    private var refused = RefusedVerdicts()

    let socket: NetlinkSocket
    private let buffer: UnsafeMutableRawBufferPointer
    private let slot: Int
    private var lengths: [Int32]

    /// Binds the queue and sets its parameters.
    /// - Parameters:
    ///   - number: as in nftables' `queue to`
    ///   - copyRange: bytes of each packet to receive, from the network header on; at most 65 531
    ///   - maximumLength: packets that may wait for their verdicts
    ///   - receiveBuffer: bytes; an announcement takes about 1 KiB of it, however short
    /// - Throws: `EPERM` without the capability, and when another socket has the queue; `unsupported` where
    ///   the module is missing
    public init(
        _ number: UInt16, copyRange: UInt32, maximumLength: UInt32, flags: Flags = [], receiveBuffer: Int32 = 16 << 20
    ) throws(KernelError) {
        self.number = number
        socket = try NetlinkSocket(.netfilter, receiveBuffer: receiveBuffer)
        // Besides the packet an announcement has up to about 300 bytes.
        slot = (Int(min(copyRange, 65_531)) + 1024 + 63) & ~63
        let count = max(1, min(64, (256 << 10) / slot))
        buffer = .allocate(byteCount: slot * count, alignment: 64)
        lengths = Array(repeating: 0, count: count)
        // Packets are announced from then on, so nothing may read the socket for an acknowledgement. A refusal is there
        // when the request has been sent, and no packet comes then.
        let request = Self.bind(number, copyRange: copyRange, maximumLength: maximumLength, flags: flags)
        do throws(Errno) { try socket.send(request.bytes) } catch { throw .socket(request.operation, error) }
        guard let error = refusal(of: request) else { return }
        if error.errno == .invalid {
            // So says a kernel that knows no such requests.
            throw .unsupported(feature: "NFQUEUE", minimumKernel: "the module nfnetlink_queue")
        }
        if case .refused(var refusal) = error, refusal.errno == .notPermitted, let port = QueueList.port(of: number) {
            refusal.message = "another daemon or program on this host has the queue (netlink port \(port))"
            throw .refused(refusal)
        }
        throw error
    }

    /// What the kernel answered, if it did.
    private func refusal(of start: Request) -> KernelError? {
        let count = recv(descriptor, buffer.baseAddress, slot, Int32(MSG_PEEK | MSG_DONTWAIT))
        guard count > 0, count <= slot else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[0..<count]).bytes
        guard let message = Message(bytes, at: 0), let answer = Acknowledgement(message), answer.errno != 0 else {
            return nil
        }
        return KernelError(start, answer)
    }

    deinit {
        buffer.deallocate()
        guard let guardian else { return }
        close(guardian.descriptor)
        waitpid(guardian.process, nil, 0)
    }

    private var guardian: (descriptor: Int32, process: pid_t)?

    /// Lets the packets that wait go when this process is killed; the kernel would drop them. It takes a process of its
    /// own, which has the socket and does nothing until then.
    public func outlive() throws(KernelError) {
        guard guardian == nil else { return }
        var process: pid_t = 0
        let descriptor = clinux_guard_queue(socket.descriptor, number, &process)
        guard descriptor >= 0 else { throw .socket(Operation("guard", "queue \(number)"), .last) }
        guardian = (descriptor, process)
    }

    /// Hands over what has arrived, in order, without waiting. Each packet must get a verdict, now or later.
    /// - Parameters:
    ///   - limit: packets, about; what is left is still readable
    /// - Returns: how many packets there were
    @discardableResult
    public func receive(limit: Int = 1024, _ body: (borrowing QueuedPacket) -> Void) throws(KernelError) -> Int {
        var packets = 0
        // Room for many takes longer to make than a few packets take.
        var room = min(Self.few, lengths.count)
        while packets < limit {
            let count = lengths.withUnsafeMutableBufferPointer {
                clinux_receive_many(
                    socket.descriptor, buffer.baseAddress, slot, UInt32(truncatingIfNeeded: room), $0.baseAddress)
            }
            if count < 0 {
                switch Errno.last {
                case .interrupted: continue
                case .wouldBlock: return packets
                case .noBuffers:
                    overruns &+= 1
                    continue
                case let error: throw .socket(Operation("receive from", "queue \(number)"), error)
                }
            }
            for i in 0..<Int(count) { packets += take(i, body) }
            if count < room { break }
            room = lengths.count
        }
        return packets
    }

    private static let few = 8

    /// Numbers of packets whose verdict the kernel refused for a reason that may have passed: they still wait, and are
    /// to get it once more. After several refusals a packet is not among them. Of a verdict on all up to a packet it is
    /// that packet's number.
    public func takeRefused() -> [UInt32] { refused.take() }

    /// - Returns: 1 for a packet, 0 for anything else
    private func take(_ i: Int, _ body: (borrowing QueuedPacket) -> Void) -> Int {
        guard lengths[i] >= 0, Int(lengths[i]) <= slot else {
            malformed &+= 1
            return 0
        }
        let start = i * slot
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<(start + Int(lengths[i]))]).bytes
        guard let message = Message(bytes, at: 0) else {
            malformed &+= 1
            return 0
        }
        if let packet = QueuedPacket(message) {
            body(packet)
            return 1
        }
        if let answer = Acknowledgement(message) {
            if answer.errno != 0 {
                refusals &+= 1
                refused.add(message.sequence, Errno(rawValue: answer.errno))
            }
        } else {
            malformed &+= 1
        }
        return 0
    }
}
