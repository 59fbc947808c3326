import Addresses
import Testing

@testable import GREBonding

/// Where the first request goes when the aggregator has a name: RFC 8157 §6.2.
@Suite struct AggregatorAddressTests {
    private let e = IPAddress.v4(IPv4Address(10, 2, 0, 2))
    private let g1 = IPAddress.v4(IPv4Address(10, 9, 0, 1))
    private let g2 = IPAddress.v4(IPv4Address(10, 9, 0, 2))

    private func session() -> HomeGatewaySession {
        HomeGatewaySession(settings: .init(client: ClientIdentificationName("g")!, aggregator: nil, family: .v4))
    }

    /// Lets the session ask for so long; the time and destination of each request.
    private func requests(
        _ session: inout HomeGatewaySession, _ first: [HomeGatewaySession.Effect], from start: Instant, for time: Duration
    ) -> [(at: Instant, to: IPAddress)] {
        var found: [(at: Instant, to: IPAddress)] = []
        func take(_ effects: [HomeGatewaySession.Effect], _ at: Instant) {
            for case .send(let message, _, let to) in effects where message.type == .setupRequest {
                found.append((at, to))
            }
        }
        take(first, start)
        while let next = session.deadline, next <= start + time {
            take(session.handle(.timeout, now: next), next)
            if found.count > 1000 { break }
        }
        return found
    }

    @Test func nothingIsAskedBeforeTheNameIsResolved() {
        var session = session()
        let zero = Instant(nanoseconds: 0)
        #expect(session.handle(.wanUp(.secondary, e), now: zero).isEmpty)
        #expect(session.deadline == nil)
        let later = zero + .seconds(100)
        let effects = session.handle(.aggregators([g1]), now: later)
        let asked = requests(&session, effects, from: later, for: .seconds(1))
        #expect(asked.first?.at == later && asked.first?.to == g1)
    }

    @Test func addressesTakeTurnsAndTheWaitGoesOnGrowing() throws {
        var session = session()
        let zero = Instant(nanoseconds: 0)
        _ = session.handle(.aggregators([g1, g2]), now: zero)
        let effects = session.handle(.wanUp(.secondary, e), now: zero)
        let asked = requests(&session, effects, from: zero, for: .seconds(60))
        #expect(asked.map(\.to).prefix(6) == [g1, g1, g2, g2, g1, g1])
        #expect(asked.count < 8)
    }

    /// Two years of requests, one a minute: the turns go on.
    @Test func addressesTakeTurnsForEver() {
        var session = session()
        let zero = Instant(nanoseconds: 0)
        _ = session.handle(.aggregators([g1, g2]), now: zero)
        _ = session.handle(.wanUp(.secondary, e), now: zero)
        session.legs[.secondary]?.state = .requesting(attempts: 1 << 20, next: zero)
        let asked = requests(&session, [], from: zero, for: .seconds(600))
        #expect(Set(asked.map(\.to)) == [g1, g2])
    }

    @Test func anotherAddressIsAskedAtOnce() {
        var session = session()
        let zero = Instant(nanoseconds: 0)
        _ = session.handle(.aggregators([g1]), now: zero)
        _ = session.handle(.wanUp(.secondary, e), now: zero)
        #expect(session.handle(.aggregators([g1]), now: zero + .milliseconds(300)).isEmpty, "nothing is new")
        let now = zero + .milliseconds(500)
        let effects = session.handle(.aggregators([g2]), now: now)
        #expect(requests(&session, effects, from: now, for: .milliseconds(1)).map(\.to) == [g2])
        let late = ControlMessage(type: .setupDeny, leg: .secondary, key: 0, attributes: [])
        #expect(
            session.handle(.message(late, on: .secondary, from: g1), now: now + .milliseconds(1))
                == [.event(.discarded(.wrongSource))])
    }

    @Test func aDenyIsNotOvercomeByAnotherAddress() throws {
        var session = session()
        let zero = Instant(nanoseconds: 0)
        _ = session.handle(.aggregators([g1]), now: zero)
        _ = session.handle(.wanUp(.secondary, e), now: zero)
        let deny = ControlMessage(
            type: .setupDeny, leg: .secondary, key: 0,
            attributes: [.errorCode(.clientIdentificationNameNotPermitted)])
        _ = session.handle(.message(deny, on: .secondary, from: g1), now: zero + .milliseconds(50))
        let effects = session.handle(.aggregators([g2]), now: zero + .milliseconds(100))
        let asked = requests(&session, effects, from: zero + .milliseconds(100), for: .seconds(80))
        #expect(try #require(asked.first).at > zero + .seconds(40))
        #expect(asked.first?.to == g2)
    }

    @Test func aBondKeepsTheAddressItWasGranted() {
        var pair = Pair()
        pair.start()
        pair.run(for: .seconds(2))
        let before = pair.gatewayBond
        pair.give(HomeGatewaySession.Input.aggregators([g2]))
        pair.run(for: .seconds(60))
        #expect(before != nil && pair.gatewayBond == before && pair.agreed)
    }
}
