import Addresses
import TestSupport
import Testing

@testable import GREBonding

/// What each message must carry and on which leg it goes, RFC 8157 §5 and §6.2, as both ends send it.
@Suite struct MessageContentTests {
    private static let h6 = IPAddress.v6(IPv6Address(high: 0x2001_0db8 << 32, low: 1))

    /// A pair that remembers what is sent from the first message on.
    private func pair(addresses: [IPAddress] = [Pair.h, Self.h6]) -> Pair {
        var pair = Pair()
        pair.point = AggregationPoint(
            settings: .init(addresses: addresses, parameters: .init(), dialect: .rfc8157), random: SplitMix(state: 7))
        pair.keepsSent = true
        return pair
    }

    private func up() -> Pair {
        var pair = pair()
        pair.start()
        pair.run(for: .seconds(3))
        return pair
    }

    private func sent(_ pair: Pair, _ type: MessageType, _ leg: LegID) -> [ControlMessage] {
        pair.sent.map(\.message).filter { $0.type == type && $0.leg == leg }
    }

    private func legs(_ pair: Pair, saying type: AttributeType) -> [LegID] {
        pair.sent.filter { !$0.toGateway && $0.message.contains(type) }.map(\.message.leg)
    }

    // MARK: Setup, §5.1, §5.2

