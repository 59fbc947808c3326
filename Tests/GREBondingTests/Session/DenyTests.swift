import Addresses
import TestSupport
import Testing

@testable import GREBonding

/// Every error code of RFC 8157 §5.3.1 has a cause that can be met, and the gateway comes back in its time.
@Suite struct DenyTests {
    private static let stranger = IPAddress.v4(IPv4Address(10, 66, 0, 1))

    private func up(_ legs: [LegID] = [.secondary, .primary], allowsSecondaryAlone: Bool = false) -> Pair {
        var pair = Pair(allowsSecondaryAlone: allowsSecondaryAlone)
        for leg in legs { pair.give(.wanUp(leg, Pair.addresses[leg]!)) }
        pair.run(for: .seconds(3))
        return pair
    }

    private func request(
        _ leg: LegID, key: UInt32 = 0, name: String? = "another", session: UInt32? = nil
    ) -> ControlMessage {
        var attributes: [Attribute] = []
        if let name { attributes.append(.clientIdentificationName(ClientIdentificationName(name)!)) }
        if let session { attributes.append(.sessionID(session)) }
        return ControlMessage(type: .setupRequest, leg: leg, key: key, attributes: attributes)
    }

    /// The code of the Deny that the aggregator sends for one message.
    private func code(
        _ point: inout AggregationPoint, _ message: ControlMessage, from source: IPAddress = stranger,
        answer: AuthorizationResult? = nil, wait: Duration = .zero
    ) -> ErrorCode? {
        let start = Instant(nanoseconds: 10_000_000_000)
        var effects = point.handle(.message(message, from: source, to: Pair.h), now: start)
        for case .authorize(let request) in effects {
            if let answer { effects += point.handle(.authorized(request, answer), now: start) }
        }
        if wait > .zero { effects += point.handle(.timeout, now: start + wait) }
        for case .send(let reply, _, source) in effects where reply.type == .setupDeny { return reply.errorCode }
        return nil
    }

    private func point(_ change: (inout AggregationPoint.Settings) -> Void = { _ in }) -> AggregationPoint {
        var settings = AggregationPoint.Settings(addresses: [Pair.h], parameters: .init(), dialect: .rfc8157)
        change(&settings)
        return AggregationPoint(settings: settings, random: SplitMix(state: 9))
    }

    @Test func noHOfTheFamilyIsUnreachableOverLTE() {
        var point = point()
        let v6 = IPAddress.v6(IPv6Address(high: 0x2001_0db8 << 32, low: 1))
        #expect(code(&point, request(.secondary), from: v6) == .haapUnreachableOverLTE)
        #expect(point.pending.count == 0)
    }

    @Test func anotherFamilyThanTheBondIsUnreachableOverDSL() throws {
        let pair = up([.secondary])
        var point = pair.point
        let bond = try #require(pair.gatewayBond)
        let v6 = IPAddress.v6(IPv6Address(high: 0x2001_0db8 << 32, low: 1))
        let join = request(.primary, key: bond.key, name: nil, session: bond.sessionID)
        #expect(code(&point, join, from: v6) == .haapUnreachableOverDSL)
    }

    @Test func noRoomForMoreBonds() {
        var point = point { $0.maximumSessions = 0 }
        #expect(code(&point, request(.secondary)) == .haapUnreachableOverLTE)
    }

    @Test(arguments: [(LegID.secondary, ErrorCode.lteTunnelFailed), (.primary, .dslTunnelFailed)])
    func aSessionThatIsNotKnownHasFailed(leg: LegID, expected: ErrorCode) throws {
        var point = point()
        #expect(code(&point, request(leg, key: 5, name: nil, session: 77)) == expected)
        let pair = up()
        let bond = try #require(pair.gatewayBond)
        point = pair.point
        #expect(code(&point, request(leg, key: bond.key ^ 1, name: nil, session: bond.sessionID)) == expected)
        #expect(point.sessions == pair.point.sessions)
    }

    @Test(arguments: [ErrorCode.dslUserNotAllowed, .userAliasNotAllowed, .userIDsDoNotMatch, .lteTunnelFailed])
    func theOperatorsCodeIsPassedOn(expected: ErrorCode) {
        var point = point()
        #expect(code(&point, request(.secondary), answer: .denied(expected)) == expected)
        #expect(point.sessions.isEmpty && point.pending.count == 0)
    }

