import CLinux
import GREBonding
import Glibc

/// This end of a stream socket that never waits: what the other end does not take is kept until it does.
final class Connection {
    let descriptor: Int32
    private let loop: EventLoop
    private var output: [UInt8] = []
    private var sent = 0
    private var watched: EventLoop.Interest?
    private(set) var isOpen = true
    /// When bytes came or went last.
    private(set) var movedAt = Clock.now()
    /// No more is read for now; what the other end sends stays in the kernel.
    var isPaused = false { didSet { if isPaused != oldValue { rewatch() } } }
    /// Closes once all has been sent.
    var endsWhenSent = false { didSet { if endsWhenSent, pending == 0 { close() } } }
    private let onBytes: (Connection, ArraySlice<UInt8>) -> Void
    var onSent: (Connection) -> Void = { _ in }
    var onClose: (Connection) -> Void = { _ in }

    /// Bytes that wait to be sent.
    var pending: Int { output.count - sent }

    /// Takes over the descriptor, also when it throws.
    init(
        _ descriptor: Int32, _ loop: EventLoop, onBytes: @escaping (Connection, ArraySlice<UInt8>) -> Void
    ) throws(SystemError) {
        self.descriptor = descriptor
        self.loop = loop
        self.onBytes = onBytes
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        do throws(SystemError) {
            try watch()
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) {
        guard isOpen else { return }
        output += bytes
        flush()
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        loop.unwatch(descriptor)
        Glibc.close(descriptor)
        output = []
        sent = 0
        onClose(self)
    }

    private func watch() throws(SystemError) {
        var interest: EventLoop.Interest = isPaused ? [] : .reading
        if pending > 0 { interest.insert(.writing) }
        guard interest != watched else { return }
        watched = interest
        try loop.watch(descriptor, interest) { [weak self] in self?.ready() }
    }

    private func rewatch() {
        guard isOpen else { return }
        do throws(SystemError) { try watch() } catch { close() }
    }

    private func ready() {
        if pending > 0 { flush() }
        guard isOpen, !isPaused else { return }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return close() }
        movedAt = Clock.now()
        onBytes(self, buffer[..<count])
    }

    private func flush() {
        let before = pending
        while isOpen, pending > 0 {
            let count = output[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            guard count > 0 else { return close() }
            sent += count
            movedAt = Clock.now()
        }
        guard isOpen else { return }
        if pending == 0 {
            output.removeAll(keepingCapacity: output.capacity < 1 << 16)
            sent = 0
            if endsWhenSent { return close() }
            rewatch()
            if before > 0 { onSent(self) }
        } else {
            if sent > 1 << 20 {
                output.removeFirst(sent)
                sent = 0
            }
            rewatch()
        }
    }
}
