import Addresses
import CLinux
import Configuration
import EventLog
import GREBonding
import Glibc
import Logging
import NFTables
import NetlinkKit
import Observation

/// The gateway: watches its two access links, runs the session, and programs the kernel as the session asks.
final class HomeGateway: Role {
    private(set) var settings: HomeGatewayConfiguration
    let loop: EventLoop
    let common: Common
    let family: IPFamily
    /// Where `haap` is a name and not an address.
    var name: AggregatorName?
    var session: HomeGatewaySession
    var wans: [LegID: WAN] = [:]
    var sockets: [LegID: ControlSocket] = [:]
    let legs: [(id: LegID, label: String, settings: LegConfiguration)]
    let outer: OuterTable
    let started = Clock.now()
    var lastChange: [LegID: (state: String, since: Instant)] = [:]
    /// What the kernel counted when it was asked last.
    var traffic: [LegID: LegTraffic] = [:]
    var bypass = BypassMeter()
    var upstreamBypass = BypassMeter()
    var meter = LegMeter()
    var ledger = TrafficLedger(isGateway: true)
    /// The last ones of each leg, microseconds, oldest first.
    var roundTrips: [LegID: [UInt32]] = [:]
    /// Bytes of an outer packet that reach the aggregator by each leg.
    var paths: [LegID: UInt32] = [:]
    var pathsReadAt: Instant?
    /// An ICMP error said something of a path since.
    var arePathsDoubted = false
    /// When the access links are read again: the kernel did not tell all.
    var wantsLinksAt: Instant?
    var filterList: [FilterItem] = []
    /// The same as the kernel has it.
    var operatorSets = MatchSets([])
    private(set) var policy: PolicyTable
    /// The way beside the bond, for each family that has one.
    var bypassPaths: [IPFamily: BypassPath] = [:]
    /// The bond had DSL and has it no more.
    var primaryLost = false
    /// The families that take it now.
    var bypassOpen: Set<IPFamily> = []
    let names: NameWatcher
    /// When a diagnostic that a user asked for ends by itself.
    var diagnosticUntil: Instant?
    var quota: QuotaKeeper?
    /// The key whose packets are put in order.
    var resequencedKey: UInt32?
    let leases: GatewayLeases
    private(set) var ipsec: IPsecKeeper?
    let record: RunRecord
    /// What it holds.
    var recorded: GatewayRun?
    /// What `resolv.conf` holds.
    var resolverText = ""
    /// The last event that told of them.
    var toldAddresses: Event?
    /// What LTE carries upstream, and when a round trip of it was received last.
    var lteRate: LegRate?
    /// What the record holds of it, and what a run before has left of it.
    var lteKept = KeptLegRate()
    var lteRecalled: LegRateRecord?
    /// While there is one leg alone, or none.
    var lteRemembered: RememberedLegRate?
    /// Whether LTE adds anything, and what had been counted when that was asked last.
    var lteWorth = LegWorth()
    var judged: (at: Instant, packets: UInt64, losses: UInt64)?
    var receivedAt = Instant(nanoseconds: 0)

