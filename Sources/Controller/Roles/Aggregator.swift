import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Leases
import Logging
import NetlinkKit
import Observation

/// The aggregation point: answers gateways, and gives each bond its objects in the kernel.
final class Aggregator: Role {
    let settings: AggregationPointConfiguration
    private let loop: EventLoop
    let common: Common
    var point: AggregationPoint
    private var sockets: [ControlSocket] = []
    var subscribers: SubscriberList
    let outers: [IPFamily: OuterTable]
    var numbers = BondNumbers()
    var watch = PathWatch()
    /// The keys of the sessions whose packets are put in order.
    private var keys: [UInt32: UInt32] = [:]
    /// Of each bond, for what is said of it when it is gone.
    private(set) var described: [UInt32: (client: ClientIdentificationName, device: String)] = [:]
    var ledger = TrafficLedger(isGateway: false)
    var rounds = SampleRounds()
    var watchedUntil = Instant(nanoseconds: 0)
    var losses: [UInt32: Loss] = [:]
    private let started = Clock.now()
    private(set) var leases: LeaseService?
    private var prefixWait = PrefixWait()
    /// What the LTE legs carry downstream, by session.
    var lteRates: [UInt32: LegRate] = [:]
    var lteSampling = SampleTimes()
    var receivedAt = Instant(nanoseconds: 0)
    private(set) var radius: RADIUSService?
    private(set) var ipsec: IPsecKeeper?
    let record: RunRecord
    private(set) var isRecording = false
    /// Where gateways with configured keys are.
    var gateways: [ProtectedLeg: IPAddress] = [:]

    init(_ settings: AggregationPointConfiguration, _ loop: EventLoop) throws {
        self.settings = settings
        self.loop = loop
        common = try Common(settings.kernel, loop, schedules: settings.colour.overflow == .queue)
        point = AggregationPoint(
            settings: .init(
                addresses: settings.addresses, parameters: SessionParameters(settings.session),
                dialect: settings.dialect,
                extraAttributes: [
                    .primary: settings.session.dslAttributes, .secondary: settings.session.lteAttributes,
                ], allowsSecondaryAlone: settings.session.lteAlone, maximumSessions: settings.limits.bonds,
                drainRate: settings.limits.drainRate, monitorsTraffic: true))
        record = RunRecord(socket: settings.control.socket, identity: Self.identity(settings))
        subscribers = SubscriberList(settings.subscribers, unlisted: settings.unlisted)
        var outers: [IPFamily: OuterTable] = [:]
        for address in settings.addresses {
            outers[address.family] = OuterTable(
                family: address.family, canonical: settings.kernel.canonical(address.family).remote,
                legs: [
                    .init(id: .primary, label: "dsl", interface: nil, requestID: settings.ipsec?.requestID),
                    .init(id: .secondary, label: "lte", interface: nil, requestID: settings.ipsec?.requestID),
                ], source: .fixed(address), markMask: settings.kernel.markMask,
                queues: settings.kernel.queue...settings.kernel.queue,
                controlProtocol: settings.dialect.protocolType,
                overflowHold: settings.resequencer.overflowHold.rawValue)
        }
        self.outers = outers
        radius = settings.radius.map { RADIUSService(settings, $0, loop) }
    }

    func start() throws {
        let former = recall()
        common.state.onFormerFilter = { [weak self] in try? self?.writeAllRecords() }
        if former == nil { common.sweep(settings.kernel, settings.ipsec) }
        ipsec = try settings.ipsec.map {
            try IPsecKeeper($0, settings.state, common, outers.values.map(\.table), loop, goesOn: former != nil)
        }
        restoreSecurity()
        if let former { protect(former) }
        applySecurity()
        let leases = try LeaseService(settings, loop) { [weak self] id in
            guard let self else { return }
            self.apply(id, self.point.sessions[id]?.bond)
        }
        self.leases = leases
        var objects: [KernelObject] = [.ruleset(SegmentTable.byRoute()), .ruleset(SourceTable.ruleset())]
        for (family, outer) in outers.sorted(by: { $0.key == .v4 && $1.key == .v6 }) {
            objects += CanonicalDevice.objects(
                local: outer.canonical, remote: BondNumbers.pool(family), protocol: settings.kernel.routeProtocol)
            objects.append(.ruleset(outer.ruleset()))
        }
        if outers[.v4] != nil {
            // What is loose because a run before made it so is ours to keep and to put back.
            let strict = Set(try common.state.strictInterfaces()).union(common.state.formerFilters.keys)
            objects += strict.sorted().map { .reversePathFilter(link: $0, .loose) }
        }
        let inside = common.state.isAdopting ? common.state.index(of: CanonicalDevice.name) : 0
        let own = Set(
            try common.state.route.addresses(.v4).map(\.address).filter { $0.link != inside }.map(\.address.address))
        objects += leases.objects(settings.kernel) { own.contains($0) }
        guard common.state.apply(objects, for: .base) else {
            common.state.clear()
            throw Daemon.Failure(description: "the kernel refused what every bond needs (see above)")
        }
        common.state.onRecreated = { [weak self] owner in
            guard case .bond(let id) = owner, let self else { return }
            self.apply(id, self.point.sessions[id]?.bond)
        }
        if let former { adopt(former) }
        isRecording = true
        do throws(SystemError) {
            try writeAllRecords()
        } catch {
            common.log(.warning, "record-not-written", "\(error)")
        }
        try common.watchKernel(loop)
        for address in Set(settings.addresses + settings.anycast).sorted() {
            let socket = try ControlSocket(local: address)
            sockets.append(socket)
            try loop.watch(socket.descriptor) { [weak self] in self?.receive(socket) }
        }
        if let radius {
            radius.aggregator = self
            common.state.onDeleted = { [weak radius] owner, deleted in
                if case .bond(let id) = owner { radius?.counted(id, deleted) }
            }
            try radius.start()
        }
    }

