import Addresses
import TestSupport
import Testing

@testable import RADIUS

/// The examples of RFC 2865 §7 with their secret, and those of RFC 5176 §7, whose secret is not told.
@Suite struct WireTests {
    static let nemo = bytes(
        """
        01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
        93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03
        """)
    static let accept = bytes(
        """
        02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00
        0e 06 c0 a8 01 03
        """)
    static let flopsy = bytes(
        """
        01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9
        75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00
        02 07 06 00 00 00 01
        """)
    static let flopsyAccept = bytes(
        """
        02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02 07 06 00 00 00 01
        08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc
        """)
    static let mopsy = bytes(
        """
        01 03 00 43 b1 22 55 6d 42 8a 13 d0 d6 25 38 07 c4 57 ec f0 01 07 6d 6f 70 73 79 02 12 69 2c 1f
        20 5f c0 81 b9 19 b9 51 95 f5 61 a5 81 04 06 c0 a8 01 10 05 06 00 00 00 07 18 10 33 32 37 36 39
        34 33 30
        """)
    static let reject = bytes("03 03 00 14 a4 2f 4f ca 45 91 6c 4e 09 c8 34 0f 9e 74 6a a0")
    static let challenge = bytes(
        """
        0b 02 00 4e 36 f3 c8 76 4a e8 c7 11 57 40 3c 0c 71 ff 9c 45 12 30 43 68 61 6c 6c 65 6e 67 65 20
        33 32 37 36 39 34 33 30 2e 20 20 45 6e 74 65 72 20 72 65 73 70 6f 6e 73 65 20 61 74 20 70 72 6f
        6d 70 74 2e 18 0a 33 32 37 36 39 34 33 30
        """)

    @Test(arguments: [nemo, accept, flopsy, flopsyAccept, reject, challenge])
    func examplesAreTheSameAfterTheWire(example: [UInt8]) throws {
        let received = try ReceivedPacket(parsing: example)
        #expect(received.packet.serialized() == example)
        #expect(try ReceivedPacket(parsing: example + [1, 2, 3]).bytes == example, "padding is left out")
    }

    @Test func attributesOfAnExample() throws {
        let packet = try ReceivedPacket(parsing: Self.nemo).packet
        #expect(packet.code == .accessRequest && packet.identifier == 0)
        let list = AttributeList(packet.attributes, vendor: vendor)
        #expect(try list.first(.userName) == "nemo")
        #expect(try list.first(.nasIPAddress) == IPv4Address(192, 168, 1, 16))
        let answer = AttributeList(try ReceivedPacket(parsing: Self.flopsyAccept).packet.attributes, vendor: vendor)
        #expect(try AccessGrant(answer).address == nil, "255.255.255.254: this end chooses")
    }

    /// RFC 2865 §7.1: the password is "arctangent"; §7.3: "99101462".
    @Test func passwordsAreHidden() {
        for (example, password) in [(Self.nemo, "arctangent"), (Self.mopsy, "99101462")] {
            let hidden = authenticator.hidden(
                Array(password.utf8), authenticator: Array(example[4..<20]), secret: secret)
            let place = 20 + Int(example[21]) + 2
            #expect(hidden == Array(example[place..<place + 16]))
        }
    }

    @Test func longPasswordsTakeSeveralBlocks() {
        let unique = [UInt8](repeating: 7, count: 16)
        func hidden(_ length: Int) -> [UInt8] {
            authenticator.hidden([UInt8](repeating: 65, count: length), authenticator: unique, secret: secret)
        }
        #expect([0, 1, 16, 17, 128, 500].map { hidden($0).count } == [16, 16, 16, 32, 128, 128])
        #expect(hidden(17).prefix(16) == hidden(16)[...])
    }

