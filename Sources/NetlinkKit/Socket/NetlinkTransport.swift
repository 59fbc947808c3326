/// What came with one read from a netlink socket.
public struct Datagram: Hashable, Sendable {
    /// Bytes put into the buffer.
    public var count: Int
    /// Whether the datagram was longer than the buffer; what did not fit is lost.
    public var truncated: Bool
    /// The sender's port; 0 is the kernel.
    public var sender: UInt32

    public init(count: Int, truncated: Bool = false, sender: UInt32 = 0) {
        self.count = count
        self.truncated = truncated
        self.sender = sender
    }
}

/// A way to exchange datagrams with the kernel: a ``NetlinkSocket``, or a stand-in for tests.
public protocol NetlinkTransport: AnyObject {
    /// Sends one datagram, which may hold many messages.
    func send(_ bytes: UnsafeRawBufferPointer) throws(Errno)

    /// Receives one datagram. Interrupted system calls are repeated.
    /// - Parameter timeout: milliseconds to wait; 0 does not wait
    /// - Throws: `EAGAIN` when nothing came in time, `ENOBUFS` when datagrams were lost
    func receive(into buffer: UnsafeMutableRawBufferPointer, timeout: Int32) throws(Errno) -> Datagram
}

extension NetlinkTransport {
    /// Sends one datagram. `withUnsafeBytes` rethrows untyped: the typed error is carried out by hand.
    func send(_ bytes: [UInt8]) throws(Errno) {
        var failure: Errno?
        bytes.withUnsafeBytes { raw in
            do throws(Errno) { try send(raw) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