    @Test func requestsOfBothLegs() throws {
        var pair = pair()
        pair.blackholes = [.primary]
        pair.start()
        pair.run(for: .seconds(20))
        let bond = try #require(pair.gatewayBond)
        let lte = sent(pair, .setupRequest, .secondary)
        #expect(lte.map(\.key) == [0])
        #expect(lte.first?.attributes == [.clientIdentificationName(Pair.name)])
        let dsl = sent(pair, .setupRequest, .primary)
        #expect(dsl.count > 3, "repeated, since nobody answers")
        for request in dsl {
            #expect(request.key == bond.key)
            #expect(request.attributes == [.sessionID(bond.sessionID), .dslSynchronizationRate(50_000)])
        }
        pair.blackholes = []
        pair.run(for: .seconds(60))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2)
        // LTE, revived.
        pair.sent = []
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.run(for: .seconds(1))
        pair.give(.wanUp(.secondary, Pair.addresses[.secondary]!))
        pair.run(for: .seconds(3))
        let revived = try #require(sent(pair, .setupRequest, .secondary).first)
        #expect(revived.key == bond.key)
        #expect(revived.attributes == [.clientIdentificationName(Pair.name), .sessionID(bond.sessionID)])
    }

    @Test func acceptsOfBothLegs() throws {
        let pair = up()
        let bond = try #require(pair.gatewayBond)
        let lte = try #require(sent(pair, .setupAccept, .secondary).first)
        #expect(lte.attributes.map(\.type) == [1, 2, 4, 9, 10, 14, 15, 16, 20, 24, 25, 31, 32])
        #expect(lte.hIPv4Address.map(IPAddress.v4) == Pair.h && lte.hIPv6Address.map(IPAddress.v6) == Self.h6)
        #expect(lte.sessionID == bond.sessionID && lte.bondingKeyValue == bond.key && lte.key == bond.key)
        let dsl = try #require(sent(pair, .setupAccept, .primary).first)
        #expect(
            dsl.attributes == [.configuredDSLUpstreamBandwidth(20_000), .configuredDSLDownstreamBandwidth(50_000)])
    }

    /// There is no H of a family in which the aggregator cannot be reached.
    @Test func anAggregatorOfOneFamilyHasOneH() throws {
        var pair = pair(addresses: [Pair.h])
        pair.start()
        pair.run(for: .seconds(3))
        let lte = try #require(sent(pair, .setupAccept, .secondary).first)
        #expect(lte.contains(.hIPv4Address) && !lte.contains(.hIPv6Address))
        #expect(pair.agreed && pair.gatewayBond != nil)
    }

    @Test func withoutAnOperatorsRateTheModemsHolds() throws {
        var pair = pair()
        pair.permitted = .granted(Authorization())
        pair.start()
        pair.run(for: .seconds(3))
        let dsl = try #require(sent(pair, .setupAccept, .primary).first)
        #expect(dsl.attributes == [.configuredDSLUpstreamBandwidth(0), .configuredDSLDownstreamBandwidth(50_000)])
        #expect(pair.pointBonds.values.first?.committedInformationRate == 50_000)
        #expect(pair.gatewayBond?.committedInformationRate == 0, "upstream nobody knows")
    }

    /// The operator's system may tell a gateway other parameters than the settings do, and both ends keep to them.
    @Test func aSubscriberMayHaveParametersOfItsOwn() throws {
        var pair = pair()
        var parameters = SessionParameters()
        parameters.activeHelloInterval = 7
        parameters.rttDifferenceThreshold = 123
        pair.permitted = .granted(Authorization(dslDownstream: 9000, parameters: parameters))
        pair.start()
        pair.run(for: .seconds(3))
        let lte = try #require(sent(pair, .setupAccept, .secondary).first)
        #expect(lte.attributes.contains(.activeHelloInterval(7)) && lte.attributes.contains(.rttDifferenceThreshold(123)))
        #expect(pair.point.sessions.values.first?.parameters == parameters)
    }

    /// What an operator's system changes while the bond lives holds at once downstream.
    @Test func whatIsGrantedMayChange() throws {
        var pair = pair()
        pair.start()
        pair.run(for: .seconds(3))
        let id = try #require(pair.point.sessions.keys.first)
        #expect(pair.pointBonds[id]?.committedInformationRate == 50_000)
        pair.give(.reauthorized(sessionID: id, Authorization(dslUpstream: 20_000, dslDownstream: 30_000)))
        #expect(pair.pointBonds[id]?.committedInformationRate == 30_000)
        pair.give(.reauthorized(sessionID: id &+ 1, Authorization(dslDownstream: 1)))
        #expect(pair.pointBonds.count == 1 && pair.pointBonds[id]?.committedInformationRate == 30_000)
    }

    /// §5.1.2, §5.2.9: what the generator says twice, or says as 0, is not used for a second bond.
    @Test func noTwoBondsShareASessionOrAKey() throws {
        struct Scripted: RandomNumberGenerator, Sendable {
            var numbers: [UInt64]
            mutating func next() -> UInt64 { numbers.removeFirst() }
        }
        var point = AggregationPoint(
            settings: .init(addresses: [Pair.h], parameters: .init(), dialect: .rfc8157),
            random: Scripted(numbers: [0, 5, 0, 6, 5, 7, 6, 8]))
        let now = Instant(nanoseconds: 0)
        for n in 1...2 as ClosedRange<UInt8> {
            let name = try #require(ClientIdentificationName("gateway-\(n)"))
            let request = ControlMessage(
                type: .setupRequest, leg: .secondary, key: 0, attributes: [.clientIdentificationName(name)])
            let effects = point.handle(
                .message(request, from: .v4(IPv4Address(10, 3, 0, n)), to: Pair.h), now: now)
            for case .authorize(let asked) in effects {
                _ = point.handle(.authorized(asked, .granted(Authorization())), now: now)
            }
        }
        #expect(point.sessions.mapValues(\.key) == [5: 6, 7: 8])
    }

    // MARK: Hello, §5.4; idle, §5.2.14

    @Test func hellosOfBothEndsOnBothLegs() {
        var pair = up()
        pair.run(for: .seconds(30))
        for leg in [LegID.primary, .secondary] {
            let hellos = sent(pair, .hello, leg)
            #expect(hellos.count >= 6 && hellos.allSatisfy { $0.attributes.map(\.type) == [5, 13] })
            let mine = pair.sent.filter { !$0.toGateway && $0.message.type == .hello && $0.message.leg == leg }
            let echoes = pair.sent.filter { $0.toGateway && $0.message.type == .hello && $0.message.leg == leg }
            #expect(mine.map(\.message) == echoes.map(\.message), "the same comes back")
        }
    }

    @Test func anIdleBondSaysHelloOnBothLegs() {
        var parameters = SessionParameters()
        parameters.idleHelloInterval = 100
        var pair = Pair(parameters: parameters, monitorsTraffic: true)
        pair.start()
        pair.run(for: .seconds(3))
        pair.keepsSent = true
        pair.run(for: .seconds(1000))
        #expect(pair.gateway.helloState == .idle && pair.agreed)
        for leg in [LegID.primary, .secondary] {
            let mine = pair.sent.filter { !$0.toGateway && $0.message.type == .hello && $0.message.leg == leg }
            #expect(mine.count == 10, "\(leg)")
        }
    }

    // MARK: Which leg a Notify takes, §5.6

    @Test(arguments: [
        (Diagnostic.bonding, AttributeType.diagnosticStartBondingTunnel), (.dsl, .diagnosticStartDSLTunnel),
        (.lte, .diagnosticStartLTETunnel),
    ])
    func diagnosticsAreSaidOverDSL(kind: Diagnostic, attribute: AttributeType) {
        var pair = up()
        pair.give(.startDiagnostic(kind))
        pair.run(for: .seconds(1))
        pair.give(.endDiagnostic)
        pair.run(for: .seconds(1))
        #expect(legs(pair, saying: attribute) == [.primary] && legs(pair, saying: .diagnosticEnd) == [.primary])
    }

    @Test(arguments: [
        (LegID.primary, AttributeType.dslLinkFailure, LegID.secondary), (.secondary, .lteLinkFailure, .primary),
    ])
    func aFailureIsSaidOverTheOtherLeg(lost: LegID, attribute: AttributeType, other: LegID) {
        var pair = up()
        pair.give(.wanDown(lost, .carrierLost))
        pair.run(for: .seconds(1))
        #expect(legs(pair, saying: attribute) == [other])
        #expect(pair.gatewayBond?.legs.keys.map(\.self) == [other] && pair.agreed)
    }

    @Test func roundTripsAreJudgedOverDSL() {
        var pair = Pair(parameters: {
            var parameters = SessionParameters()
            parameters.rttDifferenceThreshold = 1
            parameters.activeHelloInterval = 1
            return parameters
        }())
        pair.keepsSent = true
        pair.start()
        pair.run(for: .seconds(8))
        #expect(legs(pair, saying: .switchingToDSLTunnel) == [.primary])
        pair.delay[.secondary] = pair.delay[.primary]
        pair.run(for: .seconds(8))
        #expect(legs(pair, saying: .overflowingToLTETunnel) == [.primary])
    }

    // MARK: The end, §5.5, §6.2

    @Test func everyTearDownHasItsCode() {
        func codes(_ act: (inout Pair) -> Void) -> [[ErrorCode?]] {
            var pair = up()
            pair.sent = []
            act(&pair)
            pair.run(for: .seconds(12))
            return [LegID.primary, .secondary].map { sent(pair, .tearDown, $0).map(\.errorCode) }
        }
        #expect(codes { $0.give(AggregationPoint.Input.stop) } == [[.maintenance], [.maintenance]])
        #expect(codes { $0.give(HomeGatewaySession.Input.stop) } == [[.dslTunnelFailed], [.lteTunnelFailed]])
        let lost = codes { $0.restartPoint() }
        #expect(lost == [[.dslTunnelFailed], [.lteTunnelFailed]], "an aggregator that does not know the bond any more")
    }

    @Test func refusedLTEEndsTheSetup() throws {
        var pair = pair()
        pair.deniedLegs = [.secondary: .clientIdentificationNameNotPermitted]
        pair.start()
        pair.run(for: .seconds(40))
        let answers = pair.sent.filter(\.toGateway)
        #expect(answers.map(\.message.type) == [.setupDeny], "one question, one answer")
        let deny = try #require(answers.first)
        #expect(deny.message.leg == .secondary && deny.message.errorCode == .clientIdentificationNameNotPermitted)
        #expect(deny.destination == Pair.addresses[.secondary])
        #expect(sent(pair, .setupRequest, .primary).isEmpty && pair.gatewayBond == nil)
    }

    @Test func refusedDSLEndsLTEToo() throws {
        var pair = pair()
        pair.deniedLegs = [.primary: .dslUserNotAllowed]
        pair.start()
        pair.run(for: .seconds(1))
        let deny = try #require(pair.sent.first { $0.message.type == .setupDeny })
        #expect(deny.message.leg == .primary && deny.message.errorCode == .dslUserNotAllowed)
        #expect(deny.destination == Pair.addresses[.primary])
        let end = try #require(pair.sent.first { $0.message.type == .tearDown })
        #expect(end.message.leg == .secondary && end.message.errorCode == .dslUserNotAllowed)
        #expect(end.destination == Pair.addresses[.secondary])
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty && pair.gateway.legsUp.isEmpty)
    }
}
