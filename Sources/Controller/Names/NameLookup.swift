import Addresses
import CCares
import CLinux
import GREBonding
import Glibc

/// One question to some servers, over just one access link or as the host's routes have it. It never blocks: sockets
/// are watched by the loop, and whoever owns it calls ``process()`` in each round, at the latest at ``deadline``, and
/// looks at ``result``.
final class NameLookup {
    struct Answer: Hashable {
        var address: IPAddress
        /// How long it holds; zero: only now.
        var timeToLive: Duration
    }

    /// Why there is no address. The names are stable: they are names of counters.
    enum Failure: String, Error, CaseIterable {
        case noSuchName = "no_such_name"
        /// The name has no address of the family that was asked for.
        case noAddress = "no_address"
        /// Addresses came, but none that an aggregator could have.
        case noUsableAddress = "no_usable_address"
        case noAnswer = "no_answer"
        case refused
        case serverFailure = "server_failure"
        case badResponse = "bad_response"
        /// The servers cannot be reached from here, or nobody listens.
        case unreachable
        /// None is set, or none of a family that the link has an address of.
        case noServers = "no_servers"
        /// This host ran out of something.
        case system
    }

    /// A server is asked twice, with this wait the first time and twice as much the second.
    private static let wait = Int32(1500), tries = Int32(2)
    /// More addresses of one name are not looked at.
    private static let answerLimit = 16

    private let channel: ares_channel
    private let sink: Sink

    /// - Parameters:
    ///   - servers: of either family; with an interface, those of a family that no source has are left out
    ///   - interface: the only one to send on and to receive from; nil: any
    ///   - sources: the link's own addresses, at most one of each family
    init(
        _ name: String, _ family: IPFamily, servers: [IPAddress], interface: String?, sources: [IPAddress],
        loop: EventLoop
    ) throws(Failure) {
        let servers = servers.filter { server in
            interface == nil || sources.contains { $0.family == server.family }
        }
        guard !servers.isEmpty else { throw .noServers }
        let sink = Sink(family, loop)
        var options = ares_options()
        options.flags = ARES_FLAG_NOSEARCH
        options.timeout = Self.wait
        options.tries = Self.tries
        options.sock_state_cb = { data, descriptor, reads, writes in
            Sink.from(data)?.watch(descriptor, reads != 0, writes != 0)
        }
        options.sock_state_cb_data = sink.pointer
        channel = try Self.open(&options, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB)
        self.sink = sink
        if let interface { ares_set_local_dev(channel, interface) }
        for source in sources {
            switch source {
            case .v4(let a): ares_set_local_ip4(channel, a.rawValue)
            case .v6(let a): ares_set_local_ip6(channel, Array(a.bytes))
            }
        }
        guard Self.set(servers, channel) == ARES_SUCCESS else { throw .system }
        sink.process = { [weak self] in self?.process($0) }
        // Class IN, type A or AAAA.
        ares_query(
            channel, name, 1, family == .v4 ? 1 : 28,
            { data, status, _, bytes, count in Sink.from(data)?.take(status, bytes, count) }, sink.pointer)
    }

    deinit { ares_destroy(channel) }

    /// nil: not yet known.
    var result: Result<[Answer], Failure>? { sink.result }

    /// When ``process()`` is due, as seen from now.
    var deadline: Instant? {
        var left = timeval()
        guard result == nil, ares_timeout(channel, nil, &left) != nil else { return nil }
        // A millisecond more, so that c-ares agrees that the time has come.
        return Clock.now() + .seconds(left.tv_sec) + .microseconds(left.tv_usec) + .milliseconds(1)
    }

    /// Repeats the question to the next server, or gives up, if it is time to.
    func process() { process(ARES_SOCKET_BAD) }

    private func process(_ descriptor: Int32) { ares_process_fd(channel, descriptor, descriptor) }

    /// The servers of `/etc/resolv.conf` that need no zone.
    /// - Parameter onLink: only those that can be asked over a given link: none on this host itself
    static func systemServers(onLink: Bool = true) -> [IPAddress] {
        var options = ares_options()
        guard let channel = try? open(&options, 0) else { return [] }
        defer { ares_destroy(channel) }
        var list: UnsafeMutablePointer<ares_addr_node>?
        guard ares_get_servers(channel, &list) == ARES_SUCCESS else { return [] }
        defer { ares_free_data(list) }
        return sequence(first: list) { $0?.pointee.next }.compactMap { $0?.pointee }.compactMap { node in
            withUnsafeBytes(of: node.addr) { bytes in
                node.family == AF_INET ? IPAddress(bytes: bytes.prefix(4)) : IPAddress(bytes: bytes.prefix(16))
            }
        }.filter { ($0.isUnicast || !onLink && $0.isLoopback) && !$0.isLinkLocal }
    }