    @Test(arguments: [(accept, nemo), (flopsyAccept, flopsy), (reject, mopsy)])
    func examplesProveThemselves(answer: [UInt8], request: [UInt8]) throws {
        let unique = Array(request[4..<20])
        var received = try ReceivedPacket(parsing: answer)
        #expect(authenticator.isResponse(received, to: unique, secret: secret))
        #expect(!authenticator.isResponse(received, to: unique, secret: [0]))
        #expect(authenticator.hasMessageAuthenticator(received, request: unique, secret: secret) == nil)
        #expect(authenticator.response(received.packet, to: unique, secret: secret) == answer, "and is made the same")
        for place in answer.indices where place < 2 || place >= 4 {
            var changed = answer
            changed[place] ^= 1
            guard let other = try? ReceivedPacket(parsing: changed) else { continue }
            received = other
            #expect(!authenticator.isResponse(received, to: unique, secret: secret), "byte \(place)")
        }
    }

    /// RFC 5176 §7.
    @Test func disconnectRequestsOfTheStandard() throws {
        let named = try ReceivedPacket(parsing: bytes("2801001c1b23624c3543ceba55f1be55a714ca5e01086d6368696261"))
        #expect(named.packet.code == .disconnectRequest && named.packet.identifier == 1)
        #expect(try AttributeList(named.packet.attributes, vendor: vendor).first(.userName) == "mchiba")
        let session = try ReceivedPacket(
            parsing: bytes("2801001ead0d8e5355b6bd02a0cbace64e3877bd2c0a3930323334353637"))
        #expect(try AttributeList(session.packet.attributes, vendor: vendor).first(.acctSessionID) == "90234567")
        let address = try ReceivedPacket(parsing: bytes("2801001a0bda33fe765b05f0fd9cc32a2f6b518208060a000203"))
        let list = AttributeList(address.packet.attributes, vendor: vendor)
        #expect(try list.first(.framedIPAddress) == IPv4Address(10, 0, 2, 3))
    }