    func work() -> Instant? {
        let now = Clock.now()
        let radius = radius?.work(now)
        if let deadline = point.deadline, deadline <= now { run(point.handle(.timeout, now: now)) }
        if let deadline = common.queue.deadline, deadline <= now { common.queue.expire() }
        readNarrowPaths(now)
        sampleBonds(now)
        sampleLTE(now)
        for id in prefixWait.takeDue(now) {
            for input in filterList(of: id) { run(point.handle(input, now: now)) }
        }
        return [
            point.deadline, common.queue.deadline, watch.due, leases?.work(now), rounds.due, lteSampling.due, radius,
            prefixWait.due, ipsec?.work(now), common.state.mend(now),
            common.sampleFlood(outers.values.map(\.table), now),
        ].compactMap { $0 }.min()
    }

    func stop() {
        run(point.handle(.stop, now: Clock.now()))
        ipsec?.stop()
        common.state.clear()
        radius?.finish()
        record.remove()
    }

    func leave() {
        ipsec?.stop()
        radius?.finish()
        writeRecords()
    }

    private func receive(_ socket: ControlSocket) {
        common.drain(socket, settings.dialect) { message, received in
            receivedAt = received.at
            run(
                point.handle(
                    .message(message, from: received.source, to: received.destination), now: received.at))
        }
        pathsMayHaveChanged(socket.tooBig())
    }

    func run(_ effects: [AggregationPoint.Effect]) {
        // What the machine is told in answer comes after all that it asked for.
        var answers: [AggregationPoint.Input] = []
        for effect in effects {
            switch effect {
            case .send(let message, let source, let destination):
                guard let socket = sockets.first(where: { $0.local == source }) else { continue }
                if !socket.send(message.serialized(dialect: settings.dialect), to: destination) {
                    common.log(.info, "send-failed", String(cString: strerror(errno)), ["to": destination])
                }
            case .authorize(let request):
                protect(request)
                if let radius {
                    radius.authorize(request)
                    continue
                }
                answers.append(.authorized(request, subscribers.authorization(of: request.client, leg: request.leg)))
            case .bond(let id, let bond): apply(id, bond)
            case .sampleTraffic(let id):
                // No answer: the machine gives the leg up by itself.
                guard let traffic = traffic(of: id) else { continue }
                answers.append(.traffic(sessionID: id, TrafficSample(traffic)))
            case .event(let id, let event):
                publish(event, id)
                if case .roundTrip(.secondary, let time) = event, let id { measuredRoundTrip(time, of: id) }
                account(event)
                switch (event, id) {
                case (.bondUp(let id), _):
                    if willHavePrefix(id) { prefixWait.begin(id, now: Clock.now()) } else { answers += filterList(of: id) }
                case (.prefixAssignedToHost(let prefix), let id?) where prefix != .none && prefixWait.end(id):
                    answers += filterList(of: id)
                default: break
                }
            }
        }
        for answer in answers { hear(answer) }
        writeRecords()
    }

    func hear(_ input: AggregationPoint.Input) { run(point.handle(input, now: Clock.now())) }

    private func publish(_ event: SessionEvent, _ id: UInt32?) {
        guard let id else { return common.publish(event, \.statusName, [:]) }
        let session = point.sessions[id]
        let bond = described[id]
        var address: IPAddress?
        if case .legDown(let leg, _) = event { address = session?.bond?.legs[leg] }
        common.publish(
            event, \.statusName,
            [
                .address: address?.description ?? "", .device: bond?.device ?? "",
                .bond: (session?.client ?? bond?.client)?.description ?? "", .session: id,
            ])
        switch event {
        case .legDown(let leg, let why): losses[id] = Loss(leg: leg, why: why.rawValue, at: Clock.now())
        case .legUp(let leg, _) where losses[id]?.leg == leg: losses[id] = nil
        case .bondDown:
            described[id] = nil
            losses[id] = nil
        default: break
        }
    }

