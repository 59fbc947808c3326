import Addresses
import Testing

@testable import RADIUS

private let server = IPAddress("192.0.2.9")!
private let stranger = IPAddress("192.0.2.66")!

private func dynamic(_ change: (inout DynamicAuthorization.Settings) -> Void = { _ in }) -> DynamicAuthorization {
    var settings = DynamicAuthorization.Settings(
        sources: [server: SharedSecret(secret)], nasIdentifier: "haap-1", nasAddresses: [IPAddress("10.9.0.1")!],
        vendor: vendor)
    change(&settings)
    return DynamicAuthorization(settings: settings, authenticator: authenticator)
}

private func request(
    _ code: PacketCode, identifier: UInt8 = 1, secret: [UInt8] = secret, _ build: (inout AttributeList) -> Void
) -> [UInt8] {
    authenticator.request(
        RADIUSPacket(code: code, identifier: identifier, attributes: attributes(build).items), secret: secret) ?? []
}

private let now = Duration.seconds(1000)
private let unixTime: Int64 = 1_700_000_000

/// "44" acknowledged, "45/503" refused with a cause, "d(reason)", "r" repeated; and what was to be done.
private func take(
    _ dynamic: inout DynamicAuthorization, _ bytes: [UInt8], from source: IPAddress = server, port: UInt16 = 5000,
    at time: Duration = now, refusing cause: ErrorCause? = nil
) throws -> (String, DynamicRequest?) {
    var asked: DynamicRequest?
    let outcome = dynamic.receive(bytes, from: source, port: port, now: time, unixTime: unixTime) {
        (request) throws(ErrorCause) in
        asked = request
        if let cause { throw cause }
    }
    switch outcome {
    case .discarded(let reason): return ("d(\(reason.rawValue))", asked)
    case .repeated: return ("r", asked)
    case .reply(let answer):
        let received = try ReceivedPacket(parsing: answer)
        #expect(authenticator.isResponse(received, to: Array(bytes[4..<20]), secret: secret))
        #expect(
            authenticator.hasMessageAuthenticator(received, request: Array(bytes[4..<20]), secret: secret) != false)
        let told = try AttributeList(received.packet.attributes, vendor: vendor).first(.errorCause)
        return ("\(received.packet.code.rawValue)" + (told.map { "/\($0)" } ?? ""), asked)
    }
}

@Suite struct DynamicAuthorizationTests {
    @Test func whatIsAskedForIsDone() throws {
        var dynamic = dynamic()
        let change = request(.changeRequest) {
            $0.add(.acctSessionID, "6565123400000007")
            $0.add(.dslDownstreamRate, 4000)
            $0.add(.filterID, "video")
        }
        let (answer, asked) = try take(&dynamic, change)
        #expect(answer == "44" && asked?.target.acctSessionID == "6565123400000007")
        guard case .change(let list)? = asked?.kind else { throw Missing() }
        let wanted = try AccessChange(list)
        #expect(wanted.dslDownstream == 4000 && wanted.filterList == "video" && wanted.dslUpstream == nil)
        let (ended, which) = try take(&dynamic, request(.disconnectRequest) { $0.add(.userName, "gateway-1") })
        #expect(ended == "41" && which == DynamicRequest(kind: .disconnect, target: .named("gateway-1")))
        #expect(dynamic.statistics.changed == 1 && dynamic.statistics.disconnected == 1)
    }

    struct Missing: Error {}

    @Test(arguments: ErrorCause.allCases)
    func refusalsTellTheirCause(cause: ErrorCause) throws {
        var dynamic = dynamic()
        let bytes = request(.disconnectRequest) { $0.add(.userName, "gateway-1") }
        #expect(try take(&dynamic, bytes, refusing: cause).0 == "42/\(cause.rawValue)")
        #expect(dynamic.statistics.refused == 1)
    }

