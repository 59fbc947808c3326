import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Leases
import Logging
import NFTables
import NetlinkKit
import Observation

/// The aggregation point: answers gateways, and gives each bond its objects in the kernel.
final class Aggregator: Role {
    private(set) var settings: AggregationPointConfiguration
    private let loop: EventLoop
    let common: Common
    var point: AggregationPoint
    private(set) var sockets: [ControlSocket] = []
    var subscribers: SubscriberList
    let outers: [IPFamily: OuterTable]
    let bondSets: [IPFamily: OuterTable.BondSets]
    var numbers = BondNumbers()
    var tally = BondTally()
    var watch = PathWatch()
    /// The keys of the sessions whose packets are put in order.
    var keys: [UInt32: UInt32] = [:]
    /// Of each bond, for what is said of it when it is gone.
    var described: [UInt32: (client: ClientIdentificationName, device: String)] = [:]
    var ledger = TrafficLedger(isGateway: false)
    var rounds = SampleRounds()
    var counters: CounterListing?
    /// Of devices that paths lead by, as they were asked for in this round of events: bonds have the same ones.
    var deviceMTUs: [UInt32: UInt32] = [:]
    var watchedUntil = Instant(nanoseconds: 0)
    var losses: [UInt32: Loss] = [:]
    private let started = Clock.now()
    private(set) var leases: LeaseService?
    private var prefixWait = PrefixWait()
    /// What the LTE legs carry downstream, by session.
    var lteRates: [UInt32: LegRate] = [:]
    /// What the record holds of them, which of it is to be written, and what a run before has left.
    var lteKept: [UInt32: KeptLegRate] = [:]
    var lteUnwritten: Set<UInt32> = []
    var lteRecalled: [UInt32: LegRateRecord] = [:]
    /// Of bonds that have one leg alone.
    var lteRemembered: [UInt32: RememberedLegRate] = [:]
    var setups = SetupLine()
    var lteSampling = SampleTimes()
    var receivedAt = Instant(nanoseconds: 0)
    private(set) var radius: RADIUSService?
    private(set) var ipsec: IPsecKeeper?
    /// When G and H are renewed next, and until when the kernel keeps them.
    var addressesDue = Instant(nanoseconds: 0)
    var addressesUntil = Instant(nanoseconds: 0)
    let record: RunRecord
    var isRecording = false
    /// What is left to do of taking over from a run before; nil: nothing.
    var takeover: Takeover?
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
                overflowHold: settings.resequencer.overflowHold.rawValue, earlyQueue: settings.ipsec?.earlyQueue)
        }
        self.outers = outers
        bondSets = outers.mapValues { $0.bondSets() }
        common.flood.tables = outers.values.map(\.table)
        radius = settings.radius.map { RADIUSService(settings, $0, loop) }
        common.state.deletesTogether = true
    }

    func start() throws {
        let former = recall()
        // What gateways say from now on is heard, if not at once.
        if former != nil { try? listen(to: settings.addresses) }
        radius?.prepare(self)
        common.state.onDeleted = { [weak radius] owner, deleted in
            if case .bond(let id) = owner { radius?.counted(id, deleted) }
        }
        common.state.onFormerFilter = { [weak self] in try? self?.writeAllRecords() }
        if former == nil { common.sweep(settings.kernel, settings.ipsec) }
        ipsec = try settings.ipsec.map {
            try IPsecKeeper($0, settings.state, common, Array(outers.values), loop, goesOn: former != nil)
        }
        try restoreSecurity()
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
            let isBond = former?.isDevice(settings.tunnel.prefix) ?? { _ in false }
            let strict = Set(try common.state.strictInterfaces(isBond)).union(common.state.formerFilters.keys)
            objects += strict.sorted().map { .reversePathFilter(link: $0, .loose) }
        }
        let inside = common.state.isAdopting ? common.state.index(of: CanonicalDevice.name) : 0
        let own = Set(
            try common.state.route.addresses(.v4).map(\.address).filter { $0.link != inside }.map(\.address.address))
        objects += leases.objects(settings.kernel) { own.contains($0) || keeps($0) }
        guard common.state.apply(objects, for: .base) else {
            common.state.clear()
            throw Daemon.Failure(description: "the kernel refused what every bond needs (see above)")
        }
        applyPins()
        // Sockets are bound to them right after this.
        putAddresses(Clock.now(), takesBonds: true)
        common.state.onRecreated = { [weak self] owner in
            // Leases are served by the number of the device.
            guard case .bond(let id) = owner, let self else { return }
            self.apply(id, self.point.sessions[id]?.bond)
        }
        try listen(to: settings.addresses + settings.anycast)
        if let former { resume(former) } else { beginRecord() }
        warnOfMissingAddresses()
        try common.watchKernel(loop)
        try radius?.start(goesOn: former != nil)
    }

    private func listen(to addresses: [IPAddress]) throws {
        for address in Set(addresses).sorted() where !sockets.contains(where: { $0.local == address }) {
            let socket = try ControlSocket(local: address)
            sockets.append(socket)
            try loop.watch(socket.descriptor) { [weak self] in self?.receive(socket) }
        }
    }

    func work() -> Instant? {
        let now = Clock.now()
        defer { deviceMTUs = [:] }
        let more = takeover == nil ? nil : goOn(SetupLine.turn)
        let radius = radius?.work(now)
        runTimers(now)
        readPaths(now)
        sampleBonds(now)
        sampleLTE(now)
        for id in prefixWait.takeDue(now) {
            for input in filterList(of: id) { run(point.handle(input, now: now)) }
        }
        let nextSetup = takeSetups(now)
        deleteEnded(now)
        return [
            more, nextSetup, point.deadline, watch.due, leases?.work(now), rounds.due, lteSampling.due,
            radius, prefixWait.due, ipsec?.work(now), common.state.mend(now),
            common.sampleFlood(now), keepAddresses(now),
        ].compactMap { $0 }.min()
    }

    func stop() {
        finishTakeover()
        // Routing leads gateways elsewhere by the time that they ask anew.
        putAddresses(Clock.now(), takesBonds: false)
        run(point.handle(.stop, now: Clock.now()))
        ipsec?.stop()
        common.state.clear()
        radius?.finish(leaves: false)
        record.remove()
    }

    func leave() {
        finishTakeover()
        putAddresses(Clock.now(), takesBonds: !point.isDraining)
        ipsec?.stop()
        common.state.deleteEnded()
        radius?.finish(leaves: true)
        writeRecords()
    }

    private func receive(_ socket: ControlSocket) {
        common.drain(socket, settings.dialect) { message, received in
            // While bonds are taken over no Setup Request has its turn, and an end need not wait for that.
            if message.type == .setupRequest || takeover == nil && point.ends(message, from: received.source) {
                return line(SetupLine.Request(message: message, source: received.source, destination: received.destination))
            }
            receivedAt = received.at
            run(
                point.handle(
                    .message(message, from: received.source, to: received.destination), now: received.at))
        }
        for address in socket.tooBig() { watch.doubt(address, now: Clock.now()) }
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
            case .delaysChanged(let id): adjustQueue(of: id)
            case .event(let id, let event):
                publish(event, id)
                if case .roundTrip(let leg, let time) = event, let id { measuredRoundTrip(time, of: id, leg) }
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
    func filterList(of id: UInt32) -> [AggregationPoint.Input] {
        point.sessions[id].flatMap { subscribers[$0.client]?.filterList }.flatMap { settings.filterLists[$0] }
            .map { [.setFilterList(sessionID: id, $0)] } ?? []
    }

    /// Whether the session's gateway can be delegated a prefix here.
    private func willHavePrefix(_ id: UInt32) -> Bool {
        guard leases?.serves.contains(.v6) == true, let client = point.sessions[id]?.client else { return false }
        return subscribers[client].map { $0.prefix != nil || $0.pool != nil } ?? false
    }

    // MARK: Settings

    func take(_ settings: Configuration) {
        guard case .aggregationPoint(let settings) = settings else { return }
        let old = self.settings
        self.settings = settings
        took(from: old)
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