    init(_ settings: HomeGatewayConfiguration, _ loop: EventLoop) throws {
        self.settings = settings
        self.loop = loop
        family = settings.family
        let aggregator: IPAddress? = if case .address(let address) = settings.haap { address } else { nil }
        legs = [(LegID.primary, "dsl", settings.dsl), (.secondary, "lte", settings.lte)]
            .filter { $0.2.isEnabled }.map { (id: $0.0, label: $0.1, settings: $0.2) }
        common = try Common(settings.kernel, loop, schedules: settings.colour.overflow == .queue)
        record = RunRecord(socket: settings.control.socket, identity: Self.identity(settings))
        names = NameWatcher(settings, common.state, loop) { use, family in
            MatchGroup(rawValue: use).map { PolicyTable.names($0, family) }
        }
        let canonical = settings.kernel.canonical(family)
        outer = OuterTable(
            family: family, canonical: canonical.local,
            legs: legs.map {
                .init(
                    id: $0.id, label: $0.label, interface: $0.settings.interface.description,
                    requestID: settings.ipsec?.requestID($0.id))
            },
            source: .perLeg, markMask: settings.kernel.markMask,
            queues: settings.kernel.queue...settings.kernel.queue, controlProtocol: settings.dialect.protocolType,
            overflowHold: settings.resequencer.overflowHold.rawValue, earlyQueue: settings.ipsec?.earlyQueue)
        common.flood.tables = [outer.table]
        policy = PolicyTable(settings)
        leases = GatewayLeases(
            settings.tunnel, settings.state, loop,
            hardwareAddress: Self.hardwareAddress(settings, common.state.route))
        var session = HomeGatewaySession.Settings(
            client: settings.cin, aggregator: aggregator, family: family,
            dslSynchronizationRate: settings.dsl.downstream?.kilobitsPerSecond ?? 0,
            primaryUpstreamRate: settings.dsl.upstream?.kilobitsPerSecond ?? 0, legs: legs.map(\.id),
            extraAttributes: Dictionary(uniqueKeysWithValues: legs.map { ($0.id, $0.settings.setupAttributes) }),
            monitorsTraffic: true)
        session.fetchesAddresses = settings.tunnel.dhcp
        self.session = HomeGatewaySession(settings: session)
    }

    func start() throws {
        let goesOn = recall()
        common.state.onFormerFilter = { [weak self] in self?.writeRecord() }
        if !goesOn { common.sweep(settings.kernel, settings.ipsec) }
        ipsec = try settings.ipsec.map {
            try IPsecKeeper($0, settings.state, common, [outer], loop, goesOn: goesOn)
        }
        _ = try ipsec?.restore()
        if !settings.lte.isEnabled {
            common.log(.warning, "no-lte", "LTE is not enabled: each bond begins with it, so there is none")
        }
        watchLeases()
        applyBase()
        applyPolicy()
        namesWanted()
        common.state.timedContents = { [names] in names.contents($0) }
        common.state.onRecreated = { [weak self] owner in
            guard owner == .bond(0), let self else { return }
            let link = self.common.state.index(of: self.settings.tunnel.name.description)
            self.leases.moved(to: link)
            if self.session.bond != nil { self.leases.bondUp(link: link) }
        }
        try common.watchKernel(loop) { [weak self] events in
            if events.contains(where: \.isOfLinks) { self?.refreshWANs() }
        }
        if case .name(let haap) = settings.haap {
            name = AggregatorName(haap, family, legs, settings.kernel, loop) { [weak self] in self?.takeName() }
        }
        if let settings = settings.lte.quota {
            quota = QuotaKeeper(
                settings, interface: self.settings.lte.interface.description,
                file: StateFile(directory: self.settings.state.directory, name: "lte-quota"), log: common.log, now: Clock.now())
            countQuota(Clock.now())
        }
        refreshWANs()
        if goesOn { adopt() }
        writeRecord()
    }

    func work() -> Instant? {
        let now = Clock.now()
        if let time = wantsLinksAt, time <= now { refreshWANs() }
        if let deadline = session.deadline, deadline <= now { run(session.handle(.timeout, now: now)) }
        if let time = session.wantsTrafficSampleAt, time <= now { sampleTraffic(now) }
        if let time = session.wantsBypassSampleAt, time <= now { sampleBypass(now) }
        if let time = diagnosticUntil, time <= now { endDiagnostic(now) }
        if let time = wantsPathsAt, time <= now { pathsMayHaveChanged() }
        if let time = quota?.next, time <= now { countQuota(now) }
        let nameDeadline = name?.work(isBonded: session.bond != nil)
        return [
            common.state.mend(now), nameDeadline, names.work(), leases.work(now), ipsec?.work(now), session.deadline,
            session.wantsTrafficSampleAt, session.wantsBypassSampleAt, diagnosticUntil, wantsPathsAt, quota?.next,
            wantsLinksAt, common.sampleFlood(now),
        ].compactMap { $0 }.min()
    }

