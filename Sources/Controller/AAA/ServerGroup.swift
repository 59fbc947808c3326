import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Logging
import RADIUS

/// The servers for one purpose: a client's machine with its sockets.
final class ServerGroup {
    private let log = Log("radius")
    private let servers: [RADIUSConfiguration.Server]
    private let sources: [IPAddress]
    private let port: KeyPath<RADIUSConfiguration.Server, UInt16>
    /// "authentication", "accounting"
    private let purpose: String
    private let loop: EventLoop
    private var client: RADIUSClient
    private var sockets: [Lane: DatagramSocket] = [:]
    private let answered: (RADIUSClient.Ticket, AttributeList, PacketCode) -> Void
    private let unanswered: (RADIUSClient.Ticket) -> Void
    private(set) var discarded: [RADIUSDiscardReason: UInt64] = [:]

    private struct Lane: Hashable {
        var server: Int
        var lane: Int
    }

    init(
        _ settings: RADIUSConfiguration, _ purpose: String, port: KeyPath<RADIUSConfiguration.Server, UInt16>,
        lanes: Int, loop: EventLoop, answered: @escaping (RADIUSClient.Ticket, AttributeList, PacketCode) -> Void,
        unanswered: @escaping (RADIUSClient.Ticket) -> Void
    ) {
        servers = settings.servers
        sources = settings.source
        self.port = port
        self.purpose = purpose
        self.loop = loop
        self.answered = answered
        self.unanswered = unanswered
        var client = RADIUSClient.Settings(
            servers: servers.map {
                .init(secret: $0.secret, requiresMessageAuthenticator: $0.requiresMessageAuthenticator)
            })
        client.timeout = settings.timeout.duration
        client.tries = settings.tries
        client.deadTime = settings.deadTime.duration
        client.lanes = lanes
        self.client = RADIUSClient(settings: client, authenticator: .system)
    }

    var deadline: Duration? { client.deadline }
    var inFlight: Int { client.inFlight }
    var descriptors: [Int32] { sockets.values.map(\.descriptor) }

    func ask(_ ticket: RADIUSClient.Ticket, _ request: ClientRequest) {
        run(client.handle(.ask(ticket, request), now: RADIUSClock.now()))
    }

    func work() {
        if let deadline = client.deadline, deadline <= RADIUSClock.now() {
            run(client.handle(.timeout, now: RADIUSClock.now()))
        }
    }

    /// What has come by any of the sockets.
    func receive() { for lane in Array(sockets.keys) { receive(lane) } }

    private func receive(_ lane: Lane) {
        guard let socket = sockets[lane] else { return }
        for _ in 0..<256 {
            guard let datagram = socket.receive() else { return }
            run(
                client.handle(
                    .received(datagram.payload, server: lane.server, lane: lane.lane), now: RADIUSClock.now()))
        }
    }

    private func run(_ effects: [RADIUSClient.Effect]) {
        for effect in effects {
            switch effect {
            case .transmit(let bytes, let server, let lane): socket(Lane(server: server, lane: lane))?.send(bytes)
            case .answered(let ticket, let attributes, let code, _): answered(ticket, attributes, code)
            case .unanswered(let ticket): unanswered(ticket)
            case .serverIsDead(let server):
                log(.warning, "radius-dead", "a server does not answer", who(server))
            case .serverIsAlive(let server):
                log(.notice, "radius-alive", "a server answers again", who(server))
            case .discarded(let reason, let server):
                discarded[reason, default: 0] &+= 1
                log(
                    .info, "radius-discarded", "an answer was not acted on",
                    ["why": reason.rawValue, "server": servers[server].address, "for": purpose])
            }
        }
    }

    private func who(_ server: Int) -> KeyValuePairs<String, any CustomStringConvertible> {
        ["server": servers[server].address, "port": servers[server][keyPath: port], "for": purpose]
    }

    private func socket(_ lane: Lane) -> DatagramSocket? {
        if let socket = sockets[lane] { return socket }
        let server = servers[lane.server]
        do throws(SystemError) {
            let socket = try DatagramSocket(
                to: server.address, port: server[keyPath: port],
                from: sources.first { $0.family == server.address.family })
            try loop.watch(socket.descriptor) { [weak self] in self?.receive(lane) }
            sockets[lane] = socket
            return socket
        } catch {
            log(.error, "radius-socket", "\(error)", who(lane.server))
            return nil
        }
    }

    /// Each server's state and counts, never its secret.
    var json: [JSONObject] {
        servers.indices.map { index in
            var object = JSONObject()
            let statistics = client.statistics[index]
            object.add("address", servers[index].address.description)
            object.add("port", servers[index][keyPath: port])
            object.add("dead", client.isDead(index, now: RADIUSClock.now()))
            object.add("requests", statistics.requests)
            object.add("retransmissions", statistics.retransmissions)
            object.add("answers", statistics.answers)
            object.add("timeouts", statistics.timeouts)
            return object
        }
    }
}

/// The machines of RADIUS count time from the same origin as ``Clock``.
enum RADIUSClock {
    static func now() -> Duration { .nanoseconds(Clock.now().nanoseconds) }

    static func instant(_ time: Duration?) -> Instant? { time.map { Instant(nanoseconds: $0.nanoseconds) } }

    /// Seconds since 1970.
    static func unixTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec)
    }
}
