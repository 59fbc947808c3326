import Addresses
import CLinux
import Configuration
import EventLog
import GREBonding
import Glibc
import Logging
import NFTables
import NetlinkKit

/// The gateway: watches its two access links, runs the session, and programs the kernel as the session asks.
final class HomeGateway: Role {
    private let settings: HomeGatewayConfiguration
    private let loop: EventLoop
    private let common: Common
    private let monitor: Monitor
    private let aggregator: IPAddress
    private var session: HomeGatewaySession
    private var wans: [LegID: WAN] = [:]
    private var sockets: [LegID: ControlSocket] = [:]
    private let legs: [(id: LegID, label: String, settings: LegConfiguration)]
    private let outer: OuterTable
    private let started = Clock.now()
    private var lastChange: [LegID: (state: String, since: Instant)] = [:]

    init(_ settings: HomeGatewayConfiguration, _ loop: EventLoop) throws {
        self.settings = settings
        self.loop = loop
        aggregator = try Resolver.address(settings.haap)
        legs = [(LegID.primary, "dsl", settings.dsl), (.secondary, "lte", settings.lte)]
            .filter { $0.2.isEnabled }.map { (id: $0.0, label: $0.1, settings: $0.2) }
        common = try Common(settings.kernel, loop)
        monitor = try Monitor([.link, .ipv4Address, .ipv4Route, .ipv6Address, .ipv6Route])
        let canonical = settings.kernel.canonical(aggregator.family)
        outer = OuterTable(
            family: aggregator.family, canonical: canonical.local,
            legs: legs.map { .init(id: $0.id, label: $0.label, interface: $0.settings.interface.description) },
            source: .perLeg, markMask: settings.kernel.markMask,
            queues: settings.kernel.queue...settings.kernel.queue, controlProtocol: settings.dialect.protocolType,
            overflowHold: settings.resequencer.overflowHold.rawValue)
        session = HomeGatewaySession(
            settings: .init(
                client: settings.cin, aggregator: aggregator,
                dslSynchronizationRate: settings.dsl.downstream?.kilobitsPerSecond ?? 0,
                primaryUpstreamRate: settings.dsl.upstream?.kilobitsPerSecond ?? 0, legs: legs.map(\.id)))
    }

    func start() throws {
        common.sweep(settings.kernel)
        applyBase()
        try loop.watch(monitor.descriptor) { [weak self] in
            guard let self else { return }
            let events = (try? self.monitor.receive()) ?? [.overrun]
            if !events.isEmpty { self.refreshWANs() }
        }
        refreshWANs()
    }

    func work() -> Instant? {
        let now = Clock.now()
        if let deadline = session.deadline, deadline <= now { run(session.handle(.timeout, now: now)) }
        if let deadline = common.queue.deadline, deadline <= now { common.queue.expire() }
        return [session.deadline, common.queue.deadline].compactMap { $0 }.min()
    }

    func stop() {
        run(session.handle(.stop, now: Clock.now()))
        common.state.clear()
    }

    // MARK: Access links

