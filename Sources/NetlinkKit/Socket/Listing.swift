/// A list that the kernel is asked for as a whole and gives a datagram at a time, as it is read: a long one need not hold
/// up all else that a thread does. For what is read over and over, where an entry may be missing now and then: the list
/// is not read again when it changes meanwhile (see ``Exchange/dump(_:_:)`` for one that is). Not thread-safe.
public final class Listing {
    private let transport: any NetlinkTransport
    private let timeout: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    private var request: Request?
    private var sequence: UInt32 = 0

    /// - Parameters:
    ///   - transport: a socket of its own, on which nothing else is asked
    ///   - timeout: milliseconds to wait for a datagram, which the kernel has ready when it is asked for
    public init(_ transport: any NetlinkTransport, timeout: Int32 = 1000) {
        self.transport = transport
        self.timeout = timeout
        // The kernel fills 32 KiB at most.
        buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// Whether there is more to read.
    public var isReading: Bool { request != nil }

    /// Asks for a list. What is left of one before is left out.
    public func begin(_ request: Request) throws(KernelError) {
        try finish()
        var request = request
        request.flags.formUnion(.dump)
        sequence = sequence == .max ? 1 : sequence + 1
        request.sequence = sequence
        do throws(Errno) { try transport.send(request.bytes) } catch { throw .socket(request.operation, error) }
        self.request = request
    }

    /// Reads a datagram; `take` gets each message of the list that is in it.
    /// - Returns: whether there is more
    /// - Throws: what the kernel refused, or `timedOut`; the list has ended then
    public func next(_ take: (borrowing Message) -> Void) throws(KernelError) -> Bool {
        guard let request else { return false }
        let datagram: Datagram
        do throws(Errno) {
            datagram = try transport.receive(into: buffer, timeout: timeout)
        } catch {
            self.request = nil
            throw error == .wouldBlock ? .timedOut(request.operation) : .socket(request.operation, error)
        }
        guard datagram.sender == 0 else { return true }
        let span = UnsafeRawBufferPointer(rebasing: buffer.prefix(datagram.count)).bytes
        var offset = 0
        while let message = Message(span, at: offset) {
            offset += (message.bytes.byteCount + 3) & ~3
            guard message.sequence == sequence else { continue }
            if let end = Acknowledgement(message) {
                self.request = nil
                if end.errno != 0 { throw KernelError(request, end) }
                return false
            }
            take(message)
        }
        return true
    }

    /// The kernel refuses another list on a socket while one is not read to its end.
    private func finish() throws(KernelError) {
        while isReading { _ = try next { _ in } }
    }
}
