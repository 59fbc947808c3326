import CLinux
import NetlinkKit
import Testing

@testable import Controller

/// The kernel, but that some requests are refused: they are not sent to it. For requests that go out one by one.
final class RefusingTransport: NetlinkTransport {
    /// What the next requests of a type are answered with, an entry each; 0: the kernel has its say.
    var refusals: [UInt16: [Int32]] = [:]
    /// Requests of each type that were refused.
    private(set) var refused: [UInt16: Int] = [:]
    /// Datagrams that went to the kernel and begin with a request of a type.
    private(set) var sent: [UInt16: Int] = [:]
    private let socket: NetlinkSocket
    private var answer: [UInt8]?

    init(_ socket: NetlinkSocket) { self.socket = socket }

    func send(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        let type = bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        if var left = refusals[type], !left.isEmpty {
            let errno = left.removeFirst()
            refusals[type] = left
            if errno != 0 {
                refused[type, default: 0] += 1
                // NLMSG_ERROR: 36 bytes, the error number, and the request's header.
                var message: [UInt8] = [36, 0, 0, 0, 2, 0, 0, 1] + bytes[8..<16]
                withUnsafeBytes(of: -errno) { message += $0 }
                answer = message + bytes[0..<16]
                return
            }
        }
        sent[type, default: 0] += 1
        try socket.send(bytes)
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer, timeout: Int32) throws(Errno) -> Datagram {
        guard let answer else { return try socket.receive(into: buffer, timeout: timeout) }
        self.answer = nil
        buffer.copyBytes(from: answer)
        return Datagram(count: answer.count)
    }
}

/// Runs in a namespace of its own, with what is refused and what is said of that.
func inRefusingNamespace(
    _ body: (KernelState, RefusingTransport, @escaping () -> [String]) throws -> Void
) throws {
    var transport: RefusingTransport?
    var said: [String] = []
    try inNewNamespace(
        transport: {
            let new = RefusingTransport($0)
            transport = new
            return new
        }, report: { said.append($0) }
    ) { state in
        let kernel = try #require(transport)
        try body(state, kernel, { said })
    }
}