    /// Reads what the access links are like now and tells the session what changed.
    private func refreshWANs() {
        var changed = false
        for leg in legs {
            let name = leg.settings.interface.description
            let now = WAN.read(common.state.route, name, aggregator.family, leg.settings.gateway, settings.kernel)
            let old = wans[leg.id]
            guard now != old else { continue }
            if now?.index != old?.index { common.state.forget(name) }
            wans[leg.id] = now
            changed = true
        }
        guard changed else { return }
        applyBase()
        for leg in legs {
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

    private func closeSocket(_ id: LegID) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        loop.unwatch(socket.descriptor)
    }

    private func receive(_ id: LegID) {
        guard let socket = sockets[id] else { return }
        common.drain(socket, settings.dialect) { message, received in
            run(session.handle(.message(message, on: id, from: received.source), now: received.at))
        }
    }

    // MARK: Effects

    private func run(_ effects: [HomeGatewaySession.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let message, let id, let destination):
                guard let socket = sockets[id] else { continue }
                if !socket.send(message.serialized(dialect: settings.dialect), to: destination) {
                    common.log(
                        .info, "send-failed", String(cString: strerror(errno)),
                        ["leg": label(id), "to": destination])
                }
            case .bond(let bond): applyBond(bond)
            case .filterList(let items):
                common.log(.info, "filter-list", "filter list of the aggregator", ["items": items.count])
            case .event(let event):
                common.log(event, settings.cin.description, label)
                note(event)
            }
        }
    }

    private func note(_ event: SessionEvent) {
        switch event {
        case .legUp(let id, _): lastChange[id] = ("up", Clock.now())
        case .legDown(let id, let reason): lastChange[id] = (reason.rawValue, Clock.now())
        case .setupDenied(let id, let code): lastChange[id] = ("denied: \(code)", Clock.now())
        case .roundTrip: updateTimer()
        default: break
        }
    }

    private func label(_ id: LegID) -> String { legs.first { $0.id == id }?.label ?? "\(id)" }

    /// What is there whether or not a bond is: canonical addresses, rules, and a way out for each access link.
    private func applyBase() {
        let kernel = settings.kernel
        let canonical = kernel.canonical(aggregator.family)
        var objects = CanonicalDevice.objects(
            local: canonical.local, remote: IPPrefix(host: canonical.remote), protocol: kernel.routeProtocol)
        objects += [.ruleset(outer.ruleset()), .ruleset(SegmentTable.ruleset())]
        if settings.tunnel.masquerade, case .v4(let address)? = settings.tunnel.address?.address {
            objects.append(.ruleset(Self.translation(to: address, device: settings.tunnel.name.description)))
        }
        for (number, leg) in legs.enumerated() {
            guard let wan = wans[leg.id] else { continue }
            let name = leg.settings.interface.description
            if aggregator.family == .v4 { objects.append(.reversePathFilter(link: name, .loose)) }
            guard let address = wan.address else { continue }
            let table = kernel.table + 1 + UInt32(number)
            for target in Set([aggregator, session.bond?.aggregator ?? aggregator]) {
                objects.append(
                    .route(
                        RouteToDevice(
                            IPPrefix(host: target), link: name, gateway: wan.gateway, table: table,
                            protocol: RouteProtocol(rawValue: kernel.routeProtocol))))
            }
            objects.append(
                .rule(
                    Rule(
                        address.family, priority: kernel.rulePriority + UInt32(number), .lookup(table: table),
                        from: IPPrefix(host: address), protocol: RouteProtocol(rawValue: kernel.routeProtocol))))
        }
        common.state.apply(objects, for: .base)
    }

    private func applyBond(_ bond: Bond?) {
        guard let bond else {
            common.queue.set([:])
            common.state.apply([], for: .bond(0))
            return
        }
        if bond.aggregator != aggregator { applyBase() }
        let objects = GatewayBond(settings: settings, outer: outer, wans: wans).objects(bond)
        common.state.apply(objects, for: .bond(0))
        common.queue.set([bond.key: resequencer])
    }

    /// Source translation of the LAN's IPv4, so that one address of the subscriber's is all the operator sees.
    private static func translation(to address: IPv4Address, device: String) -> Ruleset {
        var set = Ruleset(Table(.ip, "spillway_nat", comment: "spillway: the LAN behind the bond's address"))
        set.chains = [Chain(set.table.id, "translate", hook: Hook(.nat, .postrouting, .sourceNat))]
        set.rules = [
            ChainRule(
                set.table.id, "translate", .match(.outputInterfaceName, .equal(.interfaceName(device))),
                .match(.ipSaddr, .notEqual(.ipv4(address))), .snat(to: .ipv4(address)))
        ]
        return set
    }

    // MARK: Recombination

    private var resequencer: Resequencer.Settings {
        Resequencer.Settings(settings.resequencer, legs.compactMap { session.roundTripTime(of: $0.id) })
    }

    private func updateTimer() {
        if let bond = session.bond { common.queue.set([bond.key: resequencer]) }
    }

    // MARK: Status

    func answer(_ request: String) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("role", "hg")
        object.add("uptime_s", (Clock.now() - started).milliseconds / 1000)
        var bond = JSONObject()
        bond.add("state", session.bond == nil ? "down" : "up")
        if let now = session.bond {
            bond.add("session_id", now.sessionID)
            bond.add("aggregator", now.aggregator.description)
            bond.add("distribution", now.distribution.name(label))
            bond.add("cir_kbit", now.committedInformationRate)
            bond.add("device", settings.tunnel.name.description)
            if let resequencer = common.resequencerJSON(now.key) { bond.add("resequencer", resequencer) }
        }
        var states = JSONObject()
        for leg in legs { states.add(leg.label, status(of: leg.id, leg.settings)) }
        bond.add("legs", states)
        object.add("bond", bond)
        object.add("queue", common.queueJSON)
        object.add("discarded", common.discardedJSON)
        object.add("control_drops", sockets.values.reduce(0) { $0 + $1.drops })
        return object.description
    }

    private func status(of id: LegID, _ settings: LegConfiguration) -> JSONObject {
        var object = JSONObject()
        object.add("interface", settings.interface.description)
        object.add("state", session.stateName(of: id))
        if let change = lastChange[id] {
            object.add("reason", change.state)
            object.add("since_s", (Clock.now() - change.since).milliseconds / 1000)
        }
        if let address = wans[id]?.address { object.add("address", address.description) }
        if let gateway = wans[id]?.gateway { object.add("gateway", gateway.description) }
        if let rtt = session.roundTripTime(of: id) {
            if let last = rtt.last { object.add("rtt_us", last.nanoseconds / 1000) }
            if let smoothed = rtt.smoothed { object.add("rtt_smoothed_us", smoothed.nanoseconds / 1000) }
        }
        return object
    }
}

extension Bond.Distribution {
    /// "overflow dsl>lte", "only dsl"
    func name(_ label: (LegID) -> String) -> String {
        switch self {
        case .only(let leg): "only \(label(leg))"
        case .overflow(let first, let second): "overflow \(label(first))>\(label(second))"
        }
    }
}

extension Resequencer.Settings {
    /// A fixed OUTOFORDER_TIMER is taken as it is. Otherwise packets wait for a leg as long as it is alive, and its
    /// silence is judged by what is known of the legs' round trips.
    init(_ settings: ResequencerConfiguration, _ times: [RoundTripTime] = []) {
        switch settings.timer {
        case .fixed(let time): self.init(bufferLimit: settings.buffer, timer: time.duration.nanoseconds)
        case .automatic:
            let smoothed = times.compactMap { $0.smoothed?.nanoseconds }
            let difference = (smoothed.max() ?? 0) - (smoothed.min() ?? 0)
            let jitter = times.map(\.deviation.nanoseconds).max() ?? 0
            self.init(
                bufferLimit: settings.buffer, timer: 1_000_000_000,
                silence: min(max(difference + 4 * jitter, 100_000_000), 400_000_000))
        }
    }
}
