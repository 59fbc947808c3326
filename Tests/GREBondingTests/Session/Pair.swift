import Addresses
import ProtocolSupport
import TestSupport
import Testing

@testable import GREBonding

/// A gateway and an aggregator on a virtual clock, joined by two legs with a delay each, and by whatever else
/// ``Channel`` says. Everything is seeded.
struct Pair {
    static let h = IPAddress.v4(IPv4Address(10, 9, 0, 1))
    static let addresses: [LegID: IPAddress] = [
        .primary: .v4(IPv4Address(10, 1, 0, 2)), .secondary: .v4(IPv4Address(10, 2, 0, 2)),
    ]
    static let name = ClientIdentificationName("gateway-1")!

    /// What the network does to messages.
    struct Channel {
        /// Per cent.
        var loss = 0
        var duplication = 0
        /// Up to this much on top of the leg's delay, for each message anew: what is sent later may come earlier.
        var jitter = Duration.zero
    }

    enum Operator { case answers, delays(Duration), isSilent }

    struct Packet {
        var at: Instant
        var order: Int
        var toGateway: Bool
        var message: ControlMessage
        var source: IPAddress
        var destination: IPAddress
    }

    var now = Instant(nanoseconds: 1_000_000_000)
    var gateway: HomeGatewaySession
    var point: AggregationPoint
    var delay: [LegID: Duration] = [.primary: .milliseconds(10), .secondary: .milliseconds(25)]
    var blackholes: Set<LegID> = []
    var channel = Channel()
    var authority = Operator.answers
    var permitted: AuthorizationResult = .granted(Authorization(dslUpstream: 20_000, dslDownstream: 50_000))
    var deniedLegs: [LegID: ErrorCode] = [:]
    /// Whether packets pass the bond.
    var trafficFlows = false
    var sample = TrafficSample()
    /// Legs on which packets only go up.
    var uploads: Set<LegID> = []
    private var arrived: [LegID: UInt64] = [:]
    /// Legs that bring packets but lose messages, as a queue that is always full does.
    var drowned: Set<LegID> = []
    var bypass: UInt32?
    var gatewayBond: Bond?
    var pointBonds: [UInt32: Bond] = [:]
    var filterList: [FilterItem]?
    var events: [SessionEvent] = []
    var pointEvents: [SessionEvent] = []
    var sent: [Packet] = []
    var keepsSent = false
    var checksWire = true
    private(set) var inFlight: [Packet] = []
    private var answers: [(at: Instant, AuthorizationRequest)] = []
    private var order = 0
    private var random: SplitMix

    init(
        seed: UInt64 = 1, parameters: SessionParameters = .init(), dialect: Dialect = .rfc8157,
        monitorsTraffic: Bool = false, allowsSecondaryAlone: Bool = false, fetchesAddresses: Bool = false
    ) {
        var settings = HomeGatewaySession.Settings(
            client: Self.name, aggregator: Self.h, dslSynchronizationRate: 50_000, monitorsTraffic: monitorsTraffic)
        settings.fetchesAddresses = fetchesAddresses
        gateway = HomeGatewaySession(settings: settings, random: SplitMix(state: seed))
        point = AggregationPoint(
            settings: .init(
                addresses: [Self.h], parameters: parameters, dialect: dialect,
                allowsSecondaryAlone: allowsSecondaryAlone, monitorsTraffic: monitorsTraffic),
            random: SplitMix(state: seed &+ 1))
        random = SplitMix(state: seed &+ 2)
    }

    mutating func restartGateway() {
        let addresses = gateway.legs.compactMapValues(\.address)
        gateway = HomeGatewaySession(settings: gateway.settings, random: SplitMix(state: UInt64(order) &+ 3))
        gatewayBond = nil
        filterList = nil
        for (leg, address) in addresses.sorted(by: { $0.key < $1.key }) { give(.wanUp(leg, address)) }
    }

    mutating func restartPoint() {
        point = AggregationPoint(settings: point.settings, random: SplitMix(state: UInt64(order) &+ 4))
        pointBonds = [:]
        answers = []
    }

    mutating func start() {
        for (leg, address) in Self.addresses.sorted(by: { $0.key < $1.key }) { give(.wanUp(leg, address)) }
    }

    mutating func give(_ input: HomeGatewaySession.Input) { take(gateway.handle(input, now: now)) }
    mutating func give(_ input: AggregationPoint.Input) { take(point.handle(input, now: now)) }

    mutating func run(for duration: Duration) { run(until: now + duration) }

    mutating func run(until end: Instant) {
        var idleSteps = 0
        while true {
            var next = Instant.distantFuture
            func least(_ t: Instant?) { if let t, t < next { next = t } }
            var first: Int?
            for (index, packet) in inFlight.enumerated() {
                if first.map({ (packet.at, packet.order) < (inFlight[$0].at, inFlight[$0].order) }) ?? true {
                    first = index
                }
            }
            least(first.map { inFlight[$0].at })
            least(answers.first?.at)
            least(gateway.deadline)
            least(point.deadline)
            least(gateway.wantsTrafficSampleAt)
            if bypass != nil { least(gateway.wantsBypassSampleAt) }
            guard next <= end else { break }
            idleSteps = next <= now ? idleSteps + 1 : 0
            if idleSteps > 10_000 {
                Issue.record("the machines spin at \(now)")
                return
            }
            now = max(now, next)
            if let first, inFlight[first].at <= now {
                deliver(inFlight.remove(at: first))
            } else if let answer = answers.first, answer.at <= now {
                answers.removeFirst()
                give(.authorized(answer.1, verdict(answer.1)))
            } else if let time = gateway.wantsTrafficSampleAt, time <= now {
                if trafficFlows { count() }
                give(.traffic(sample))
            } else if let bypass, let time = gateway.wantsBypassSampleAt, time <= now {
                give(.bypassTraffic(bypass))
            } else {
                give(HomeGatewaySession.Input.timeout)
                give(AggregationPoint.Input.timeout)
            }
        }
        now = max(now, end)
    }

