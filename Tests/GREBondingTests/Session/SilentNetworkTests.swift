import Addresses
import TestSupport
import Testing

@testable import GREBonding

/// A whole access network falls silent, and all its bonds end in the same moment.
@Suite struct SilentNetworkTests {
    private static let gateways: UInt32 = 200

    private static func source(_ number: UInt32) -> IPAddress { .v4(IPv4Address(rawValue: 0x0b00_0000 + number)) }

    private static func point(at now: Instant) -> AggregationPoint {
        var point = AggregationPoint(
            settings: .init(addresses: [Pair.h], parameters: .init(), dialect: .rfc8157), random: SplitMix(state: 3))
        for number in 0..<gateways {
            let request = ControlMessage(
                type: .setupRequest, leg: .secondary, key: 0,
                attributes: [.clientIdentificationName(ClientIdentificationName("gateway-\(number)")!)])
            for case .authorize(let asked) in point.handle(.message(request, from: source(number), to: Pair.h), now: now) {
                _ = point.handle(.authorized(asked, .granted(Authorization())), now: now)
            }
        }
        return point
    }

    /// To end a bond takes whoever does it long: a few end at a time, so that others' Hellos are heard between them.
    @Test func aFewEndAtATime() {
        var now = Instant(nanoseconds: 0)
        var point = Self.point(at: now)
        #expect(point.sessions.count == Int(Self.gateways))
        let steps = Int(Self.gateways) / Constants.timersAtOnce
        var most = 0
        var ended = 0
        var calls = 0
        while let deadline = point.deadline, calls < 1000 * steps {
            calls += 1
            now = max(now, deadline)
            let gone = point.handle(.timeout, now: now).count { if case .bond(_, nil) = $0 { true } else { false } }
            most = max(most, gone)
            ended += gone
        }
        #expect(point.sessions.isEmpty && ended == Int(Self.gateways))
        #expect(most == Constants.timersAtOnce)
    }

    /// What is said between two steps is heard, and who says it stays.
    @Test func whoSpeaksBetweenThemStays() throws {
        var now = Instant(nanoseconds: 0)
        var point = Self.point(at: now)
        let name = try #require(ClientIdentificationName("gateway-7"))
        let session = try #require(point.session(of: name))
        let hello = ControlMessage(
            type: .hello, leg: .secondary, key: session.key, attributes: [.timestamp(Timestamp(now))])
        var answers = 0
        while let deadline = point.deadline, point.sessions.count > 1 {
            now = max(now, deadline)
            _ = point.handle(.timeout, now: now)
            let effects = point.handle(.message(hello, from: Self.source(7), to: Pair.h), now: now)
            for case .send(let reply, _, _) in effects where reply.type == .hello { answers += 1 }
        }
        #expect(point.session(of: name)?.id == session.id && answers > Int(Self.gateways) / Constants.timersAtOnce)
    }
}
