import Addresses
import Testing

@testable import GREBonding

/// A gateway and an aggregator on a virtual clock, joined by two legs with a delay each.
struct Pair {
    static let h = IPAddress.v4(IPv4Address(10, 9, 0, 1))
    static let addresses: [LegID: IPAddress] = [
        .primary: .v4(IPv4Address(10, 1, 0, 2)), .secondary: .v4(IPv4Address(10, 2, 0, 2)),
    ]
    var now = Instant(nanoseconds: 1_000_000_000)
    var gateway: HomeGatewaySession
    var point: AggregationPoint
    var delay: [LegID: Duration] = [.primary: .milliseconds(10), .secondary: .milliseconds(25)]
    var blackholes: Set<LegID> = []
    var permitted: AuthorizationResult = .granted(Authorization(dslUpstream: 20_000, dslDownstream: 50_000))
    var gatewayBond: Bond?
    var pointBonds: [UInt32: Bond] = [:]
    var events: [SessionEvent] = []
    var pointEvents: [SessionEvent] = []
    private var inFlight: [(at: Instant, order: Int, toGateway: Bool, message: ControlMessage, source: IPAddress)] = []
    private var order = 0

    init() {
        let name = ClientIdentificationName("gateway-1")!
        gateway = HomeGatewaySession(
            settings: .init(client: name, aggregator: Self.h, dslSynchronizationRate: 50_000),
            random: SplitMix(state: 1))
        point = AggregationPoint(
            settings: .init(addresses: [Self.h], parameters: .init(), dialect: .rfc8157), random: SplitMix(state: 2))
    }

    mutating func restartGateway() {
        gateway = HomeGatewaySession(settings: gateway.settings, random: SplitMix(state: 3))
        gatewayBond = nil
        start()
    }

    mutating func restartPoint() {
        point = AggregationPoint(settings: point.settings, random: SplitMix(state: 4))
        pointBonds = [:]
    }

    mutating func start() {
        for (leg, address) in Self.addresses.sorted(by: { $0.key < $1.key }) { give(.wanUp(leg, address)) }
    }

    mutating func give(_ input: HomeGatewaySession.Input) { take(gateway.handle(input, now: now)) }
    mutating func give(_ input: AggregationPoint.Input) { take(point.handle(input, now: now)) }

    mutating func run(for duration: Duration) {
        let end = now + duration
        while true {
            let times = [inFlight.map(\.at).min(), gateway.deadline, point.deadline].compactMap { $0 }
            guard let next = times.min(), next <= end else { break }
            now = max(now, next)
            if let index = inFlight.indices.filter({ inFlight[$0].at <= now }).min(by: {
                (inFlight[$0].at, inFlight[$0].order) < (inFlight[$1].at, inFlight[$1].order)
            }) {
                let packet = inFlight.remove(at: index)
                if packet.toGateway {
                    give(.message(packet.message, on: packet.message.leg, from: packet.source))
                } else {
                    give(.message(packet.message, from: packet.source, to: Self.h))
                }
            } else {
                give(HomeGatewaySession.Input.timeout)
                give(AggregationPoint.Input.timeout)
            }
        }
        now = end
    }

    private mutating func take(_ effects: [HomeGatewaySession.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let message, let leg, _):
                post(message, leg, toGateway: false, gateway.legs[leg]?.address ?? .any(.v4))
            case .bond(let bond): gatewayBond = bond
            case .event(let event): events.append(event)
            }
        }
    }

    private mutating func take(_ effects: [AggregationPoint.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let message, let source, _): post(message, message.leg, toGateway: true, source)
            case .authorize(let request): give(.authorized(request, permitted))
            case .bond(let id, let bond): pointBonds[id] = bond
            case .event(_, let event): pointEvents.append(event)
            }
        }
    }

    private mutating func post(_ message: ControlMessage, _ leg: LegID, toGateway: Bool, _ source: IPAddress) {
        guard !blackholes.contains(leg) else { return }
        // Over the wire and back, so that what cannot be said cannot be tested either.
        let bytes = message.serialized(dialect: .rfc8157)
        guard let parsed = try? ControlMessage(parsing: bytes, dialect: .rfc8157), parsed == message else {
            Issue.record("\(message) does not survive the wire")
            return
        }
        order += 1
        inFlight.append((now + delay[leg]!, order, toGateway, parsed, source))
    }

    var agreed: Bool {
        guard let mine = gatewayBond, let theirs = pointBonds[mine.sessionID], pointBonds.count == 1 else {
            return false
        }
        return mine.key == theirs.key && mine.legs == theirs.legs && mine.distribution == theirs.distribution
    }
}

@Suite struct SessionTests {
    private func up() -> Pair {
        var pair = Pair()
        pair.start()
        pair.run(for: .seconds(2))
        return pair
    }

    @Test func bothLegsComeUp() {
        let pair = up()
        #expect(pair.agreed)
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
        #expect(pair.gatewayBond?.committedInformationRate == 20_000)
        #expect(pair.pointBonds.values.first?.committedInformationRate == 50_000)
        #expect(pair.gateway.roundTripTime(of: .primary)?.last == .milliseconds(20))
        #expect(pair.gateway.roundTripTime(of: .secondary)?.last == .milliseconds(50))
    }

