import Addresses
import TestSupport

@testable import GREBonding

// The session machines of both ends, and what the controller does for them.
extension World {
    static func settings() -> AggregationPoint.Settings {
        // The numbers of filter lists begin just before they wrap.
        .init(
            addresses: [h], parameters: SessionParameters(), dialect: .rfc8157, drainRate: 10,
            firstCommitCount: .max - 1, monitorsTraffic: true)
    }

    // MARK: Gateways

    func give(_ i: Int, _ input: HomeGatewaySession.Input) {
        let effects = homes[i].session.handle(input, now: now)
        for effect in effects {
            switch effect {
            case .send(let message, let leg, let h): sendUp(i, message, leg, h)
            case .bond(let bond):
                homes[i].bond = bond
                follow(i)
            case .filterList(let items): homes[i].filterList = items
            case .event(let event): noted(i, event)
            }
        }
        let session = homes[i].session
        set(.session(i), session.deadline)
        // Where nothing flows a sample shows nothing, and most of the year nothing flows: one in ten is enough.
        let quiet = homes[i].trafficFlows ? nil : homes[i].sampled.map { $0 + .seconds(10) }
        set(.traffic(i), session.wantsTrafficSampleAt.map { max($0, quiet ?? $0) })
        set(.bypass(i), session.wantsBypassSampleAt)
        if session.notifies.entries.count > NotifyTopic.allCases.count { report("notifies of gateway \(i)") }
        if session.grant == nil {
            let isClear = session.notifies.isEmpty && session.legsUp.isEmpty && session.filters.current == nil
            if !isClear || session.reviveUntil != nil || session.idleTimeoutAt != nil {
                report("gateway \(i) keeps something of a bond that has ended")
            }
        }
    }

    private func sendUp(_ i: Int, _ message: ControlMessage, _ leg: LegID, _ h: IPAddress) {
        guard let source = homes[i].links[leg] else { return report("\(message.type) on a leg without address") }
        post(.control(checked(shortened(message, i)), toGateway: false, source: source, destination: h), on: leg, of: i)
    }

    /// Now and then over the wire and back, so that what cannot be said cannot be simulated either.
    private func checked(_ message: ControlMessage) -> ControlMessage {
        if random.happens(percent: 98) { return message }
        let dialect = point.settings.dialect
        guard let parsed = try? ControlMessage(parsing: message.serialized(dialect: dialect), dialect: dialect),
            parsed == message
        else {
            report("\(message) does not survive the wire")
            return message
        }
        return parsed
    }

    private func noted(_ i: Int, _ event: SessionEvent) {
        guard case .roundTrip(let leg, let time) = event, let delay = homes[i].delay[leg] else {
            return remember("gateway \(i): \(event)")
        }
        // Both ways, and nothing but what the network did to it. Messages may be older than the present delay.
        let most = Duration.milliseconds(2 * 400 + 2 * 600 + 1)
        if time < .zero || time > most { report("round trip of \(time) where one way is \(delay)") }
    }

    func giveTraffic(_ i: Int) {
        if homes[i].trafficFlows {
            for leg in homes[i].session.legsUp {
                homes[i].sample.sent[leg, default: 0] += 1
                if !homes[i].silent.contains(leg) { homes[i].sample.received[leg, default: 0] += 1 }
            }
        }
        homes[i].sampled = now
        give(i, .traffic(homes[i].sample))
    }

    /// The link has come up or has another address; nil: it is gone.
    func link(_ i: Int, _ leg: LegID, _ address: IPAddress?) {
        homes[i].links[leg] = address
        give(i, address.map { .wanUp(leg, $0) } ?? .wanDown(leg, .carrierLost))
    }

    /// The process is killed and another one starts, with what the first one wrote down or without.
    func restartGateway(_ i: Int, adopts: Bool) {
        // What is written down is what is read.
        let written = adopts ? homes[i].session.record : nil
        let record = written.flatMap { GatewayRecord(lines: $0.lines.map { $0[...] }) }
        if record != written { report("a record that cannot be read: \(written?.lines ?? [])") }
        let isReserve = homes[i].session.isSecondaryReserve
        homes[i].session = HomeGatewaySession(
            settings: homes[i].session.settings, random: SplitMix(state: random.next()))
        homes[i].isDiagnosing = false
        if let record {
            if !homes[i].session.resume(record, now: now) { report("the record does not fit") }
            // A link that has changed meanwhile is another one.
            for (leg, address) in record.legs where homes[i].links[leg] != address {
                give(i, .wanDown(leg, .addressLost))
            }
        } else {
            homes[i].bond = nil
            homes[i].filterList = []
            follow(i)
            restartClients(i)
        }
        if isReserve { give(i, .secondaryReserve(true)) }
        for (leg, address) in homes[i].links.sorted(by: { $0.key < $1.key }) { give(i, .wanUp(leg, address)) }
    }