    @Test(arguments: [ErrorCode.dslUserNotAllowed, .userIDsDoNotMatch])
    func theOperatorsCodeForDSLIsPassedOn(expected: ErrorCode) throws {
        let pair = up([.secondary])
        var point = pair.point
        let bond = try #require(pair.gatewayBond)
        let join = request(.primary, key: bond.key, name: nil, session: bond.sessionID)
        #expect(code(&point, join, answer: .denied(expected)) == expected)
        #expect(point.sessions.isEmpty)
    }

    @Test func anotherNameInTheSameSessionDoesNotMatch() throws {
        let pair = up()
        var point = pair.point
        let bond = try #require(pair.gatewayBond)
        let other = request(.secondary, key: bond.key, name: "another", session: bond.sessionID)
        #expect(code(&point, other) == .userIDsDoNotMatch)
    }

    @Test func aNameOfNothingIsNotPermitted() {
        var point = point()
        #expect(code(&point, request(.secondary, name: "")) == .clientIdentificationNameNotPermitted)
    }

    @Test func drainingTakesNoNewBonds() {
        var point = point()
        _ = point.handle(.drain, now: Instant(nanoseconds: 0))
        #expect(code(&point, request(.secondary)) == .maintenance)
    }

    @Test func silenceOfTheManagementSystemIsTold() throws {
        var point = point()
        let late = Constants.authorizationWait + .seconds(1)
        #expect(code(&point, request(.secondary), wait: late) == .managementErrorDuringLTESetup)
        #expect(point.pending.count == 0 && point.deadline == nil)
        let pair = up([.secondary])
        let bond = try #require(pair.gatewayBond)
        point = pair.point
        let join = request(.primary, key: bond.key, name: nil, session: bond.sessionID)
        #expect(code(&point, join, wait: late) == .managementErrorDuringDSLSetup)
    }