    @Test func secondaryAloneCarriesTheBond() {
        var pair = Pair()
        pair.give(HomeGatewaySession.Input.wanUp(.secondary, Pair.addresses[.secondary]!))
        pair.run(for: .seconds(2))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.secondary))
        pair.give(HomeGatewaySession.Input.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    @Test func primaryWaitsForTheSessionID() {
        var pair = Pair()
        pair.give(HomeGatewaySession.Input.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(30))
        #expect(pair.gatewayBond == nil && pair.events.isEmpty)
    }

    @Test(arguments: [LegID.primary, .secondary])
    func carrierLossIsToldOverTheOtherLeg(_ leg: LegID) throws {
        var pair = up()
        let before = try #require(pair.gatewayBond)
        pair.give(HomeGatewaySession.Input.wanDown(leg, .carrierLost))
        #expect(pair.gatewayBond?.legs.keys.contains(leg) == false)
        pair.run(for: .milliseconds(30))
        #expect(pair.agreed, "one way of the other leg is enough")
        #expect(pair.gatewayBond?.sessionID == before.sessionID && pair.gatewayBond?.key == before.key)
        pair.give(HomeGatewaySession.Input.wanUp(leg, Pair.addresses[leg]!))
        pair.run(for: .seconds(3))
        #expect(pair.agreed && pair.gatewayBond == before)
    }

    @Test func silentLossEndsTheLegAfterTheAttempts() {
        var pair = up()
        pair.blackholes = [.primary]
        pair.run(for: .seconds(16))
        #expect(pair.gatewayBond?.distribution == .only(.secondary))
        #expect(pair.agreed)
        #expect(pair.events.contains(.legDown(.primary, .helloLost)))
        pair.blackholes = []
        pair.run(for: .seconds(90))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    @Test func bothLegsLostEndTheBondAndANewOneStarts() throws {
        var pair = up()
        let old = try #require(pair.gatewayBond)
        pair.blackholes = [.primary, .secondary]
        pair.run(for: .seconds(60))
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty)
        pair.blackholes = []
        pair.run(for: .seconds(120))
        #expect(pair.agreed && pair.gatewayBond?.sessionID != old.sessionID)
    }

    @Test func restartedGatewayIsTakenBackAfterVerification() {
        var pair = up()
        pair.restartGateway()
        pair.run(for: .seconds(8))
        #expect(pair.agreed)
        #expect(pair.pointEvents.contains { if case .verificationStarted = $0 { true } else { false } })
    }

    @Test func restartedAggregatorTellsItsGatewayToStartAnew() throws {
        var pair = up()
        let old = try #require(pair.gatewayBond)
        pair.restartPoint()
        pair.run(for: .seconds(30))
        #expect(pair.agreed && pair.gatewayBond?.key != old.key)
    }

    @Test func aSecondGatewayWithTheSameNameIsRefused() {
        var pair = up()
        let request = ControlMessage(
            type: .setupRequest, leg: .secondary, key: 0,
            attributes: [.clientIdentificationName(pair.gateway.settings.client)])
        let stranger = IPAddress.v4(IPv4Address(10, 66, 0, 1))
        let before = pair.gatewayBond
        pair.give(AggregationPoint.Input.message(request, from: stranger, to: Pair.h))
        pair.run(for: .seconds(5))
        #expect(pair.pointEvents.contains(.setupDenied(.secondary, .sessionAlreadyExists)))
        #expect(pair.agreed && pair.gatewayBond == before)
    }

    @Test func deniedPrimaryEndsTheBond() {
        var pair = Pair()
        pair.give(HomeGatewaySession.Input.wanUp(.secondary, Pair.addresses[.secondary]!))
        pair.run(for: .seconds(1))
        pair.permitted = .denied(.dslUserNotAllowed)
        pair.give(HomeGatewaySession.Input.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(1))
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty)
        #expect(pair.events.contains(.setupDenied(.primary, .dslUserNotAllowed)))
    }

    @Test func orderlyEndOfEitherSideIsSeenAtOnce() {
        var pair = up()
        pair.give(HomeGatewaySession.Input.stop)
        pair.run(for: .milliseconds(100))
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty)

        pair = up()
        pair.give(AggregationPoint.Input.stop)
        pair.run(for: .milliseconds(100))
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty)
        #expect(pair.events.contains { if case .bondDown(_, .tornDown(.maintenance?)) = $0 { true } else { false } })
    }

    @Test func aNewAddressRevivesTheLegUnderTheSameKey() throws {
        var pair = up()
        let before = try #require(pair.gatewayBond)
        let moved = IPAddress.v4(IPv4Address(10, 2, 0, 77))
        pair.give(HomeGatewaySession.Input.wanUp(.secondary, moved))
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond?.key == before.key && pair.gatewayBond?.legs[.secondary] == moved)
    }

    @Test func forgedMessagesChangeNothing() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        let wrong = IPAddress.v4(IPv4Address(10, 66, 0, 1))
        let tearDown = ControlMessage(
            type: .tearDown, leg: .primary, key: bond.key, attributes: [.errorCode(.maintenance)])
        pair.give(HomeGatewaySession.Input.message(tearDown, on: .primary, from: wrong))
        pair.give(AggregationPoint.Input.message(tearDown, from: wrong, to: Pair.h))
        var otherKey = tearDown
        otherKey.key ^= 1
        pair.give(HomeGatewaySession.Input.message(otherKey, on: .primary, from: Pair.h))
        pair.give(AggregationPoint.Input.message(otherKey, from: Pair.addresses[.primary]!, to: Pair.h))
        pair.give(AggregationPoint.Input.message(tearDown, from: Pair.addresses[.secondary]!, to: Pair.h))
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond == bond)
        for reason in [DiscardReason.wrongSource, .unknownKey] {
            #expect(pair.events.contains(.discarded(reason)))
            #expect(pair.pointEvents.contains(.discarded(reason)))
        }
    }
}
