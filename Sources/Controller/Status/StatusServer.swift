import CCares  // It declares timeval, too; which module the compiler takes it from differs by build.
import CLinux
import Glibc

/// Answers questions on a Unix socket: one line comes in, one JSON object goes out, the connection ends. Everything is
/// non-blocking and bounded, so that no client can hold up the loop.
final class StatusServer {
    private let descriptor: Int32
    private let path: String
    private let loop: EventLoop
    private var clients: [Int32: [UInt8]] = [:]
    private let answer: (String) -> String

    private static let clientLimit = 32
    private static let requestLimit = 256

    init(path: String, loop: EventLoop, answer: @escaping (String) -> String) throws(SystemError) {
        self.path = path
        self.loop = loop
        self.answer = answer
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            mkdir(String(path[..<slash]), 0o755)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        descriptor = try SystemError.check(
            "socket", socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0))
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        do throws(SystemError) {
            try withUnsafePointer(to: &address) { pointer throws(SystemError) in
                try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw throws(SystemError) in
                    // A socket that nobody answers is left over from a daemon that was killed.
                    if connect(descriptor, raw, length) == 0 { throw SystemError(call: path, number: EADDRINUSE) }
                    unlink(path)
                    try SystemError.check("bind \(path)", bind(descriptor, raw, length))
                }
            }
            chmod(path, 0o660)
            try SystemError.check("listen", listen(descriptor, 16))
            try loop.watch(descriptor) { [weak self] in self?.accept() }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    func close() {
        for client in Array(clients.keys) { end(client) }
        loop.unwatch(descriptor)
        Glibc.close(descriptor)
        unlink(path)
    }

    private func accept() {
        while true {
            let client = Glibc.accept(descriptor, nil, nil)
            if client < 0 { return }
            _ = fcntl(client, F_SETFL, O_NONBLOCK)
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            guard clients.count < Self.clientLimit else {
                Glibc.close(client)
                continue
            }
            clients[client] = []
            do throws(SystemError) {
                try loop.watch(client) { [weak self] in self?.read(client) }
            } catch {
                end(client)
            }
        }
    }

    private func read(_ client: Int32) {
        var buffer = [UInt8](repeating: 0, count: Self.requestLimit)
        let count = recv(client, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN { return }
        guard count > 0, var request = clients[client] else { return end(client) }
        request += buffer.prefix(count)
        guard let newline = request.firstIndex(of: 0x0A) else {
            if request.count >= Self.requestLimit { return end(client) }
            clients[client] = request
            return
        }
        send(answer(String(decoding: request[..<newline], as: UTF8.self)) + "\n", to: client)
        end(client)
    }

    /// What a client does not take within the socket's buffer is not sent: it asked for it and should read.
    private func send(_ text: String, to client: Int32) {
        var size: Int32 = 4 << 20
        setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    private func end(_ client: Int32) {
        guard clients.removeValue(forKey: client) != nil else { return }
        loop.unwatch(client)
        Glibc.close(client)
    }
}

/// The other end, for the commands that ask.
public enum StatusClient {
    /// The daemon's answer to one request; nil when there is no daemon at this socket.
    public static func ask(_ request: Request, socket path: String) -> String? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let line = Array((request.line + "\n").utf8)
        guard connected == 0, send(descriptor, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else {
            return nil
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { break }
            answer += buffer.prefix(count)
        }
        guard answer.last == 0x0A else { return nil }
        return String(decoding: answer.dropLast(), as: UTF8.self)
    }
}