    @Test func silenceOfTheManagementSystemLeavesTheBond() {
        var pair = up([.secondary])
        let before = pair.gatewayBond
        pair.authority = .isSilent
        pair.give(.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(40))
        #expect(pair.events.contains(.setupDenied(.primary, .managementErrorDuringDSLSetup)))
        #expect(pair.agreed && pair.gatewayBond == before)
        pair.authority = .answers
        pair.run(for: .seconds(40))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2)
    }

    @Test func anAggregatorOutOfReachIsSaidAfterSomeRequests() {
        var pair = Pair()
        pair.blackholes = [.secondary]
        pair.start()
        pair.run(for: .seconds(60))
        #expect(pair.events.contains(.setupUnanswered(.secondary, .haapUnreachableOverLTE)))
        pair = up([.secondary])
        pair.blackholes = [.primary]
        pair.give(.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(60))
        #expect(pair.events.contains(.setupUnanswered(.primary, .haapUnreachableOverDSL)))
    }

    @Test func refusedDSLMayLeaveLTEAlone() {
        var pair = up([.secondary], allowsSecondaryAlone: true)
        let before = pair.gatewayBond
        pair.permitted = .denied(.dslUserNotAllowed)
        pair.give(.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(2))
        #expect(pair.events.contains(.setupDenied(.primary, .dslUserNotAllowed)))
        #expect(pair.agreed && pair.gatewayBond == before && pair.gatewayBond?.distribution == .only(.secondary))
    }

    /// The session of a gateway that has asked over LTE, and what it does when it is refused with a code.
    @Test(arguments: ErrorCode.defined)
    func everyCodeEndsTheSetup(code: UInt32) throws {
        let start = Instant(nanoseconds: 0)
        var session = HomeGatewaySession(settings: .init(client: Pair.name, aggregator: Pair.h))
        let asked = session.handle(.wanUp(.secondary, Pair.addresses[.secondary]!), now: start)
        #expect(asked.contains { if case .send = $0 { true } else { false } })
        let deny = ControlMessage(
            type: .setupDeny, leg: .secondary, key: 0, attributes: [.errorCode(ErrorCode(rawValue: code))])
        let effects = session.handle(.message(deny, on: .secondary, from: Pair.h), now: start + .milliseconds(50))
        #expect(effects == [.event(.setupDenied(.secondary, ErrorCode(rawValue: code)))])
        #expect(session.stateName(of: .secondary) == "waiting")
        let next = try #require(session.deadline)
        #expect(next - start > .seconds(3), "an unanswered request would be repeated after a second")
        for case .send(let message, _, _) in session.handle(.timeout, now: next) {
            #expect(message.key == 0 && message.sessionID == nil, "from the beginning")
        }
    }

    @Test func aRefusedGatewayComesBackLessAndLessOften() {
        var pair = Pair()
        pair.permitted = .denied(.clientIdentificationNameNotPermitted)
        pair.start()
        pair.run(for: .seconds(4 * 3600))
        let denials = pair.events.filter { $0 == .setupDenied(.secondary, .clientIdentificationNameNotPermitted) }
        #expect((7...11).contains(denials.count), "\(denials.count)")
    }

    @Test func aBondThatIsTornDownEachTimeIsTriedLessAndLessOften() {
        var pair = Pair()
        pair.deniedLegs = [.primary: .dslUserNotAllowed]
        pair.start()
        pair.run(for: .seconds(4 * 3600))
        let bonds = pair.events.filter { if case .bondUp = $0 { true } else { false } }.count
        #expect((5...9).contains(bonds), "\(bonds)")
    }

    @Test func theSameRequestIsAnsweredTheSameUntilTheGatewayIsHeard() throws {
        var point = point()
        let source = Pair.addresses[.secondary]!
        func accept(_ effects: [AggregationPoint.Effect]) -> ControlMessage? {
            for case .send(let message, _, _) in effects where message.type == .setupAccept { return message }
            return nil
        }
        let now = Instant(nanoseconds: 0)
        var effects = point.handle(.message(request(.secondary), from: source, to: Pair.h), now: now)
        guard case .authorize(let asked)? = effects.first else { return #expect(Bool(false)) }
        effects = point.handle(.authorized(asked, .granted(Authorization())), now: now)
        let first = try #require(accept(effects))
        effects = point.handle(.message(request(.secondary), from: source, to: Pair.h), now: now)
        #expect(accept(effects) == first)
        let hello = ControlMessage(
            type: .hello, leg: .secondary, key: first.key,
            attributes: [.timestamp(Timestamp(seconds: 1, milliseconds: 0)), .ipv6PrefixAssignedByHAAP(.none)])
        _ = point.handle(.message(hello, from: source, to: Pair.h), now: now)
        effects = point.handle(.message(request(.secondary), from: source, to: Pair.h), now: now)
        #expect(accept(effects) == nil)
        #expect(effects.contains(.event(sessionID: first.sessionID, .verificationStarted(sessionID: first.sessionID!))))
    }

    @Test func twoRequestsOfOneNameAtOnceAreAConflict() throws {
        var pair = Pair()
        pair.authority = .delays(.milliseconds(100))
        pair.start()
        pair.run(for: .milliseconds(50))
        let other = ControlMessage(
            type: .setupRequest, leg: .secondary, key: 0, attributes: [.clientIdentificationName(Pair.name)])
        pair.give(AggregationPoint.Input.message(other, from: Self.stranger, to: Pair.h))
        pair.run(for: .seconds(3))
        #expect(pair.pointBonds.count == 1 && pair.agreed)
        #expect(pair.pointEvents.contains(.setupDenied(.secondary, .sessionAlreadyExists)))
    }

    @Test func drainingEndsAllBondsStepByStep() {
        var point = point { $0.drainRate = 10 }
        let now = Instant(nanoseconds: 0)
        for i in 0..<20 {
            let source = IPAddress.v4(IPv4Address(10, 3, 0, UInt8(i + 1)))
            let effects = point.handle(
                .message(request(.secondary, name: "gateway-\(i)"), from: source, to: Pair.h), now: now)
            for case .authorize(let asked) in effects {
                _ = point.handle(.authorized(asked, .granted(Authorization())), now: now)
            }
        }
        #expect(point.sessions.count == 20)
        var effects = point.handle(.drain, now: now)
        #expect(point.sessions.count == 19)
        var steps = 0
        while let deadline = point.deadline, point.isDraining, steps < 100, !point.sessions.isEmpty {
            effects += point.handle(.timeout, now: deadline)
            steps += 1
        }
        #expect(steps == 19 && point.deadline == nil)
        var ended = 0
        for case .send(let message, _, _) in effects {
            #expect(message.type == .tearDown && message.errorCode == .maintenance)
            ended += 1
        }
        #expect(ended == 20)
        #expect(effects.contains(.event(sessionID: nil, .drained)))
    }

    @Test func aRefusedSubscriberLosesTheBondWhenItIsRevived() {
        var pair = up()
        pair.permitted = .denied(.userAliasNotAllowed)
        pair.give(.wanUp(.secondary, .v4(IPv4Address(10, 2, 0, 9))))
        pair.run(for: .seconds(2))
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty)
    }
}