    /// What the session's gateway is to leave out of its bond (RFC 8157 §5.6.2).
    private func filterList(of id: UInt32) -> [AggregationPoint.Input] {
        point.sessions[id].flatMap { subscribers[$0.client]?.filterList }.flatMap { settings.filterLists[$0] }
            .map { [.setFilterList(sessionID: id, $0)] } ?? []
    }

    /// Whether the session's gateway can be delegated a prefix here.
    private func willHavePrefix(_ id: UInt32) -> Bool {
        guard leases?.serves.contains(.v6) == true, let client = point.sessions[id]?.client else { return false }
        return subscribers[client].map { $0.prefix != nil || $0.pool != nil } ?? false
    }

    // MARK: Data plane

    func apply(_ id: UInt32, _ bond: Bond?) {
        guard let bond, let outer = outers[bond.aggregator.family], let subscriber = subscribers[bond.client] else {
            leases?.remove(id)
            common.state.apply([], for: .bond(id))
            lteRates[id] = nil
            numbers.release(id)
            watch.set(id, at: [], isNarrow: false, now: Clock.now())
            if let key = keys.removeValue(forKey: id) { common.queue.set(key, nil) }
            ledger.remove(id)
            return
        }
        let number = numbers.take(id)
        let device = "\(settings.tunnel.prefix)\(number)"
        let mtu = mtu(of: bond, id, subscriber)
        let policy = LegPolicy(settings.colour, subscriber.rates)
        let known = policy.committed(bond.committedInformationRate, settings.colour)
        let cir = known ?? Colouring.unknownRate
        let overhead = Int(Overhead.outer(outer.family, numbered: policy.numbersPackets) + (esp?.typical ?? 0)) + 14
        setLTERate(of: id, bond, cir, subscriber.rates.lteDownstream)
        var objects = BondObjects(
            outer: outer, device: device, canonicalRemote: BondNumbers.address(number, outer.family), mtu: mtu,
            alias: "spillway bond of \(bond.client)", receiveFrom: bond.legs, sendTo: bond.legs, sendFrom: [:],
            colouring: Colouring(
                policy.distribution(bond.distribution, isRateKnown: known != nil), table: outer,
                rate: cir.bytesPerSecond, burst: UInt32(clamping: settings.colour.burstBytes(cir: cir, mtu: mtu)),
                overhead: overhead, secondary: secondLeg(of: id, subscriber.rates.lteDownstream),
                secondaryOverhead: overhead, queues: settings.colour.overflow == .queue, policy: policy),
            numbersPackets: policy.numbersPackets
        ).objects(bond)
        var routes = subscriber.routes
        if let address = subscriber.address { routes.append(IPPrefix(host: .v4(address))) }
        if let address = subscriber.address6 { routes.append(IPPrefix(host: .v6(address))) }
        if let prefix = subscriber.prefix { routes.append(prefix) }
        let client = ClientIdentity(bond.client)
        if let client, let leases { routes += leases.resources(of: client).filter { !routes.contains($0) } }
        for prefix in routes {
            objects.append(
                .route(
                    RouteToDevice(
                        prefix, link: device, protocol: RouteProtocol(rawValue: settings.kernel.routeProtocol))))
        }
        common.state.apply(objects, for: .bond(id))
        let link = common.state.index(of: device)
        if let client, link != 0 {
            leases?.add(ServedBond(session: id, link: link, client: client, group: subscriber.pool ?? "", mtu: mtu))
        }
        keys[id] = bond.key
        described[id] = (bond.client, device)
        resequence(id)
    }

    func resequence(_ id: UInt32) {
        guard let bond = point.sessions[id]?.bond else { return }
        common.queue.set(
            bond.key,
            bond.legs.count > 1
                ? .init(settings.resequencer, expected: secondaryDelay(of: id).nanoseconds) : .passing)
    }

    /// Where the kernel counts for a session.
    func legCounters(of id: UInt32) -> LegCounters? {
        guard let bond = point.sessions[id]?.bond, let outer = outers[bond.aggregator.family],
            let number = numbers.number(of: id)
        else { return nil }
        return LegCounters(
            outer: outer, key: bond.key, receiveFrom: bond.legs,
            canonicalRemote: BondNumbers.address(number, outer.family))
    }

