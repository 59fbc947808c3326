import CLinux

@testable import NetlinkKit

/// A kernel that answers each datagram as the test says, and keeps what it was sent.
final class FakeTransport: NetlinkTransport {
    enum Answer {
        /// Messages in one datagram.
        case messages([[UInt8]])
        case truncated([UInt8])
        case from(sender: UInt32, [UInt8])
        case failure(Errno)
    }

    private(set) var sent: [[UInt8]] = []
    var sendFailure: Errno?
    private var queue: [Answer] = []
    private let respond: (_ sequences: [UInt32], _ attempt: Int) -> [Answer]

    /// - Parameter respond: given the sequence numbers in a datagram, and how many datagrams came before it
    init(_ respond: @escaping (_ sequences: [UInt32], _ attempt: Int) -> [Answer]) { self.respond = respond }

    func send(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        if let sendFailure { throw sendFailure }
        sent.append([UInt8](bytes))
        queue += respond(Self.sequences([UInt8](bytes)), sent.count - 1)
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer, timeout: Int32) throws(Errno) -> Datagram {
        guard !queue.isEmpty else { throw .wouldBlock }
        switch queue.removeFirst() {
        case .failure(let errno): throw errno
        case .messages(let messages):
            let bytes = Array(messages.joined())
            buffer.copyBytes(from: bytes)
            return Datagram(count: bytes.count)
        case .truncated(let bytes):
            buffer.copyBytes(from: bytes)
            return Datagram(count: bytes.count, truncated: true)
        case .from(let sender, let bytes):
            buffer.copyBytes(from: bytes)
            return Datagram(count: bytes.count, sender: sender)
        }
    }

    static func sequences(_ bytes: [UInt8]) -> [UInt32] {
        var result: [UInt32] = []
        var offset = 0
        while let message = Message(bytes.span.bytes, at: offset) {
            result.append(message.sequence)
            offset += (message.bytes.byteCount + 3) & ~3
        }
        return result
    }

    // MARK: Messages

    static func message(
        _ type: Int32, flags: MessageFlags = [], sequence: UInt32, _ payload: [UInt8] = []
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBytes(of: UInt32(16 + payload.count))
        bytes.appendBytes(of: UInt16(type))
        bytes.appendBytes(of: flags.rawValue)
        bytes.appendBytes(of: sequence)
        bytes.appendBytes(of: UInt32(0))
        bytes += payload
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }

    static func ack(_ sequence: UInt32) -> [UInt8] { error(sequence, 0) }

    /// A capped acknowledgement: the error number, the request's header, attributes.
    static func error(_ sequence: UInt32, _ errno: Int32, attributes: [UInt8] = []) -> [UInt8] {
        var payload: [UInt8] = []
        payload.appendBytes(of: -errno)
        payload += message(16, sequence: sequence)
        payload += attributes
        return message(
            NLMSG_ERROR, flags: attributes.isEmpty ? .capped : [.capped, .extendedAck], sequence: sequence, payload)
    }

    static func done(_ sequence: UInt32, flags: MessageFlags = [], errno: Int32 = 0, attributes: [UInt8] = [])
        -> [UInt8]
    {
        var payload: [UInt8] = []
        payload.appendBytes(of: -errno)
        return message(
            NLMSG_DONE, flags: flags.union(attributes.isEmpty ? .multipart : [.multipart, .extendedAck]),
            sequence: sequence, payload + attributes)
    }

    static func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBytes(of: UInt16(4 + payload.count))
        bytes.appendBytes(of: type)
        bytes += payload
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }
}
