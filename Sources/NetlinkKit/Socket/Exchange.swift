import CLinux
import Glibc

/// Sends requests and finds each one's answer by its sequence number. Not thread-safe; not for sockets that have joined
/// multicast groups (see ``Monitor``).
public final class Exchange {
    /// What the kernel sent back for one request, besides its acknowledgement: each message whole.
    public typealias Reply = [[UInt8]]

    public let transport: any NetlinkTransport
    /// Milliseconds to wait for an answer. The kernel answers before `sendmsg` returns: this is for what must not be.
    public var timeout: Int32 = 5000
    /// How often a dump is tried when the list keeps changing under it.
    public var dumpAttempts = 8
    /// Answers that belonged to no request (left over from one that timed out).
    public private(set) var strayMessages = 0
    /// What the kernel told of the last transaction because of ``MessageFlags/echo``: each message whole. Some come
    /// without a sequence number.
    public private(set) var echoes: Reply = []
    private var takesEchoes = false
    /// Requests that were to change something, whatever came of them.
    public private(set) var changes: UInt64 = 0

    /// Messages in one `sendmsg`, and their bytes, at most. Each answer occupies about 1 KiB of the receive buffer.
    static let batchCount = 256
    static let batchBytes = 96 << 10

    private var sequence: UInt32
    private var buffer: UnsafeMutableRawBufferPointer

