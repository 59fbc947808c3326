import Addresses
import ProtocolSupport
import TestSupport
import Testing

@testable import RADIUS

/// Two servers, a second between tries: 1, 2, 4 s less or more a twentieth.
private func client(_ count: Int = 2, lanes: Int = 2) -> RADIUSClient {
    var settings = RADIUSClient.Settings(servers: (0..<count).map { _ in .init(secret: SharedSecret(secret)) })
    settings.lanes = lanes
    return RADIUSClient(settings: settings, authenticator: authenticator, random: SplitMix(state: 1))
}

private let request = ClientRequest(
    code: .accessRequest, attributes: attributes { $0.add(.userName, "gateway-1") }, password: [1])

private func sent(_ effects: [RADIUSClient.Effect]) -> [(bytes: [UInt8], server: Int, lane: Int)] {
    effects.compactMap { effect in
        guard case .transmit(let bytes, let server, let lane) = effect else { return nil }
        return (bytes, server, lane)
    }
}

/// Letters of what was done: t0 a transmission to server 0, a an answer, u none, + and - life and death, d a discard.
private func summary(_ effects: [RADIUSClient.Effect]) -> String {
    effects.map {
        switch $0 {
        case .transmit(_, let server, _): "t\(server)"
        case .answered: "a"
        case .unanswered: "u"
        case .serverIsDead(let server): "-\(server)"
        case .serverIsAlive(let server): "+\(server)"
        case .discarded(let reason, _): "d(\(reason.rawValue))"
        }
    }.joined(separator: " ")
}

extension RADIUSClient {
    /// Runs timers until nothing is to be done or `limit` is over; what was done, and when it ended.
    fileprivate mutating func run(_ now: Duration, limit: Duration = .seconds(1000)) -> (String, Duration) {
        var now = now
        var all: [String] = []
        while let next = deadline, next <= limit {
            now = next
            let text = summary(handle(.timeout, now: now))
            if !text.isEmpty { all.append(text) }
        }
        return (all.joined(separator: " "), now)
    }
}

@Suite struct ClientTests {
    @Test func aSilentServerIsAskedThriceThenTheNext() {
        var client = client()
        let first = client.handle(.ask(1, request), now: .zero)
        #expect(summary(first) == "t0")
        let again = client.handle(.timeout, now: .seconds(2))
        #expect(sent(again).first?.bytes == sent(first).first?.bytes, "repeated as it was")
        let (text, end) = client.run(.seconds(2))
        #expect(text == "t0 -0 t1 t1 t1 -1 u")
        #expect((.seconds(14)...Duration.seconds(17)).contains(end), "\(end)")
        #expect(client.inFlight == 0 && client.slots.isEmpty && client.deadline == nil)
        #expect(client.servers.allSatisfy { $0.inUse == [0, 0] })
        // Both are held to be dead: each is asked once.
        #expect(summary(client.handle(.ask(2, request), now: end)) == "t0")
        #expect(client.run(end).0 == "t1 u")
        #expect(client.statistics[0].requests == 2 && client.statistics[0].retransmissions == 2)
    }

    @Test func theDeadAreAskedLastUntilTheirTimeIsOver() throws {
        var client = client()
        _ = client.handle(.ask(1, request), now: .zero)
        _ = client.run(.zero, limit: .seconds(8))
        #expect(client.isDead(0, now: .seconds(8)) && !client.isDead(1, now: .seconds(8)))
        let second = sent(client.handle(.ask(2, request), now: .seconds(9)))
        #expect(second.map(\.server) == [1])
        let answer = Server().answer(second[0].bytes, .accessAccept)
        #expect(summary(client.handle(.received(answer, server: 1, lane: 0), now: .seconds(9))) == "a")
        #expect(sent(client.handle(.ask(3, request), now: .seconds(70))).map(\.server) == [0])
    }

    /// What the wire brings for a request that waits, and what becomes of it.
    @Test func everyAnswer() throws {
        for (code, expected) in [
            (PacketCode.accessAccept, "a"), (.accessReject, "a"), (.accessChallenge, "a"),
            (.accountingResponse, "d(unexpected_code)"), (.accessRequest, "d(unexpected_code)"),
            (.changeACK, "d(unexpected_code)"),
        ] {
            var client = client()
            let bytes = try #require(sent(client.handle(.ask(1, request), now: .zero)).first).bytes
            let answer = Server().answer(bytes, code)
            #expect(summary(client.handle(.received(answer, server: 0, lane: 0), now: .zero)) == expected, "\(code)")
            // The same once more, or late, is an answer to nothing.
            let again = summary(client.handle(.received(answer, server: 0, lane: 0), now: .zero))
            #expect(again == (expected == "a" ? "d(unknown_identifier)" : expected))
        }
    }

    @Test func forgedAnswersAreCounted() throws {
        var client = client()
        let bytes = try #require(sent(client.handle(.ask(1, request), now: .zero)).first).bytes
        func take(_ answer: [UInt8], server: Int = 0, lane: Int = 0) -> String {
            summary(client.handle(.received(answer, server: server, lane: lane), now: .zero))
        }
        let right = Server().answer(bytes, .accessAccept)
        #expect(take([]) == "d(truncated)")
        #expect(take(Array(right.dropLast())) == "d(truncated)")
        #expect(take(Server(secret: [1]).answer(bytes, .accessAccept)) == "d(bad_authenticator)")
        let unsigned = Server(withMessageAuthenticator: false).answer(bytes, .accessAccept)
        #expect(take(unsigned) == "d(no_message_authenticator)")
        #expect(take(right, server: 1) == "d(unknown_identifier)", "not asked")
        #expect(take(right, lane: 1) == "d(unknown_identifier)")
        #expect(take(right, server: 7) == "")
        // Whoever finds a Response Authenticator for other contents still fails at the Message-Authenticator.
        var other = right
        other[37] ^= 1
        #expect(take(other) == "d(bad_authenticator)")
        let packet = RADIUSPacket(
            code: .accessAccept, identifier: bytes[1],
            attributes: [RADIUSAttribute(.standard(80), [UInt8](repeating: 1, count: 16))])
        let wrong = try #require(authenticator.response(packet, to: Array(bytes[4..<20]), secret: secret))
        #expect(take(wrong) == "d(bad_message_authenticator)")
        #expect(take(right) == "a", "and the right one is still taken")
    }