    /// What the kernel counted for a session, leg by leg.
    func traffic(of id: UInt32) -> [LegID: LegTraffic]? {
        guard let counters = legCounters(of: id) else { return nil }
        do {
            return try counters.read(common.state.tables)
        } catch {
            common.kernelLog(.warning, "no-counters", "\(error)", ["session": id])
            return nil
        }
    }

    func device(of id: UInt32) -> String? { numbers.number(of: id).map { "\(settings.tunnel.prefix)\($0)" } }

    /// Control messages lost because a socket was full.
    var controlDrops: UInt64 { sockets.reduce(0) { $0 + UInt64($1.drops) } }

    // MARK: Status

    func answer(_ request: Request) -> String {
        switch request {
        case .status(let query): return status(query)
        case .drain:
            run(point.handle(.drain, now: Clock.now()))
            return Answer.done(unless: nil)
        case .diagnose: return Answer.done(unless: "a diagnostic begins at the gateway")
        case .top(let count): return facts(.extremes(count)).json.description
        case .explain(let flow): return explain(flow)
        case .monitor: return Answer.done(unless: "not a question")
        }
    }

    /// "12 bonds", "3 bonds, draining"
    var summary: String {
        "\(point.sessions.count) bond\(point.sessions.count == 1 ? "" : "s")\(point.isDraining ? ", draining" : "")"
    }
}

/// Numbers of bonds: the lowest that is free, so that devices keep short names and addresses of the pool return.
struct BondNumbers {
    private var taken: [UInt32: UInt32] = [:]
    private var free: [UInt32] = []
    private var next: UInt32 = 0

    func number(of session: UInt32) -> UInt32? { taken[session] }

    mutating func take(_ session: UInt32) -> UInt32 {
        if let number = taken[session] { return number }
        let number: UInt32
        if let index = free.indices.min(by: { free[$0] < free[$1] }) {
            number = free.remove(at: index)
        } else {
            number = next
            next += 1
        }
        taken[session] = number
        return number
    }

    /// Gives a session the number that it had.
    /// - Returns: whether nobody else has it
    mutating func take(_ session: UInt32, as number: UInt32) -> Bool {
        guard number < Self.limit, taken[session] == nil else { return false }
        if number < next {
            guard let place = free.firstIndex(of: number) else { return false }
            free.remove(at: place)
        } else {
            free += next..<number
            next = number + 1
        }
        taken[session] = number
        return true
    }

    /// Devices of one kind at most.
    private static let limit: UInt32 = 1 << 17

    mutating func release(_ session: UInt32) {
        if let number = taken.removeValue(forKey: session) { free.append(number) }
    }

    /// Addresses that stand for bonds inside this host and never leave it: class E, which nobody routes, and a
    /// unique local prefix.
    static func pool(_ family: IPFamily) -> IPPrefix {
        IPPrefix(address(0, family), length: family == .v4 ? 8 : 80)?.masked ?? .all(family)
    }

    static func address(_ number: UInt32, _ family: IPFamily) -> IPAddress {
        switch family {
        case .v4: .v4(IPv4Address(rawValue: 0xF000_0001 &+ number & 0xFF_FFFF))
        case .v6: .v6(IPv6Address(high: 0xFD53_7069_6C6C_7761, low: 0x0080_0000_0000_0001 &+ UInt64(number)))
        }
    }
}

extension SessionParameters {
    init(_ settings: SessionConfiguration) {
        self.init()
        activeHelloInterval = settings.activeHelloInterval.seconds
        idleHelloInterval = settings.idleHelloInterval.seconds
        helloRetryTimes = settings.helloRetryTimes
        rttDifferenceThreshold = UInt32(clamping: settings.rttDifferenceThreshold.rawValue)
        rttDifferenceThresholdViolation = settings.rttViolation
        rttDifferenceThresholdCompliance = settings.rttCompliance
        bypassBandwidthCheckInterval = settings.bypassCheckInterval.seconds
        idleTimeout = settings.idleTimeout.seconds
        noTrafficMonitoredInterval = settings.noTrafficMonitoredInterval.seconds
    }
}

extension KernelState {
    /// Interfaces whose reverse path filter would drop a leg's packets once their source is rewritten. The interface's
    /// own setting and that for all are combined: the larger one holds.
    func strictInterfaces() throws(KernelError) -> [String] {
        let all = Self.reversePathFilterOfAll()
        return try route.links().compactMap { link in
            guard link.name != "lo", link.name != CanonicalDevice.name,
                let own = link.ipv4?[.reversePathFilter], max(own, all) == 1
            else { return nil }
            return link.name
        }
    }

    private static func reversePathFilterOfAll() -> UInt32 {
        let file = open("/proc/sys/net/ipv4/conf/all/rp_filter", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var digit: UInt8 = 0
        return read(file, &digit, 1) == 1 && (0x30...0x32).contains(digit) ? UInt32(digit - 0x30) : 0
    }
}