    /// A packet more each way on each leg, where nothing swallows it.
    private mutating func count() {
        for leg in gateway.legsUp {
            sample.sent[leg, default: 0] += 1
            if !blackholes.contains(leg), !uploads.contains(leg) { sample.received[leg, default: 0] += 1 }
        }
    }

    private func verdict(_ request: AuthorizationRequest) -> AuthorizationResult {
        deniedLegs[request.leg].map { .denied($0) } ?? permitted
    }

    private mutating func deliver(_ packet: Packet) {
        if packet.toGateway {
            guard gateway.legs[packet.message.leg]?.address == packet.destination else { return }
            give(.message(packet.message, on: packet.message.leg, from: packet.source))
        } else {
            give(.message(packet.message, from: packet.source, to: packet.destination))
        }
    }

    private mutating func take(_ effects: [HomeGatewaySession.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let message, let leg, let h):
                guard let source = gateway.legs[leg]?.address else {
                    Issue.record("\(message.type) on a leg without address")
                    continue
                }
                post(message, toGateway: false, source, h)
            case .bond(let bond): gatewayBond = bond
            case .filterList(let items): filterList = items
            case .event(let event): events.append(event)
            }
        }
    }

    private mutating func take(_ effects: [AggregationPoint.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let message, let source, let destination):
                post(message, toGateway: true, source, destination)
            case .authorize(let request):
                switch authority {
                case .answers: give(.authorized(request, verdict(request)))
                case .delays(let wait): answers.append((now + wait, request))
                case .isSilent: break
                }
            case .bond(let id, let bond): pointBonds[id] = bond
            case .sampleTraffic(let id):
                // What the gateway sends arrives, unless something swallows it.
                if trafficFlows { for leg in Self.addresses.keys where !blackholes.contains(leg) { arrived[leg, default: 0] += 1 } }
                give(.traffic(sessionID: id, TrafficSample(received: arrived)))
            case .delaysChanged: break
            case .event(_, let event): pointEvents.append(event)
            }
        }
    }

    private mutating func post(
        _ message: ControlMessage, toGateway: Bool, _ source: IPAddress, _ destination: IPAddress
    ) {
        if checksWire {
            // Over the wire and back, so that what cannot be said cannot be tested either.
            let dialect = point.settings.dialect
            guard let parsed = try? ControlMessage(parsing: message.serialized(dialect: dialect), dialect: dialect),
                parsed == message
            else {
                Issue.record("\(message) does not survive the wire")
                return
            }
        }
        var packet = Packet(
            at: now + delay[message.leg]!, order: 0, toGateway: toGateway, message: message, source: source,
            destination: destination)
        if keepsSent { sent.append(packet) }
        let copies = channel.duplication > Int.random(in: 0..<100, using: &random) ? 2 : 1
        for _ in 0..<copies {
            guard !blackholes.contains(message.leg), !drowned.contains(message.leg) else { continue }
            if channel.loss > Int.random(in: 0..<100, using: &random) { continue }
            order += 1
            packet.order = order
            let jitter = channel.jitter.nanoseconds
            let extra: Int64 = jitter > 0 ? .random(in: 0..<jitter, using: &random) : 0
            packet.at = now + delay[message.leg]! + .nanoseconds(extra)
            inFlight.append(packet)
        }
    }

    /// Both ends want the same bond, or both want none.
    var agreed: Bool {
        guard let mine = gatewayBond else { return pointBonds.isEmpty }
        guard let theirs = pointBonds[mine.sessionID], pointBonds.count == 1 else { return false }
        return mine.key == theirs.key && mine.legs == theirs.legs && mine.distribution == theirs.distribution
    }

    /// Nothing is kept for what is gone.
    var leaks: [String] {
        var found: [String] = []
        func expect(_ condition: Bool, _ what: String) { if !condition { found.append(what) } }
        expect(point.sessionOfKey.count == point.sessions.count, "keys")
        expect(point.sessionOfClient.count == point.sessions.count, "clients")
        expect(point.deadlines.count == point.sessions.count, "deadlines")
        expect(Set(point.sessions.keys) == Set(pointBonds.keys), "bonds")
        expect(point.pending.isConsistent, "pending inconsistent")
        for (id, session) in point.sessions {
            expect(session.id == id && point.sessionOfKey[session.key] == id, "index")
            expect(!session.legs.isEmpty, "session without legs")
            expect(session.notifies.entries.count <= NotifyTopic.allCases.count, "queue")
        }
        expect(gateway.notifies.entries.count <= NotifyTopic.allCases.count, "gateway queue")
        if gateway.grant == nil {
            expect(gateway.notifies.isEmpty && gateway.legsUp.isEmpty && gatewayBond == nil, "after the bond")
            expect(gateway.reviveUntil == nil && gateway.idleTimeoutAt == nil, "gateway timers")
        }
        return found
    }
}
