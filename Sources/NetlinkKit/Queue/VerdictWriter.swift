import CLinux

/// What becomes of a queued packet (`NF_*`).
public struct PacketVerdict: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let drop = PacketVerdict(rawValue: 0)
    public static let accept = PacketVerdict(rawValue: 1)
    /// Through the hook again from its first rule.
    public static let `repeat` = PacketVerdict(rawValue: 4)

    /// Into another queue.
    public static func queue(_ number: UInt16) -> PacketVerdict {
        PacketVerdict(rawValue: UInt32(number) << 16 | 3)
    }
}

/// Collects verdicts and sends many in one system call, in the order in which they were given. Allocates only when it
/// is made. Verdicts stay in it until it is full or flushed.
///
/// No acknowledgements are asked for; the kernel's refusals come back through the queue's receive
/// (``PacketQueue/refusals``, ``PacketQueue/takeRefused()``).
public struct VerdictWriter: ~Copyable {
    private let queue: PacketQueue
    private let buffer: UnsafeMutableRawBufferPointer
    private var used = 0

    /// A message: header 16, nfgenmsg 4, verdict attribute 12, and 8 for a mark.
    private static let size = 32
    private static let markedSize = 40

    /// - Parameter capacity: verdicts in one system call
    public init(_ queue: PacketQueue, capacity: Int = 512) {
        self.queue = queue
        buffer = .allocate(byteCount: max(1, capacity) * Self.markedSize, alignment: 16)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { buffer.deallocate() }

    public var isEmpty: Bool { used == 0 }

    /// A verdict on one packet.
    /// - Parameter mark: the packet's new mark; nil keeps it
    public mutating func append(_ verdict: PacketVerdict, id: UInt32, mark: UInt32? = nil) throws(KernelError) {
        try write(PacketQueue.verdictType, verdict, id, mark)
    }

    /// A verdict on every waiting packet up to and including this one: right only for a run that is to go out in the
    /// order in which it came in.
    public mutating func append(_ verdict: PacketVerdict, upTo id: UInt32, mark: UInt32? = nil) throws(KernelError) {
        try write(PacketQueue.verdictBatchType, verdict, id, mark)
    }

    /// Sends what has been collected.
    public mutating func flush() throws(KernelError) {
        guard used > 0 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[0..<used])
        used = 0
        do throws(Errno) {
            try queue.socket.send(bytes)
        } catch {
            throw .socket(Operation("send verdicts to", "queue \(queue.number)"), error)
        }
    }

    private mutating func write(
        _ type: UInt16, _ verdict: PacketVerdict, _ id: UInt32, _ mark: UInt32?
    ) throws(KernelError) {
        let size = mark == nil ? Self.size : Self.markedSize
        if used + size > buffer.count { try flush() }
        let message = UnsafeMutableRawBufferPointer(rebasing: buffer[used..<(used + size)])
        message.storeBytes(of: UInt32(size), toByteOffset: 0, as: UInt32.self)
        message.storeBytes(of: type, toByteOffset: 4, as: UInt16.self)
        message.storeBytes(of: MessageFlags.request.rawValue, toByteOffset: 6, as: UInt16.self)
        // By its sequence number a refusal is known to be of this packet.
        message.storeBytes(of: id, toByteOffset: 8, as: UInt32.self)
        message.storeBytes(of: 0, toByteOffset: 12, as: UInt32.self)
        message.storeBytes(of: 0, toByteOffset: 16, as: UInt16.self)
        message.storeBytes(of: queue.number.bigEndian, toByteOffset: 18, as: UInt16.self)
        message.storeBytes(of: 12, toByteOffset: 20, as: UInt16.self)
        message.storeBytes(of: 2, toByteOffset: 22, as: UInt16.self)  // NFQA_VERDICT_HDR
        message.storeBytes(of: verdict.rawValue.bigEndian, toByteOffset: 24, as: UInt32.self)
        message.storeBytes(of: id.bigEndian, toByteOffset: 28, as: UInt32.self)
        if let mark {
            message.storeBytes(of: 8, toByteOffset: 32, as: UInt16.self)
            message.storeBytes(of: 3, toByteOffset: 34, as: UInt16.self)  // NFQA_MARK
            message.storeBytes(of: mark.bigEndian, toByteOffset: 36, as: UInt32.self)
        }
        used += size
    }
}