    func stop() {
        name = nil
        leases.stop()
        countQuota(Clock.now())
        quota?.save(Clock.now())
        run(session.handle(.stop, now: Clock.now()))
        ipsec?.stop()
        common.state.clear()
        record.remove()
    }

    func leave() {
        countQuota(Clock.now())
        quota?.save(Clock.now())
        ipsec?.stop()
        writeRecord()
    }

    /// The user's lists are others, and what the legs may carry.
    func take(_ settings: Configuration) {
        guard case .homeGateway(let settings) = settings else { return }
        self.settings = settings
        policy = PolicyTable(settings)
        namesWanted()
        applyPolicy()
        applyBond(session.bond)
    }

    // MARK: Access links

    /// Reads what the access links are like now and tells the session what changed.
    func refreshWANs() {
        wantsLinksAt = nil
        name?.refresh(common.state.route)
        names.refresh()
        var changed = false
        var replaced: Set<LegID> = []
        for leg in legs {
            let name = leg.settings.interface.description
            let now: WAN?
            do throws(KernelError) {
                now = try WAN.read(common.state.route, name, family, leg.settings.gateway, settings.kernel)
            } catch {
                unread(error)
                continue
            }
            let old = wans[leg.id]
            guard now != old else { continue }
            if now?.index != old?.index {
                common.state.forget(name)
                if let old, let now, old.index != now.index { replaced.insert(leg.id) }
            }
            wans[leg.id] = now
            changed = true
        }
        readBypassPaths()
        guard changed else { return }
        applyBase()
        for leg in legs {
            if replaced.contains(leg.id) {
                // What was on the device went with it.
                common.state.replaced(leg.settings.interface.description)
                closeSocket(leg.id)
            }
            let address = wans[leg.id]?.address
            guard address != sockets[leg.id]?.local || address == nil else { continue }
            closeSocket(leg.id)
            guard let address else {
                run(session.handle(.wanDown(leg.id, wans[leg.id] == nil ? .carrierLost : .addressLost), now: Clock.now()))
                continue
            }
            do throws(SystemError) {
                let socket = try ControlSocket(local: address, interface: leg.settings.interface.description)
                sockets[leg.id] = socket
                try loop.watch(socket.descriptor) { [weak self] in self?.receive(leg.id) }
                run(session.handle(.wanUp(leg.id, address), now: Clock.now()))
            } catch {
                common.log(.error, "no-socket", "\(error)", ["leg": leg.label, "address": address])
            }
        }
        applyBond(session.bond)
    }

    /// What is known of an access link holds until the kernel tells.
    func unread(_ error: KernelError) {
        common.state.refuse(error)
        wantsLinksAt = Clock.now() + .seconds(1)
    }

    private func takeName() {
        guard let name else { return }
        let effects = session.handle(.aggregators(name.addresses), now: Clock.now())
        applyBase()
        run(effects)
    }

    func closeSocket(_ id: LegID) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        loop.unwatch(socket.descriptor)
    }

    func receive(_ id: LegID) {
        guard let socket = sockets[id] else { return }
        common.drain(socket, settings.dialect) { message, received in
            receivedAt = received.at
            run(session.handle(.message(message, on: id, from: received.source), now: received.at))
        }
        if !socket.tooBig().isEmpty { arePathsDoubted = true }
    }
}

extension KernelEvent {
    /// Whether an access link may be another one after it.
    fileprivate var isOfLinks: Bool {
        switch self {
        case .newLink, .deletedLink, .newAddress, .deletedAddress, .newRoute, .deletedRoute, .overrun: true
        default: false
        }
    }
}