    private static func set(_ servers: [IPAddress], _ channel: ares_channel) -> Int32 {
        var nodes = servers.map { server in
            var node = ares_addr_node()
            withUnsafeMutableBytes(of: &node.addr) { bytes in
                switch server {
                case .v4(let a): bytes.copyBytes(from: a.bytes)
                case .v6(let a): bytes.copyBytes(from: a.bytes)
                }
            }
            node.family = server.family == .v4 ? AF_INET : AF_INET6
            return node
        }
        return nodes.withUnsafeMutableBufferPointer { list in
            guard let base = list.baseAddress else { return ARES_ENODATA }
            for number in list.indices.dropLast() { list[number].next = base + (number + 1) }
            return ares_set_servers(channel, base)
        }
    }

    private static let library = ares_library_init(ARES_LIB_INIT_ALL)

    private static func open(_ options: inout ares_options, _ mask: Int32) throws(Failure) -> ares_channel {
        var channel: ares_channel?
        guard library == ARES_SUCCESS, ares_init_options(&channel, &options, mask) == ARES_SUCCESS, let channel else {
            throw .system
        }
        return channel
    }

    /// What the C callbacks reach. It outlives the channel, whose end calls them once more.
    private final class Sink {
        let family: IPFamily
        let loop: EventLoop
        var result: Result<[Answer], Failure>?
        var process: (Int32) -> Void = { _ in }

        init(_ family: IPFamily, _ loop: EventLoop) {
            self.family = family
            self.loop = loop
        }

        var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

        static func from(_ pointer: UnsafeMutableRawPointer?) -> Sink? {
            pointer.map { Unmanaged.fromOpaque($0).takeUnretainedValue() }
        }

        func watch(_ descriptor: Int32, _ reads: Bool, _ writes: Bool) {
            guard reads || writes else { return loop.unwatch(descriptor) }
            let interest: EventLoop.Interest = [reads ? .reading : [], writes ? .writing : []]
            do throws(SystemError) {
                try loop.watch(descriptor, interest) { [weak self] in self?.process(descriptor) }
            } catch {
                result = .failure(.system)
            }
        }

        func take(_ status: Int32, _ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int32) {
            guard result == nil else { return }
            guard status == ARES_SUCCESS, let bytes else {
                result = .failure(Failure(status: status))
                return
            }
            let (outcome, answers) = family == .v4 ? Self.answers4(bytes, count) : Self.answers6(bytes, count)
            let isGood = outcome == ARES_SUCCESS && !answers.isEmpty
            result = isGood ? .success(answers) : .failure(Failure(status: outcome))
        }

        private static func answers4(_ bytes: UnsafePointer<UInt8>, _ count: Int32) -> (Int32, [Answer]) {
            var found = [ares_addrttl](repeating: ares_addrttl(), count: answerLimit)
            var length = Int32(answerLimit)
            let status = ares_parse_a_reply(bytes, count, nil, &found, &length)
            return (
                status,
                found.prefix(status == ARES_SUCCESS ? Int(max(0, length)) : 0).map {
                    Answer(
                        address: .v4(IPv4Address(rawValue: UInt32(bigEndian: $0.ipaddr.s_addr))),
                        timeToLive: .seconds(max(0, $0.ttl)))
                }
            )
        }

        private static func answers6(_ bytes: UnsafePointer<UInt8>, _ count: Int32) -> (Int32, [Answer]) {
            var found = [ares_addr6ttl](repeating: ares_addr6ttl(), count: answerLimit)
            var length = Int32(answerLimit)
            let status = ares_parse_aaaa_reply(bytes, count, nil, &found, &length)
            return (
                status,
                found.prefix(status == ARES_SUCCESS ? Int(max(0, length)) : 0).compactMap { entry in
                    withUnsafeBytes(of: entry.ip6addr) { IPAddress(bytes: $0) }
                        .map { Answer(address: $0, timeToLive: .seconds(max(0, entry.ttl))) }
                }
            )
        }
    }
}

extension NameLookup.Failure {
    init(status: Int32) {
        self =
            switch status {
            case ARES_ENOTFOUND: .noSuchName
            case ARES_SUCCESS, ARES_ENODATA: .noAddress
            case ARES_ETIMEOUT: .noAnswer
            case ARES_EREFUSED: .refused
            case ARES_ESERVFAIL, ARES_ENOTIMP, ARES_EFORMERR: .serverFailure
            case ARES_EBADRESP, ARES_EBADNAME: .badResponse
            case ARES_ECONNREFUSED: .unreachable
            default: .system
            }
    }
}
