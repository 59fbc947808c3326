import Addresses
import TestSupport
import Testing

@testable import GREBonding

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
        pair.run(for: .seconds(20))
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

/// The machines know no number of legs, though the wire has codes for two of them.
@Suite struct MoreLegsTests {
    private static let third = LegID(rawValue: 2)

    private func pair() -> Pair {
        var pair = Pair()
        pair.checksWire = false
        var settings = pair.gateway.settings
        settings.legs.append(Self.third)
        pair.gateway = HomeGatewaySession(settings: settings, random: SplitMix(state: 4))
        pair.delay[Self.third] = .milliseconds(40)
        pair.start()
        return pair
    }

    @Test func theLastLegGrantsTheBond() {
        var pair = pair()
        pair.run(for: .seconds(5))
        #expect(pair.gatewayBond == nil, "the granting leg is not there")
        pair.give(.wanUp(Self.third, .v4(IPv4Address(10, 3, 0, 2))))
        pair.run(for: .seconds(2))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 3)
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    @Test func anyOfThemMayFail() {
        var pair = pair()
        pair.give(.wanUp(Self.third, .v4(IPv4Address(10, 3, 0, 2))))
        pair.run(for: .seconds(2))
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, Self.third))
        pair.give(.wanUp(.secondary, Pair.addresses[.secondary]!))
        // There is no attribute that reports the third one: Hello loss tells the aggregator.
        pair.give(.wanDown(Self.third, .carrierLost))
        pair.run(for: .seconds(60))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2)
    }
}

/// RFC 8157 §6.2: first LTE, then the addresses, then DSL.
@Suite struct AddressOrderTests {
    private func pair() -> Pair {
        var pair = Pair(fetchesAddresses: true)
        pair.start()
        pair.run(for: .seconds(2))
        return pair
    }

    private func requests(_ pair: Pair) -> Int {
        pair.events.count { if case .setupRequested(.primary, _) = $0 { true } else { false } }
    }

    @Test func thePrimaryLegWaitsForAddresses() {
        var pair = pair()
        #expect(pair.gatewayBond?.distribution == .only(.secondary) && requests(pair) == 0)
        pair.give(HomeGatewaySession.Input.addressed)
        #expect(requests(pair) == 1)
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    /// The deployed gateway says that it is active after it has told its prefix.
    @Test func fetchingAddressesIsNoTraffic() {
        var pair = Pair(monitorsTraffic: true, fetchesAddresses: true)
        pair.trafficFlows = true
        pair.start()
        pair.run(for: .seconds(5))
        #expect(pair.gateway.helloState == .idle)
        pair.give(HomeGatewaySession.Input.addressed)
        pair.run(for: .seconds(3))
        #expect(pair.gateway.helloState == .active)
    }

    @Test func notForEver() {
        var pair = pair()
        pair.run(for: .seconds(7))
        #expect(requests(pair) == 0)
        pair.run(for: .seconds(3))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    /// A leg that comes back does not wait: the addresses are there.
    @Test func onlyAtTheStartOfABond() {
        var pair = pair()
        pair.give(HomeGatewaySession.Input.addressed)
        pair.run(for: .seconds(1))
        for leg in [LegID.secondary, .primary] {
            pair.give(HomeGatewaySession.Input.wanDown(leg, .carrierLost))
            pair.run(for: .seconds(1))
            pair.give(HomeGatewaySession.Input.wanUp(leg, Pair.addresses[leg]!))
            pair.run(for: .seconds(3))
            #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
        }
    }
}