    @Test func forgedRequestsDoNothingButCount() throws {
        var dynamic = dynamic()
        let bytes = request(.disconnectRequest) { $0.add(.userName, "gateway-1") }
        func refused(_ bytes: [UInt8], _ reason: String, from source: IPAddress = server) throws {
            let (answer, asked) = try take(&dynamic, bytes, from: source)
            #expect(answer == "d(\(reason))" && asked == nil)
        }
        try refused(bytes, "unknown_source", from: stranger)
        try refused(request(.disconnectRequest, secret: [1]) { $0.add(.userName, "gateway-1") }, "bad_authenticator")
        try refused(Array(bytes.dropLast()), "truncated")
        try refused([], "truncated")
        for code: UInt8 in [1, 2, 4, 5, 41, 44, 255] {
            var other = bytes
            other[0] = code
            try refused(other, "unexpected_code")
        }
        for place in bytes.indices where place != 2 && place != 3 && place != 0 {
            var other = bytes
            other[place] ^= 0x80
            let (answer, asked) = try take(&dynamic, other)
            #expect(answer.hasPrefix("d(") && asked == nil, "byte \(place)")
        }
        // A Message-Authenticator is not required, but a wrong one is.
        let wrong = request(.disconnectRequest) {
            $0.add(.userName, "gateway-1")
            $0.add(.messageAuthenticator, [UInt8](repeating: 1, count: 16))
        }
        try refused(wrong, "bad_message_authenticator")
    }

    @Test func aMessageAuthenticatorIsAnsweredWithOne() throws {
        var dynamic = dynamic()
        var list = attributes { $0.add(.messageAuthenticator, [UInt8](repeating: 0, count: 16)) }
        list.add(.userName, "gateway-1")
        var packet = RADIUSPacket(code: .disconnectRequest, identifier: 3, attributes: list.items)
        let plain = try #require(packet.serialized())
        packet.attributes[0].value = authenticator.hmac(plain, secret)
        let bytes = try #require(authenticator.request(packet, secret: secret))
        let outcome = dynamic.receive(bytes, from: server, port: 1, now: now, unixTime: unixTime) {
            (_) throws(ErrorCause) in
        }
        guard case .reply(let answer) = outcome else { throw Missing() }
        let received = try ReceivedPacket(parsing: answer)
        let unique = Array(bytes[4..<20])
        #expect(authenticator.hasMessageAuthenticator(received, request: unique, secret: secret) == true)
        #expect(authenticator.isResponse(received, to: unique, secret: secret))
    }

    @Test(arguments: [
        // What names nobody, or nothing to do.
        ("402", PacketCode.changeRequest, attributes { $0.add(.dslDownstreamRate, 1) }),
        ("402", .changeRequest, attributes { $0.add(.userName, "gateway-1") }),
        ("402", .disconnectRequest, attributes { _ in }),
        ("401", .disconnectRequest, attributes { $0.add(.userName, "a"); $0.add(.dslDownstreamRate, 1) }),
        ("403", .disconnectRequest, attributes { $0.add(.userName, "a"); $0.add(.nasIdentifier, "haap-2") }),
        ("403", .disconnectRequest,
            attributes { $0.add(.userName, "a"); $0.add(.nasIPAddress, IPv4Address(192, 0, 2, 77)) }),
        ("405", .changeRequest, attributes { $0.add(.userName, "a"); $0.add(.serviceType, 17) }),
        ("407", .disconnectRequest, AttributeList([RADIUSAttribute(.standard(8), [1])], vendor: vendor)),
    ])
    func requestsThatCannotBe(cause: String, code: PacketCode, list: AttributeList) throws {
        var dynamic = dynamic()
        let (answer, asked) = try take(&dynamic, request(code) { $0 = list })
        #expect(answer == "\(code.rawValue + 2)/\(cause)" && asked == nil)
    }

    @Test func identificationOfThisProgramIsAccepted() throws {
        var dynamic = dynamic()
        let bytes = request(.disconnectRequest) {
            $0.add(.nasIdentifier, "haap-1")
            $0.add(.nasIPAddress, IPv4Address(10, 9, 0, 1))
            $0.add(.framedIPAddress, IPv4Address(100, 64, 0, 2))
        }
        let (answer, asked) = try take(&dynamic, bytes)
        #expect(answer == "41" && asked?.target.framedIPAddress == IPv4Address(100, 64, 0, 2))
    }