    /// RFC 2202 §2, test cases 1, 2, 3, 6.
    @Test func hmac() {
        #expect(
            authenticator.hmac(Array("Hi There".utf8), [UInt8](repeating: 11, count: 16))
                == bytes("9294727a3638bb1c13f48ef8158bfc9d"))
        #expect(
            authenticator.hmac(Array("what do ya want for nothing?".utf8), Array("Jefe".utf8))
                == bytes("750c783e6ab0b503eaa86e310a5db738"))
        #expect(
            authenticator.hmac([UInt8](repeating: 0xDD, count: 50), [UInt8](repeating: 0xAA, count: 16))
                == bytes("56be34521d144c88dbb8c733f0e8b3f6"))
        let long = Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)
        #expect(
            authenticator.hmac(long, [UInt8](repeating: 0xAA, count: 80)) == bytes("6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"))
    }

    @Test func accessRequestsCarryAMessageAuthenticatorFirst() throws {
        let unique = [UInt8](0..<16)
        let list = attributes { $0.add(.userName, "gateway-1") }
        let request = try #require(
            authenticator.accessRequest(9, list.items, password: [1], authenticator: unique, secret: secret))
        let received = try ReceivedPacket(parsing: request)
        #expect(received.packet.attributes.first?.code == .standard(80) && received.messageAuthenticator == 22)
        #expect(authenticator.hasMessageAuthenticator(received, request: unique, secret: secret) == true)
        #expect(authenticator.hasMessageAuthenticator(received, request: unique, secret: [9]) == false)
        #expect(received.packet.authenticator == unique)
    }

    @Test func vendorsAttributes() throws {
        let list = attributes { $0.add(.dslDownstreamRate, 50_000) }
        let packet = RADIUSPacket(code: .accessAccept, identifier: 1, attributes: list.items)
        let wire = try #require(packet.serialized())
        #expect(Array(wire.suffix(12)) == bytes("1a0c 00007ed9 02 06 0000c350"))
        #expect(try ReceivedPacket(parsing: wire).packet == packet)
        // Several in one, those of another vendor, and one in a form of its own.
        let together = RADIUSAttribute.vendor(bytes("00007ed9 02 06 0000c350 01 06 00000400"))
        #expect(together.map(\.code) == [.vendor(vendor, 2), .vendor(vendor, 1)])
        #expect(RADIUSAttribute.vendor(bytes("00007ed9 02 07 0000c350")).map(\.code) == [.standard(26)])
        #expect(RADIUSAttribute.vendor(bytes("00007ed9")).map(\.code) == [.standard(26)])
        #expect(try AttributeList(RADIUSAttribute.vendor(bytes("0000000902060000c350")), vendor: vendor)
            .first(.dslDownstreamRate) == nil)
    }

    @Test(arguments: [
        (IPPrefix("2001:db8::/32")!, "00 20 20010db8"), (IPPrefix("2001:db8:1:200::/56")!, "00 38 20010db8000102"),
        (IPPrefix("::/0")!, "00 00"), (IPPrefix("2001:db8::1/128")!, "00 80 20010db8000000000000000000000001"),
    ])
    func prefixes(prefix: IPPrefix, wire: String) throws {
        let list = attributes { $0.add(.delegatedIPv6Prefix, prefix) }
        #expect(list.items[0].value == bytes(wire))
        #expect(try list.first(.delegatedIPv6Prefix) == prefix)
    }

    /// Too short, too long, a length that no prefix has, bits beyond the length (RFC 3162 §2.3).
    @Test(arguments: [
        "00", "00 81", "00 20 20010d", "00 20 20010db8ff", "00 10 20010db8", "00 20 20010db800000000000000000000000000",
    ])
    func prefixesThatAreNone(wire: String) {
        let list = AttributeList([RADIUSAttribute(.standard(123), bytes(wire))], vendor: vendor)
        #expect(throws: AttributeError(name: "Delegated-IPv6-Prefix")) { try list.first(.delegatedIPv6Prefix) }
    }

    @Test(arguments: [
        ("192.0.2.0/24 0.0.0.0 1", IPFamily.v4, String?("192.0.2.0/24")), ("192.0.2.9", .v4, "192.0.2.9/32"),
        ("2001:db8::/32 :: 1", .v6, "2001:db8::/32"), ("192.0.2.1/24", .v4, nil), ("2001:db8::/32", .v4, nil),
        ("", .v4, nil), ("default", .v4, nil),
    ])
    func routes(text: String, family: IPFamily, expected: String?) {
        #expect(AccessGrant.route(text, family) == expected.flatMap(IPPrefix.init))
    }

    @Test(arguments: [
        ("", PacketError.truncated), ("01000014000000000000000000000000000000", .truncated),
        ("0100001300000000000000000000000000000000", .badLength),
        ("0100100100000000000000000000000000000000", .badLength),
        ("0100001500000000000000000000000000000000", .truncated),
        ("010000150000000000000000000000000000000001", .badAttribute),
        ("01000016000000000000000000000000000000000101", .badAttribute),
        ("01000016000000000000000000000000000000000103", .badAttribute),
        ("010000170000000000000000000000000000000050031f", .badMessageAuthenticator),
    ])
    func whatIsNoPacket(text: String, reason: PacketError) {
        #expect(throws: reason) { try ReceivedPacket(parsing: bytes(text)) }
    }

    @Test func hostileBytesAreRefusedOrSurvive() {
        var random = SplitMix(state: 2865)
        var accepted = 0
        let examples = [Self.nemo, Self.flopsyAccept, Self.challenge]
        for round in 0..<6000 {
            var wire = examples[round % 3]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                wire[Int.random(in: 0..<wire.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { wire.removeLast(Int.random(in: 0...20, using: &random)) }
            guard let received = try? ReceivedPacket(parsing: wire) else { continue }
            accepted += 1
            let again = received.packet.serialized().flatMap { try? ReceivedPacket(parsing: $0) }
            #expect(again?.packet == received.packet)
            _ = try? AccessGrant(AttributeList(received.packet.attributes, vendor: vendor))
        }
        #expect(accepted > 500)
    }

    @Test func secretsAreInNoText() {
        let server = RADIUSClient.Server(secret: SharedSecret(secret))
        #expect(!"\(server) \(String(reflecting: server))".contains("xyzzy"))
        var text = ""
        dump(server, to: &text)
        #expect(!text.contains("120"), "x")
    }
}
