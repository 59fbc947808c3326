import CCares  // It declares timeval, too; which module the compiler takes it from differs by build.
import CLinux
import GREBonding
import Glibc
import Observation

/// Answers questions on a Unix socket: one line comes in, one JSON object goes out, the connection ends; or events go
/// out until the client has enough of them. Everything is bounded, and no client can hold up the loop.
final class StatusServer {
    /// What a client gets.
    enum Reply {
        case text(String)
        /// The same in pieces, each of which may take so long to make; nil: that was all. What thousands of bonds are doing
        /// takes seconds to tell, in which gateways would take the daemon for lost.
        case pieces((_ slice: Duration) -> String?)
        /// What happens from now on; with `all` what is frequent, too.
        case events(all: Bool)
    }

    private struct Client {
        var connection: Connection
        var request: [UInt8] = []
        /// The rest of its answer.
        var next: ((Duration) -> String?)?
        /// Whether it is to get some of that now.
        var isReady: Bool { next != nil && connection.pending == 0 }
    }

    /// A client of the event stream.
    private struct Follower {
        var connection: Connection
        var all: Bool
        var backlog = EventBacklog(limit: StatusServer.backlogLimit)
    }

    private let descriptor: Int32
    private let path: String
    private let loop: EventLoop
    private var clients: [Int32: Client] = [:]
    private var followers: [Int32: Follower] = [:]
    private let answer: (String) -> Reply

    private static let clientLimit = 32
    private static let followerLimit = 16
    private static let requestLimit = 256
    /// Bytes that a reader of events may leave untaken, besides the socket's own buffer.
    static let backlogLimit = 1 << 16
    /// A client that neither asks nor takes its answer for so long is sent away.
    private static let patience = Duration.seconds(30)
    /// For pieces, between two looks at what else has happened.
    private static let slice = Duration.milliseconds(10)

    init(path: String, loop: EventLoop, answer: @escaping (String) -> Reply) throws(SystemError) {
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
        for client in clients.values { client.connection.close() }
        for follower in followers.values { follower.connection.close() }
        loop.unwatch(descriptor)
        Glibc.close(descriptor)
        unlink(path)
    }

    /// Goes on with answers and sends clients away that do nothing; when it wants to be called next.
    func work() -> Instant? {
        let ready = clients.filter(\.value.isReady)
        for (descriptor, client) in ready {
            if let piece = client.next?(Self.slice / ready.count) {
                client.connection.write(piece)
            } else {
                clients[descriptor]?.next = nil
                end(client.connection)
            }
        }
        let now = Clock.now()
        for client in clients.values where client.connection.movedAt + Self.patience <= now {
            client.connection.close()
        }
        return clients.values.map { $0.isReady ? now : $0.connection.movedAt + Self.patience }.min()
    }

    /// Clients of the event stream.
    var followerCount: Int { followers.count }

    func publish(_ event: Event, _ line: @autoclosure () -> String) {
        guard !followers.isEmpty else { return }
        let line = line()
        for id in Array(followers.keys) {
            guard var follower = followers[id], follower.all || !event.kind.isFrequent else { continue }
            let lines = follower.backlog.admit(line, pending: follower.connection.pending)
            followers[id] = follower
            for line in lines { follower.connection.write(line + "\n") }
        }
    }

    private func accept() {
        while true {
            let client = Glibc.accept(descriptor, nil, nil)
            if client < 0 { return }
            guard clients.count < Self.clientLimit else {
                Glibc.close(client)
                continue
            }
            do throws(SystemError) {
                let connection = try Connection(client, loop) { [weak self] in self?.take($0, $1) }
                clients[client] = Client(connection: connection)
                connection.onClose = { [weak self] in
                    self?.clients[$0.descriptor] = nil
                    self?.followers[$0.descriptor] = nil
                }
            } catch {
                return
            }
        }
    }

    private func take(_ connection: Connection, _ bytes: ArraySlice<UInt8>) {
        // What a follower says has no meaning.
        guard var request = clients[connection.descriptor]?.request else { return }
        request += bytes
        guard let newline = request.firstIndex(of: 0x0A) else {
            if request.count >= Self.requestLimit { return connection.close() }
            clients[connection.descriptor]?.request = request
            return
        }
        switch answer(String(decoding: request[..<newline], as: UTF8.self)) {
        case .text(let text):
            // Its end of the connection may be closed already: what it asked for is sent all the same.
            connection.isPaused = true
            end(connection, text)
        case .pieces(let next):
            connection.isPaused = true
            clients[connection.descriptor]?.next = next
        case .events(let all):
            guard followers.count < Self.followerLimit else { return connection.close() }
            clients[connection.descriptor] = nil
            followers[connection.descriptor] = Follower(connection: connection, all: all)
            connection.onSent = { [weak self] in
                guard let line = self?.followers[$0.descriptor]?.backlog.caughtUp() else { return }
                $0.write(line + "\n")
            }
        }
    }

    /// - Parameter rest: of the answer
    private func end(_ connection: Connection, _ rest: String = "") {
        connection.write(rest + "\n")
        connection.endsWhenSent = true
    }
}

/// The other end, for the commands that ask.
public enum StatusClient {
    /// The daemon's answer to one request; nil when there is no daemon at this socket.
    public static func ask(_ request: Request, socket path: String) -> String? {
        guard let descriptor = connect(request, path) else { return nil }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var answer: [UInt8] = []
        receive(from: descriptor) {
            answer += $0
            return true
        }
        guard answer.last == 0x0A else { return nil }
        return String(decoding: answer.dropLast(), as: UTF8.self)
    }

    /// Gives each line that comes to `take` until it returns false or the daemon ends; false: there is no daemon.
    public static func follow(_ request: Request, socket path: String, _ take: (String) -> Bool) -> Bool {
        guard let descriptor = connect(request, path) else { return false }
        defer { close(descriptor) }
        var rest: [UInt8] = []
        receive(from: descriptor) { bytes in
            rest += bytes
            while let end = rest.firstIndex(of: 0x0A) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeSubrange(...end)
                if !take(line) { return false }
            }
            return true
        }
        return true
    }

    private static func receive(from descriptor: Int32, _ take: (ArraySlice<UInt8>) -> Bool) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count <= 0 || !take(buffer[..<count]) { return }
        }
    }

    /// A connection on which the request has been sent.
    private static func connect(_ request: Request, _ path: String) -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let line = Array((request.line + "\n").utf8)
        guard connected == 0, send(descriptor, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
