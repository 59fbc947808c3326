import Addresses
import Foundation
import GREBonding
import Testing

@testable import Decoding

@Suite struct MessageTests {
    private func problems(_ message: ControlMessage, _ dialect: Dialect = .rfc8157) throws -> [Problem] {
        try #require(control(Build.ipv4(message.serialized(dialect: dialect)))).problems
    }

    private func problems(hex: String) throws -> [Problem] {
        try #require(control(Build.ipv4([UInt8](hex: hex)))).problems
    }

    @Test(arguments: Dialect.allCases) func goodMessagesHaveNoProblems(dialect: Dialect) throws {
        let types = Set(Samples.messages.flatMap { $0.attributes.compactMap(\.knownType) })
        #expect(types == Set(AttributeType.allCases))
        #expect(Set(Samples.messages.map(\.type)) == Set(MessageType.allCases))
        for message in Samples.messages {
            let packet = try #require(control(Build.ipv6(message.serialized(dialect: dialect))))
            #expect(packet.message.dialect == dialect)
            #expect(packet.message.key == message.key)
            #expect(packet.message.messageType == message.type.rawValue)
            #expect(packet.message.leg == message.leg)
            #expect(packet.message.attributes.map(\.attribute) == message.attributes)
            #expect(packet.message.hasEndMarker == dialect.hasEndMarker)
            #expect(packet.problems.isEmpty, "\(message.type) \(packet.problems)")
            #expect(!packet.isDamaged)
        }
    }

    @Test func aRealSessionHasNoProblems() throws {
        let messages = try DeployedSession.load()
        #expect(messages.count == 26)
        for message in messages {
            let packet = try #require(control(Build.ipv6(message.bytes)))
            #expect(packet.message.dialect == .deployed)
            #expect(packet.problems.isEmpty, "\(message.name) \(packet.problems)")
        }
    }

    /// Message from the GRE header on, and all reasons that are given, with their places.
    @Test(arguments: [
        ("2000b7ea00000000", "truncated 8"),
        ("2001b7ea00000000 41", "bad_version 1"),
        ("0000b7ea 51 1100040000000a", "bad_flags 0"),
        ("3000b7ea0000000000000001 51 1100040000000a", "bad_flags 0"),
        ("2000b7ea00000000 01", "reserved_message_type 8"),
        ("2000b7ea00000000 f0", "reserved_message_type 8, reserved_tunnel_type 8"),
        ("2000b7ea00000000 55 1100040000000a", "reserved_tunnel_type 8"),
        ("2000b7ea00000000 51 1100040000000a 23", "attribute_truncated 16"),
        ("2000b7ea00000000 61 06000500000000 00 230000", "attribute_length 9"),
        ("2000b7ea00000000 61 06000300000011 0001aa", "attribute_length 9, attribute_length 15"),
        ("2000b7ea00000000 51 1100040000000d", "out_of_range 9"),
        ("2000b7ea00000000 61 c8000101 230000", "unknown_attribute 9"),
        ("2000010100000000 68 c8000101 230000 ff0000", ""),
        ("2000010100000000 68 230000", "missing_end_marker"),
        ("2000b7ea00000000 61 1100040000000a", "unexpected_attribute 9"),
        ("2000b7ea00000000 51", "missing_attribute"),
        ("2000b7ea00000000 42 0500080000000100000002", "missing_attribute"),
        ("2000b7ea00000000 61 080008 00000001 0001 0002", "packet_numbering 9"),
        ("2000b7ea00000000 61 080008 00000001 0000 0000", "packet_numbering 9"),
        ("2000b7ea00000000 61 08000b 00000001 0001 0001 aabbcc", "malformed_item 9"),
        ("2000b7ea00000000 61 080011 00000001 0001 0001 0002 0005 0001 0000 34", ""),
        ("2000b7ea00000000 61 080012 00000001 0001 0001 0002 0006 0001 0000 3939", "unusable_item 9"),
        ("2000b7ea00000000 61 0d0011 20010db8000000000000000000000000 81", "out_of_range 9, unexpected_attribute 9"),
    ])
    func whatIsWrong(hex: String, expected: String) throws {
        let found = try problems(hex: hex).map { $0.reason + ($0.offset.map { " \($0)" } ?? "") }
        #expect(found.joined(separator: ", ") == expected)
    }

    @Test func attributesOfTheOtherLeg() throws {
        var request = Samples.request
        request.attributes.append(.dslSynchronizationRate(1))
        #expect(try problems(request).map(\.attributeType) == [7])
        request.leg = .primary
        #expect(try problems(request).map(\.reason) == ["unexpected_attribute", "missing_attribute"])
    }

    /// An attribute of wrong length hides nothing, and a message that is cut off is shown as far as it goes.
    @Test func damagedMessagesAreReadAsFarAsTheyGo() throws {
        let packet = try #require(
            control(Build.ipv4([UInt8](hex: "2000b7ea00000007 51 0400021234 1100040000000a 05000800"))))
        #expect(
            packet.message.attributes.map(\.attribute) == [
                .unknown(type: 4, value: [0x12, 0x34]), .errorCode(.maintenance),
            ])
        #expect(packet.message.remainder == [5, 0, 8, 0])
        #expect(
            packet.text(.first) == """
                #1 2023-11-14T22:13:20.042000000Z 192.0.2.1 > 192.0.2.2 rfc8157 key 0x00000007 DSL GRE Tunnel Tear Down
                  4 Session ID: 1234
                  17 Error Code: 10 (HAAP ended the session for maintenance)
                  not read: 05000800
                  error at byte 9: attribute 4 (Session ID) has a length that it cannot have [attribute_length]
                  error at byte 21: the message ends inside attribute 5 (Timestamp) [attribute_truncated]
                """)
    }

    @Test func textOfAPeerCannotActOnATerminal() throws {
        var name = [UInt8](repeating: 0, count: 40)
        name.replaceSubrange(0..<6, with: [0x1B, 0x5B, 0x32, 0x4A, 0x0A, 0xFF])
        let item = FilterItem(type: 1, descriptionBytes: [0x1B, 0x0A], value: [0x9B, 0xC2, 0x9B, 0x22])
        for message in [
            ControlMessage(
                type: .setupRequest, leg: .secondary, key: 0,
                attributes: [.clientIdentificationName(ClientIdentificationName(bytes: name)!)]),
            ControlMessage(
                type: .notify, leg: .primary, key: 0,
                attributes: [.filterListPackage(FilterListPackage(commitCount: 1, items: [item]))]),
        ] {
            let packet = try #require(control(Build.ipv4(message.serialized(dialect: .rfc8157))))
            for text in [packet.text(.first), packet.json(.first)] {
                let values = text.split(separator: "\n").flatMap { $0.unicodeScalars.map(\.value) }
                #expect(values.allSatisfy { $0 >= 0x20 && !(0x7F...0x9F).contains($0) })
            }
            #expect(throws: Never.self) {
                try JSONSerialization.jsonObject(with: Data(packet.json(.first).utf8))
            }
        }
    }
}