    // MARK: The aggregation point

    func give(_ input: AggregationPoint.Input) {
        let effects = point.handle(input, now: now)
        depth += 1
        for effect in effects {
            switch effect {
            case .send(let message, let source, let destination):
                guard let i = home(of: destination) else { return report("\(message.type) to nobody") }
                post(
                    .control(checked(message), toGateway: true, source: source, destination: destination),
                    on: message.leg, of: i)
            case .authorize(let request): authorize(request)
            case .bond(let id, let bond):
                let isNew = pointBonds[id] == nil
                pointBonds[id] = bond
                if isNew, bond != nil { give(.setFilterList(sessionID: id, filterList)) }
            case .sampleTraffic(let id): giveCounts(id)
            case .delaysChanged: break
            case .event(let id, let event):
                if case .bondUp = event { bonds += 1 }
                remember("aggregation point \(id ?? 0): \(event)")
            }
        }
        _ = point.takeChangedRecords()
        set(.point, point.deadline)
        depth -= 1
        // An effect may lead to another input: what must hold holds when all of them have had their effects.
        if depth == 0 { checkPoint() }
    }

    private func authorize(_ request: AuthorizationRequest) {
        switch authority {
        case .answers: give(.authorized(request, verdict(request)))
        case .delays(let wait): post(.answer(request), after: wait)
        case .isSilent: break
        }
    }

    func verdict(_ request: AuthorizationRequest) -> AuthorizationResult {
        guard let home = homes.first(where: { $0.name == request.client }) else { return .denied(.userAliasNotAllowed) }
        if let code = home.refusal { return .denied(code) }
        return .granted(Authorization(dslUpstream: 20_000, dslDownstream: 50_000, parameters: home.parameters))
    }

    /// What the kernel has counted for a bond.
    private func giveCounts(_ id: UInt32) {
        guard let client = point.sessions[id]?.client, let i = homes.firstIndex(where: { $0.name == client }) else {
            return
        }
        if homes[i].trafficFlows {
            for leg in [LegID.primary, .secondary] where !homes[i].silent.contains(leg) && homes[i].links[leg] != nil {
                homes[i].arrived[leg, default: 0] += 1
            }
        }
        give(.traffic(sessionID: id, TrafficSample(received: homes[i].arrived)))
    }

    func restartPoint(adopts: Bool) {
        restarts += 1
        let records = adopts ? point.records.sorted { $0.sessionID < $1.sessionID } : []
        point = AggregationPoint(settings: Self.settings(), random: SplitMix(state: random.next()))
        let former = pointBonds
        pointBonds = [:]
        for record in records {
            let line = record.line(number: 1)
            if AggregationRecord.read(line[...])?.record != record { report("a record that cannot be read: \(line)") }
            let authorization = Authorization(
                dslUpstream: 20_000, dslDownstream: 50_000,
                parameters: homes.first { $0.name == record.client }?.parameters)
            guard let effects = point.resume(record, authorization, now: now) else {
                report("the record does not fit")
                continue
            }
            for case .bond(let id, let bond) in effects { pointBonds[id] = bond }
            give(.setFilterList(sessionID: record.sessionID, filterList))
        }
        if adopts, pointBonds.keys != former.keys { report("bonds were lost by a restart") }
        set(.point, point.deadline)
    }

    // MARK: The time in Hellos

    /// What a program says whose clock has 32 bits of milliseconds.
    private func shortened(_ message: ControlMessage, _ i: Int) -> ControlMessage {
        guard homes[i].hasShortClock, message.type == .hello, let whole = message.timestamp else { return message }
        let short = Timestamp(totalMilliseconds: whole.totalMilliseconds % (1 << 32))
        homes[i].sentTimes.append((short, whole))
        if homes[i].sentTimes.count > 64 { homes[i].sentTimes.removeFirst() }
        return replacing(whole, by: short, in: message)
    }

    func restored(_ message: ControlMessage, _ i: Int) -> ControlMessage {
        guard homes[i].hasShortClock, message.type == .hello, let short = message.timestamp,
            let known = homes[i].sentTimes.last(where: { $0.short == short })
        else { return message }
        return replacing(short, by: known.whole, in: message)
    }

    private func replacing(_ old: Timestamp, by new: Timestamp, in message: ControlMessage) -> ControlMessage {
        var message = message
        message.attributes = message.attributes.map { $0 == .timestamp(old) ? .timestamp(new) : $0 }
        return message
    }
}