    public init(_ transport: any NetlinkTransport, firstSequence: UInt32 = 1) {
        self.transport = transport
        sequence = firstSequence
        buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// Sends all requests, many in a datagram, in order, and returns each one's result in the same order. A failed
    /// request does not keep the ones after it from being tried.
    public func perform(_ requests: [Request]) -> [Result<Reply, KernelError>] {
        var results: [Result<Reply, KernelError>] = []
        results.reserveCapacity(requests.count)
        changes &+= UInt64(requests.count { $0.isChange })
        var next = 0
        while next < requests.count {
            var end = next
            var bytes = 0
            while end < requests.count, end - next < Self.batchCount,
                end == next || bytes + requests[end].bytes.count <= Self.batchBytes
            {
                bytes += requests[end].bytes.count
                end += 1
            }
            results += send(requests[next..<end].map { Pending($0, acknowledge: true) }, drain: false)
            next = end
        }
        return results
    }

    /// Sends one request and throws its refusal.
    @discardableResult
    public func perform(_ request: Request) throws(KernelError) -> Reply {
        guard let result = perform([request]).first else { return [] }
        return try result.get()
    }

    /// Sends all requests, many in a datagram, in order, and throws the first refusal. Those after the refused one were
    /// tried all the same, and what came before it is not undone.
    public func performAll(_ requests: [Request]) throws(KernelError) {
        for result in perform(requests) { _ = try result.get() }
    }

    /// Asks for something, and once more where the kernel refused for a reason that may have passed: to ask changes
    /// nothing. If it refuses for another reason then, a third time.
    public func ask(_ requests: [Request]) -> [Result<Reply, KernelError>] {
        var results = perform(requests)
        var again = results.indices.filter { Self.mayPass(results[$0]) }
        for _ in 0..<2 where !again.isEmpty {
            let before = results
            for (i, result) in zip(again, perform(again.map { requests[$0] })) { results[i] = result }
            again = again.filter { Self.mayPass(results[$0]) && results[$0] != before[$0] }
        }
        return results
    }

    /// The same for one request, whose refusal is thrown.
    public func ask(_ request: Request) throws(KernelError) -> Reply {
        guard let result = ask([request]).first else { return [] }
        return try result.get()
    }

    private static func mayPass(_ result: Result<Reply, KernelError>) -> Bool {
        if case .failure(.refused(let refusal)) = result { refusal.errno.mayPass } else { false }
    }

    /// Sends all requests in one datagram, as nf_tables transactions must be, begin and end messages among them.
    /// Their flags are sent as they are: only those that ask for an acknowledgement get one, but errors always come.
    /// When anything fails, requests that the kernel did not complain about are `aborted`.
    public func transaction(_ requests: [Request]) -> [Result<Reply, KernelError>] {
        changes &+= UInt64(requests.count)
        echoes = []
        takesEchoes = requests.contains { $0.flags.contains(.echo) }
        defer { takesEchoes = false }
        let results = send(requests.map { Pending($0, acknowledge: false) }, drain: true)
        let refused = results.contains { if case .failure(.refused) = $0 { true } else { false } }
        guard refused else { return results }
        return results.indices.map { i in
            if case .failure(.refused) = results[i] { results[i] } else { .failure(.aborted(requests[i].operation)) }
        }
    }

    /// Reads a list. `parse` turns each message into an element, or into nil to leave it out. When the list changes
    /// while it is read, everything is dropped and read again. A refusal that may have passed is not taken for an
    /// answer the first two times: a table is read in many lists, of which none may be missing.
    public func dump<Element>(
        _ request: Request, _ parse: (borrowing Message) -> Element?
    ) throws(KernelError) -> [Element] {
        var refusals = 0
        for _ in 0..<max(1, dumpAttempts) {
            do throws(KernelError) {
                switch try dumpOnce(request, parse) {
                case .complete(let elements): return elements
                case .again: continue
                }
            } catch {
                guard case .refused(let refusal) = error, refusal.errno.mayPass, refusals < 2 else { throw error }
                refusals += 1
            }
        }
        throw .inconsistentDump(request.operation, attempts: max(1, dumpAttempts))
    }

    // MARK: -

    private struct Pending {
        var request: Request
        var reply: Reply = []
        var result: Result<Reply, KernelError>?

        init(_ request: Request, acknowledge: Bool) {
            self.request = request
            if acknowledge { self.request.flags.insert(.acknowledge) }
            if let name = request.oversized {
                result = .failure(.invalidRequest(request.operation, "\(name) is longer than 65535 bytes"))
            }
        }
    }

    private enum DumpOutcome<Element> {
        case complete([Element])
        case again
    }

    private func nextSequence() -> UInt32 {
        defer { sequence = sequence == .max ? 1 : sequence + 1 }
        return sequence
    }

    /// - Parameter drain: read until nothing is left, instead of until every request is answered
    private func send(_ batch: [Pending], drain: Bool) -> [Result<Reply, KernelError>] {
        var pending = batch
        // In a transaction, one part that cannot be sent keeps all from being sent.
        let blocked = drain && pending.contains { $0.result != nil }
        var index: [UInt32: Int] = [:]
        var bytes: [UInt8] = []
        for i in pending.indices where pending[i].result == nil && !blocked {
            pending[i].request.sequence = nextSequence()
            index[pending[i].request.sequence] = i
            bytes += pending[i].request.bytes
            while bytes.count % 4 != 0 { bytes.append(0) }
        }
        if blocked { return pending.map { $0.result ?? .failure(.aborted($0.request.operation)) } }
        if !bytes.isEmpty {
            do throws(Errno) {
                try transport.send(bytes)
                try collect(&pending, index, drain)
            } catch {
                for i in pending.indices where pending[i].result == nil {
                    pending[i].result = .failure(Self.failure(pending[i].request.operation, error))
                }
            }
        }
        return pending.map { $0.result ?? .success($0.reply) }
    }

    /// Reads answers into `pending`. On return everything that asked for an acknowledgement has a result.
    private func collect(_ pending: inout [Pending], _ index: [UInt32: Int], _ drain: Bool) throws(Errno) {
        var waiting = index.values.count { pending[$0].request.flags.contains(.acknowledge) }
        var lost: KernelErrorKind?
        while drain || waiting > 0 {
            let datagram: Datagram
            do throws(Errno) {
                datagram = try transport.receive(into: buffer, timeout: drain || lost != nil ? 0 : timeout)
            } catch where error == .noBuffers {
                lost = .overrun
                continue
            } catch where error == .wouldBlock {
                let kind = lost ?? .timedOut
                for i in index.values
                where pending[i].result == nil && pending[i].request.flags.contains(.acknowledge) {
                    pending[i].result = .failure(kind.error(pending[i].request.operation))
                }
                // A lost error of a transaction must not pass for success.
                if drain, lost != nil {
                    for i in pending.indices where pending[i].result == nil {
                        pending[i].result = .failure(kind.error(pending[i].request.operation))
                    }
                }
                return
            }
            if datagram.sender != 0 { continue }
            if datagram.truncated { lost = lost ?? .truncated }
            take(datagram, &pending, index, &waiting)
        }
    }

    private func take(
        _ datagram: Datagram, _ pending: inout [Pending], _ index: [UInt32: Int], _ waiting: inout Int
    ) {
        let span = UnsafeRawBufferPointer(rebasing: buffer.prefix(datagram.count)).bytes
        var offset = 0
        while let message = Message(span, at: offset) {
            offset += (message.bytes.byteCount + 3) & ~3
            let isAnswer = Int32(message.type) < NLMSG_MIN_TYPE
            if takesEchoes, !isAnswer {
                echoes.append(message.copy)
                continue
            }
            guard let i = index[message.sequence], pending[i].result == nil else {
                strayMessages &+= 1
                continue
            }
            guard let answer = Acknowledgement(message) else {
                if Int32(message.type) != NLMSG_NOOP { pending[i].reply.append(message.copy) }
                continue
            }
            let request = pending[i].request
            pending[i].result =
                answer.errno == 0 ? .success(pending[i].reply) : .failure(KernelError(request, answer))
            if request.flags.contains(.acknowledge) { waiting -= 1 }
        }
    }

    private func dumpOnce<Element>(
        _ request: Request, _ parse: (borrowing Message) -> Element?
    ) throws(KernelError) -> DumpOutcome<Element> {
        var request = request
        request.flags.formUnion(.dump)
        request.sequence = nextSequence()
        do throws(Errno) { try transport.send(request.bytes) } catch { throw Self.failure(request.operation, error) }
        var elements: [Element] = []
        var again = false
        while true {
            let datagram: Datagram
            do throws(Errno) {
                datagram = try transport.receive(into: buffer, timeout: timeout)
            } catch where error == .noBuffers {
                // The rest of the dump still comes; read it to its end, then start over.
                again = true
                continue
            } catch {
                if again, error == .wouldBlock { return .again }
                throw Self.failure(request.operation, error)
            }
            if datagram.sender != 0 { continue }
            if datagram.truncated {
                guard buffer.count < 1 << 20 else { throw .truncated(request.operation) }
                grow()
                again = true
                continue
            }
            let span = UnsafeRawBufferPointer(rebasing: buffer.prefix(datagram.count)).bytes
            var offset = 0
            while let message = Message(span, at: offset) {
                offset += (message.bytes.byteCount + 3) & ~3
                guard message.sequence == request.sequence else {
                    strayMessages &+= 1
                    continue
                }
                if message.flags.contains(.dumpInterrupted) { again = true }
                if let end = Acknowledgement(message) {
                    if end.errno == EINTR { return .again }
                    if end.errno != 0 { throw KernelError(request, end) }
                    return again ? .again : .complete(elements)
                }
                if let element = parse(message) { elements.append(element) }
            }
        }
    }

    /// Doubles the receive buffer; its contents are lost.
    private func grow() {
        let size = buffer.count * 2
        buffer.deallocate()
        buffer = .allocate(byteCount: size, alignment: 16)
    }

    private static func failure(_ operation: Operation, _ errno: Errno) -> KernelError {
        switch errno {
        case .wouldBlock: .timedOut(operation)
        case .noBuffers: .overrun(operation)
        default: .socket(operation, errno)
        }
    }

    private enum KernelErrorKind {
        case timedOut, overrun, truncated

        func error(_ operation: Operation) -> KernelError {
            switch self {
            case .timedOut: .timedOut(operation)
            case .overrun: .overrun(operation)
            case .truncated: .truncated(operation)
            }
        }
    }
}
