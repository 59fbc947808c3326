import Addresses
import CLinux
import Configuration
import Formatting
import GREBonding
import Glibc
import Observation

/// Answers HTTP requests on the addresses of `[http]`. Read-only, in the daemon's own loop: each connection may hold a few
/// kilobytes and one answer, and every state of it ends at a time of its own, so that no client holds anything up.
final class HTTPServer {
    private struct Client {
        var connection: Connection
        var parser = HTTPParser()
        /// When it is sent away: what it does now has to be over by then.
        var deadline: Instant
        var isIdle = false
        var isServing = false
        /// Only names that cannot be made to point here by others' name servers are answered.
        var isLoopback: Bool
    }

    private let loop: EventLoop
    private var listeners: [Int32] = []
    private var clients: [Int32: Client] = [:]
    private let respond: (String) -> HTTPResponse?
    private(set) var counts: [HTTPStatus: UInt64] = [:]
    /// Connections that found no place.
    private(set) var refused: UInt64 = 0

    static let clientLimit = 32
    private static let headerTime = Duration.seconds(5)
    private static let answerTime = Duration.seconds(30)
    private static let idleTime = Duration.seconds(15)

    /// - Parameter respond: the answer for a path; nil: there is nothing
    init(
        _ addresses: [ListenAddress], _ loop: EventLoop, respond: @escaping (String) -> HTTPResponse?
    ) throws(SystemError) {
        self.loop = loop
        self.respond = respond
        for address in addresses { try listen(address) }
    }

    func close() {
        for client in clients.values { client.connection.close() }
        for listener in listeners {
            loop.unwatch(listener)
            Glibc.close(listener)
        }
        listeners = []
    }

    /// Sends away who takes too long; when it wants to be called next.
    func work() -> Instant? {
        let now = Clock.now()
        for client in clients.values where client.deadline <= now { client.connection.close() }
        return clients.values.map(\.deadline).min()
    }

    private func listen(_ address: ListenAddress) throws(SystemError) {
        let name = "listen at \(address)"
        let isIPv6 = address.address.family == .v6
        let listener = try SystemError.check(
            name,
            socket(
                isIPv6 ? AF_INET6 : AF_INET,
                Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0))
        listeners.append(listener)
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        // The IPv4 addresses have sockets of their own.
        if isIPv6 {
            setsockopt(listener, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        try SocketAddress.withBytes(address.address, port: address.port) { pointer, size throws(SystemError) in
            _ = try SystemError.check(name, bind(listener, pointer, size))
        }
        try SystemError.check(name, Glibc.listen(listener, 64))
        let isLoopback = address.address.isLoopback
        try loop.watch(listener) { [weak self] in self?.accept(listener, isLoopback: isLoopback) }
    }

    private func accept(_ listener: Int32, isLoopback: Bool) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor < 0 { return }
            if clients.count >= Self.clientLimit {
                // Who waits for nothing gives way to who has just come.
                let idle = clients.values.filter(\.isIdle).min { $0.deadline < $1.deadline }
                idle?.connection.close()
            }
            guard clients.count < Self.clientLimit else {
                refused &+= 1
                Glibc.close(descriptor)
                continue
            }
            do throws(SystemError) {
                let connection = try Connection(descriptor, loop) { [weak self] in self?.take($0.descriptor, $1) }
                connection.onSent = { [weak self] in self?.sent($0.descriptor) }
                connection.onClose = { [weak self] in self?.clients[$0.descriptor] = nil }
                clients[descriptor] = Client(
                    connection: connection, deadline: Clock.now() + Self.headerTime, isLoopback: isLoopback)
            } catch {
                return
            }
        }
    }

    private func take(_ id: Int32, _ bytes: ArraySlice<UInt8>) {
        if clients[id]?.isIdle == true {
            clients[id]?.isIdle = false
            clients[id]?.deadline = Clock.now() + Self.headerTime
        }
        clients[id]?.parser.append(bytes)
        serve(id)
    }

    /// The answer has been taken.
    private func sent(_ id: Int32) {
        guard let client = clients[id] else { return }
        clients[id]?.isIdle = !client.parser.hasBytes
        clients[id]?.deadline = Clock.now() + (client.parser.hasBytes ? Self.headerTime : Self.idleTime)
        client.connection.isPaused = false
        if !client.isServing { serve(id) }
    }

    /// One request after the other, each when the answer before has been taken.
    private func serve(_ id: Int32) {
        clients[id]?.isServing = true
        defer { clients[id]?.isServing = false }
        while let connection = clients[id]?.connection, connection.pending == 0 {
            switch clients[id]?.parser.next() {
            case .request(let request): answer(id, request)
            case .refused(let status):
                answer(id, HTTPResponse(status), wantsContent: true, keepsConnection: false)
                return
            case .incomplete, nil: return
            }
        }
    }

    private func answer(_ id: Int32, _ request: HTTPRequest) {
        let isOurs = clients[id]?.isLoopback == false || Self.isLocal(request.host)
        let response = isOurs ? respond(request.path) ?? HTTPResponse(.notFound) : HTTPResponse(.misdirectedRequest)
        answer(id, response, wantsContent: request.wantsContent, keepsConnection: request.keepsConnection)
    }

    private func answer(_ id: Int32, _ response: HTTPResponse, wantsContent: Bool, keepsConnection: Bool) {
        guard let connection = clients[id]?.connection else { return }
        counts[response.status, default: 0] &+= 1
        clients[id]?.deadline = Clock.now() + Self.answerTime
        clients[id]?.isIdle = false
        connection.isPaused = true
        connection.write(
            response.serialized(
                date: UTCTime.httpDate(seconds: Clock.wall().seconds), wantsContent: wantsContent,
                keepsConnection: keepsConnection))
        if !keepsConnection { connection.endsWhenSent = true }
    }

    /// A page from elsewhere may ask for any name that its name server gives this address to, and would read the answer.
    static func isLocal(_ host: String) -> Bool {
        host.isEmpty || host.lowercased() == "localhost" || IPAddress(host) != nil
    }
}