    @Test func changesThatHaveNoEffectAreNotAcknowledged() {
        #expect(throws: ErrorCause.unsupportedAttribute) {
            try AccessChange(attributes { $0.add(.dslDownstreamRate, 1); $0.add(.rttThreshold, 1) })
        }
        #expect(throws: ErrorCause.invalidAttributeValue) {
            try AccessChange(attributes { $0.add(.dslDownstreamRate, 0) })
        }
    }

    @Test func theSameAgainIsAnsweredTheSameAndNotDoneTwice() throws {
        var dynamic = dynamic()
        let bytes = request(.disconnectRequest) { $0.add(.userName, "gateway-1") }
        #expect(try take(&dynamic, bytes).0 == "41")
        let (answer, asked) = try take(&dynamic, bytes, at: now + .seconds(5))
        #expect(answer == "r" && asked == nil)
        #expect(try take(&dynamic, bytes, port: 5001).0 == "41", "another port: another request")
        #expect(try take(&dynamic, bytes, at: now + .seconds(40)).0 == "41", "too late to be a repetition")
    }

    @Test(arguments: [
        (0, "41"), (-299, "41"), (299, "41"), (-301, "d(stale)"), (301, "d(stale)"), (-1_700_000_000, "d(stale)"),
    ])
    func replaysAreStale(age: Int64, expected: String) throws {
        var dynamic = dynamic()
        let bytes = request(.disconnectRequest) {
            $0.add(.userName, "gateway-1")
            $0.add(.eventTimestamp, UInt32(unixTime + age))
        }
        #expect(try take(&dynamic, bytes).0 == expected)
    }

    @Test func aTimestampMayBeRequired() throws {
        var dynamic = dynamic { $0.requiresTimestamp = true }
        #expect(try take(&dynamic, request(.disconnectRequest) { $0.add(.userName, "a") }).0 == "d(stale)")
    }

    /// RFC 5176 §3.1: as they were, in their order.
    @Test func proxyStatesComeBack() throws {
        var dynamic = dynamic()
        let bytes = request(.disconnectRequest) {
            $0.add(.proxyState, [1])
            $0.add(.userName, "a")
            $0.add(.proxyState, [2, 3])
        }
        let outcome = dynamic.receive(bytes, from: server, port: 1, now: now, unixTime: unixTime) {
            (_) throws(ErrorCause) in
        }
        guard case .reply(let answer) = outcome else { throw Missing() }
        let list = AttributeList(try ReceivedPacket(parsing: answer).packet.attributes, vendor: vendor)
        #expect(try list.all(.proxyState) == [[1], [2, 3]])
        // So many that no Error-Cause fits beside them.
        let full = request(.disconnectRequest) {
            for _ in 0..<15 { $0.add(.proxyState, [UInt8](repeating: 1, count: 253)) }
            $0.add(.proxyState, [UInt8](repeating: 1, count: 249))
        }
        #expect(full.count == 4096)
        #expect(try take(&dynamic, full).0 == "d(unanswerable)")
    }

    @Test func memoryIsBounded() throws {
        var dynamic = dynamic()
        var first: [UInt8] = []
        for n in 0..<2000 {
            let bytes = request(.disconnectRequest, identifier: UInt8(n & 255)) { $0.add(.userName, "gateway-\(n)") }
            if n == 0 { first = bytes }
            #expect(try take(&dynamic, bytes).0 == "41")
        }
        #expect(dynamic.remembered == DynamicAuthorization.memoryLimit)
        #expect(try take(&dynamic, first).0 == "41", "forgotten")
    }
}

extension DynamicRequest.Target {
    fileprivate static func named(_ name: String) -> Self {
        var target = Self()
        target.userName = name
        return target
    }
}