    @Test func aServerWithoutMessageAuthenticatorsMayBeAllowed() throws {
        var settings = RADIUSClient.Settings(
            servers: [.init(secret: SharedSecret(secret), requiresMessageAuthenticator: false)])
        settings.tries = 1
        var client = RADIUSClient(settings: settings, authenticator: authenticator)
        let bytes = try #require(sent(client.handle(.ask(1, request), now: .zero)).first).bytes
        let answer = Server(withMessageAuthenticator: false).answer(bytes, .accessReject)
        #expect(summary(client.handle(.received(answer, server: 0, lane: 0), now: .zero)) == "a")
    }

    @Test func moreThan256WaitOnSeveralPorts() {
        var client = client(1)
        var slots: Set<[Int]> = []
        for ticket in 0..<512 {
            for each in sent(client.handle(.ask(UInt64(ticket), request), now: .zero)) {
                slots.insert([each.lane, Int(each.bytes[1])])
            }
        }
        #expect(slots.count == 512, "no two have lane and identifier in common")
        #expect(summary(client.handle(.ask(512, request), now: .zero)) == "u", "there is no more room")
        #expect(client.inFlight == 512)
        _ = client.handle(.forget(7), now: .zero)
        #expect(summary(client.handle(.ask(513, request), now: .zero)) == "t0")
        #expect(client.run(.zero).0.split(separator: " ").count(where: { $0 == "u" }) == 512)
        #expect(client.slots.isEmpty && client.pending.isEmpty)
    }

    @Test func identifiersTakeTurns() {
        var client = client(1)
        for ticket in 0..<300 as Range<UInt64> {
            let each = sent(client.handle(.ask(ticket, request), now: .zero))
            #expect(each.map { $0.bytes[1] } == [UInt8(truncatingIfNeeded: ticket)] && each[0].lane == 0)
            _ = client.handle(.forget(ticket), now: .zero)
        }
    }

    @Test func requestsThatDoNotFitAreNotSent() {
        var client = client()
        let large = attributes { for _ in 0..<20 { $0.add(.class, [UInt8](repeating: 1, count: 253)) } }
        let effects = client.handle(.ask(1, ClientRequest(code: .accountingRequest, attributes: large)), now: .zero)
        #expect(summary(effects) == "u" && client.slots.isEmpty)
    }

    /// RFC 2866 §5.2: for how long this has been tried.
    @Test func delayIsToldToTheNextServer() throws {
        var client = client()
        let record = ClientRequest(
            code: .accountingRequest, attributes: attributes { $0.add(.acctStatusType, 1) }, since: .zero)
        var delays: [UInt32] = []
        var effects = client.handle(.ask(1, record), now: .seconds(3))
        while !effects.isEmpty {
            for each in sent(effects) {
                let received = try ReceivedPacket(parsing: each.bytes)
                #expect(authenticator.isRequest(received, secret: secret))
                let told = AttributeList(received.packet.attributes, vendor: vendor)
                delays.append(try #require(try told.first(.acctDelayTime)))
            }
            guard let next = client.deadline else { break }
            effects = client.handle(.timeout, now: next)
        }
        #expect(delays.count == 6 && delays.prefix(3) == [3, 3, 3] && (9...11).contains(delays[3]), "\(delays)")
    }

    /// One that answers others is not dead because it keeps silent on one request.
    @Test func silenceOnOneRequestKillsNoServer() throws {
        var client = client()
        _ = client.handle(.ask(1, request), now: .zero)
        let other = try #require(sent(client.handle(.ask(2, request), now: .zero)).first).bytes
        _ = client.handle(.timeout, now: .seconds(2))
        let answer = Server().answer(other, .accessAccept)
        #expect(summary(client.handle(.received(answer, server: 0, lane: 0), now: .seconds(3))) == "a")
        #expect(client.run(.seconds(3), limit: .seconds(9)).0.hasPrefix("t0 t1"))
        #expect(!client.isDead(0, now: .seconds(9)))
    }

    @Test func hostileAnswersLeaveNothingBehind() throws {
        var random = SplitMix(state: 5)
        var client = client()
        var now = Duration.zero
        for round in 0..<4000 as Range<UInt64> {
            var wire = sent(client.handle(.ask(round, request), now: now)).first?.bytes ?? []
            if !wire.isEmpty { wire = Server().answer(wire, .accessAccept) }
            for _ in 0..<Int.random(in: 0...2, using: &random) where !wire.isEmpty {
                wire[Int.random(in: 0..<wire.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            let (server, lane) = (Int.random(in: 0...1, using: &random), Int.random(in: 0...1, using: &random))
            _ = client.handle(.received(wire, server: server, lane: lane), now: now)
            now += .milliseconds(Int.random(in: 0...500, using: &random))
            _ = client.handle(.timeout, now: now)
            #expect(client.slots.count == client.pending.count && client.deadlines.count == client.pending.count)
            if let next = client.deadline { #expect(next > now) }
        }
        _ = client.run(now, limit: now + .seconds(100))
        #expect(client.pending.isEmpty && client.slots.isEmpty)
        #expect(client.servers.allSatisfy { $0.inUse == [0, 0] })
    }
}
