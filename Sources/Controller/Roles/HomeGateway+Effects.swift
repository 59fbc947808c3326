import Addresses
import Configuration
import EventLog
import GREBonding
import Glibc
import Logging
import NetlinkKit
import Observation

// What the session asks for: messages, kernel objects, a line in the log.
extension HomeGateway {
    func run(_ effects: [HomeGatewaySession.Effect]) {
        var isNew = false
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
                filterList = items
                common.log(.info, "filter-list", "filter list of the aggregator", ["items": items.count])
                takeFilterList()
            case .event(let event):
                publish(event)
                note(event)
                if case .bondUp = event { isNew = true }
            }
        }
        if isNew, let prefix = settings.tunnel.prefix.flatMap(AssignedIPv6Prefix.init) {
            run(session.handle(.prefixAssigned(prefix), now: Clock.now()))
        }
        if isNew, session.bond != nil { leases.bondUp(link: common.state.index(of: settings.tunnel.name.description)) }
        writeRecord()
    }

    private func publish(_ event: SessionEvent) {
        let device = settings.tunnel.name.description
        let cin = settings.cin.description
        switch event {
        case .legUp(let id, _), .legDown(let id, _):
            let interface = legs.first { $0.id == id }?.settings.interface.description ?? ""
            let address = wans[id]?.address?.description ?? ""
            let peer = session.bond?.aggregator ?? session.aggregators.first
            common.publish(
                event, label,
                [
                    .interface: interface, .address: address, .aggregator: peer?.description ?? "", .device: device,
                    .bond: cin, .session: session.bond?.sessionID.description ?? "",
                ])
        case .bondUp:
            common.publish(
                event, label,
                [.device: device, .aggregator: session.bond?.aggregator.description ?? "", .bond: cin])
        default: common.publish(event, label, [.device: device, .bond: cin])
        }
    }

    func note(_ event: SessionEvent) {
        switch event {
        case .legUp(let id, _):
            lastChange[id] = ("up", Clock.now())
            if id == .primary {
                primaryLost = false
                applyPolicy()
                beginBypass(Clock.now())
            }
        case .legDown(let id, let reason):
            lastChange[id] = (reason.rawValue, Clock.now())
            if id == .primary {
                primaryLost = true
                applyPolicy()
            }
        case .setupDenied(let id, let code): lastChange[id] = ("denied: \(code)", Clock.now())
        case .roundTrip(let id, let time):
            remember(time, of: id)
            resequence(session.bond)
            measuredRoundTrip(time, on: id)
        case .setupRequested(_, let attempt)
        where attempt > HomeGatewaySession.requestsPerAddress * session.aggregators.count: name?.doubt()
        default: break
        }
    }

    func label(_ id: LegID) -> String { legs.first { $0.id == id }?.label ?? "\(id)" }

    /// What is there whether or not a bond is: canonical addresses, rules, and a way out for each access link.
    func applyBase() {
        applySecurity()
        let kernel = settings.kernel
        let canonical = kernel.canonical(family)
        var objects = CanonicalDevice.objects(
            local: canonical.local, remote: IPPrefix(host: canonical.remote), protocol: kernel.routeProtocol)
        objects += [.ruleset(outer.ruleset())]
        objects += lanObjects()
        for (number, leg) in legs.enumerated() {
            guard let wan = wans[leg.id] else { continue }
            let name = leg.settings.interface.description
            if family == .v4 { objects.append(.reversePathFilter(link: name, .loose)) }
            guard let address = wan.address else { continue }
            let table = kernel.table + 1 + UInt32(number)
            for target in Set(session.aggregators + [session.bond?.aggregator].compactMap { $0 }) {
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
        common.state.apply(objects + (name?.objects() ?? []), for: .base)
    }

    func applyBond(_ bond: Bond?) {
        resequence(bond)
        guard let bond else {
            leases.bondDown()
            applyPolicy()
            common.state.apply([], for: .bond(0))
            restLTE(isUp: false)
            return
        }
        if !session.aggregators.contains(bond.aggregator) { applyBase() }
        readPaths(bond)
        setLTERate(bond)
        let objects = GatewayBond(
            settings: settings, outer: outer, paths: paths, inner: inner, secondary: secondLeg
        ).objects(bond)
        common.state.apply(objects, for: .bond(0))
    }

    // MARK: Recombination

    /// What a leg that is gone still had is not waited for: with one leg everything goes as it comes.
    private func resequence(_ bond: Bond?) {
        if let old = resequencedKey, old != bond?.key {
            common.queue.set(old, nil)
            ledger.remove(old)
        }
        resequencedKey = bond?.key
        guard let bond else { return }
        var value = Resequencer.Settings(
            settings.resequencer, legs.compactMap { session.roundTripTime(of: $0.id) },
            expected: secondaryDelay.nanoseconds)
        value.legs = legs.count
        common.queue.set(bond.key, bond.legs.count > 1 ? value : .passing)
    }
}

extension Resequencer.Settings {
    /// A fixed OUTOFORDER_TIMER is taken as it is. Otherwise packets wait for a leg as long as it is alive, and its
    /// silence is judged by what is known of the legs' round trips.
    /// - Parameter expected: nanoseconds by which the second leg is later
    init(_ settings: ResequencerConfiguration, _ times: [RoundTripTime] = [], expected: Int64 = 0) {
        switch settings.timer {
        case .fixed(let time): self.init(bufferLimit: settings.buffer, timer: time.duration.nanoseconds)
        case .automatic:
            let smoothed = times.compactMap { $0.smoothed?.nanoseconds }
            let difference = (smoothed.max() ?? 0) - (smoothed.min() ?? 0)
            let jitter = times.map(\.deviation.nanoseconds).max() ?? 0
            // Until the legs have shown how late they come, the round trips say how long is surely enough.
            self.init(
                bufferLimit: settings.buffer, timer: 1_000_000_000,
                silence: min(max(difference + 4 * jitter, 400_000_000), 1_000_000_000), expected: expected)
        }
        // By the kernel's clock a bond stops being put in order: its own word is not known here, a little less is safe.
        pause = settings.overflowHold.duration.nanoseconds / 4 * 3
    }
}
