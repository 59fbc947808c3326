import Addresses
import Testing

@testable import GREBonding

/// Round trips that the queue before both legs asks for, and a secondary leg that is left because it adds nothing.
@Suite struct ProbeTests {
    private func up() -> Pair {
        var pair = Pair()
        pair.start()
        pair.run(for: .seconds(8))
        pair.events = []
        pair.pointEvents = []
        return pair
    }

    @Test func theGatewayMeasuresByAHello() {
        var pair = up()
        pair.give(HomeGatewaySession.Input.probe(.secondary))
        pair.run(for: .milliseconds(100))
        #expect(pair.events == [.roundTrip(.secondary, .milliseconds(50))])
    }

    @Test func probesDoNotUseUpTheAttempts() {
        var pair = up()
        pair.blackholes = [.secondary]
        for _ in 0..<20 {
            pair.give(HomeGatewaySession.Input.probe(.secondary))
            pair.run(for: .milliseconds(50))
        }
        #expect(pair.gateway.isUp(.secondary))
        pair.blackholes = []
        pair.run(for: .seconds(20))
        #expect(pair.gateway.isUp(.secondary) && pair.agreed)
    }

    @Test func aLegThatIsNotUpIsNotAsked() {
        var pair = Pair()
        pair.give(HomeGatewaySession.Input.probe(.secondary))
        pair.give(AggregationPoint.Input.probe(sessionID: 7, .secondary))
        #expect(pair.events.isEmpty && pair.pointEvents.isEmpty)
    }

    @Test func theAggregatorMeasuresByAVerification() throws {
        var pair = up()
        let id = try #require(pair.point.sessions.keys.first)
        pair.give(AggregationPoint.Input.probe(sessionID: id, .secondary))
        pair.run(for: .milliseconds(100))
        #expect(pair.pointEvents == [.roundTrip(.secondary, .milliseconds(50))])
        // Each leg has its own.
        pair.give(AggregationPoint.Input.probe(sessionID: id, .secondary))
        pair.give(AggregationPoint.Input.probe(sessionID: id, .primary))
        pair.pointEvents = []
        pair.run(for: .milliseconds(100))
        #expect(
            pair.pointEvents == [.roundTrip(.primary, .milliseconds(20)), .roundTrip(.secondary, .milliseconds(50))])
        // One answer more than was asked for measures nothing.
        let bond = try #require(pair.gatewayBond)
        let echo = ControlMessage(type: .notify, leg: .secondary, key: bond.key, attributes: [.tunnelVerification])
        pair.give(AggregationPoint.Input.message(echo, from: Pair.addresses[.secondary]!, to: Pair.h))
        #expect(pair.pointEvents.last == .discarded(.duplicate))
    }

    @Test func howMuchLaterTheSecondaryLegIsIsKnown() throws {
        let pair = up()
        #expect(try #require(pair.point.sessions.values.first).delays.difference == .milliseconds(15))
    }

    @Test func aLegThatAddsNothingIsLeftAtBothEnds() {
        var pair = up()
        pair.give(HomeGatewaySession.Input.leaveSecondary(true))
        pair.run(for: .seconds(1))
        #expect(pair.gateway.primaryOnly && pair.gatewayBond?.distribution == .only(.primary))
        #expect(pair.pointBonds.values.first?.distribution == .only(.primary))
        pair.give(HomeGatewaySession.Input.leaveSecondary(false))
        pair.run(for: .seconds(1))
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
        #expect(pair.pointBonds.values.first?.distribution == .overflow(.primary, .secondary))
    }

    @Test func whatWasFoundOfALegEndsWithIt() {
        var pair = up()
        pair.give(HomeGatewaySession.Input.leaveSecondary(true))
        pair.run(for: .seconds(1))
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.run(for: .seconds(1))
        pair.give(.wanUp(.secondary, Pair.addresses[.secondary]!))
        pair.run(for: .seconds(8))
        #expect(!pair.gateway.primaryOnly && pair.agreed)
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
        // With one leg there is nothing to leave.
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.give(HomeGatewaySession.Input.leaveSecondary(true))
        #expect(!pair.gateway.leavesSecondary)
    }
}
