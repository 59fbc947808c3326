import Testing

@testable import GREBonding

@Suite struct WireErrorTests {
    /// Tricky inputs with the fault that must be found in them.
    static let corpus: [(String, WireError)] = [
        ("", WireError(.truncated, offset: 0)),
        ("2000b7", WireError(.truncated, offset: 3)),
        ("2000b7ea", WireError(.truncated, offset: 4)),
        ("2000b7ea000000", WireError(.truncated, offset: 7)),
        ("2000b7ea00000000", WireError(.truncated, offset: 8)),
        ("2000080000000000" + "45", WireError(.notControlMessage, offset: 2)),
        ("2000010100000000" + "40", WireError(.otherDialect, offset: 2)),
        ("2001880b00000000" + "41", WireError(.badVersion, offset: 1)),
        ("2007b7ea00000000" + "41", WireError(.badVersion, offset: 1)),
        ("0000b7ea" + "41", WireError(.badFlags, offset: 0)),
        ("6000b7ea00000000" + "41", WireError(.badFlags, offset: 0)),
        ("2800b7ea00000000" + "41", WireError(.badFlags, offset: 0)),
        ("2400b7ea00000000" + "41", WireError(.badFlags, offset: 0)),
        ("3000b7ea0000000000000000" + "41", WireError(.badFlags, offset: 0)),
        ("a000b7ea0000000000000000" + "41", WireError(.badFlags, offset: 0)),
        ("3000b7ea00000000", WireError(.truncated, offset: 8)),
        ("2000b7ea00000000" + "01", WireError(.reservedMessageType, offset: 8)),
        ("2000b7ea00000000" + "71", WireError(.reservedMessageType, offset: 8)),
        ("2000b7ea00000000" + "f1", WireError(.reservedMessageType, offset: 8)),
        ("2000b7ea00000000" + "40", WireError(.reservedTunnelType, offset: 8)),
        ("2000b7ea00000000" + "48", WireError(.reservedTunnelType, offset: 8)),
        ("2000b7ea00000000" + "4104", WireError(.attributeTruncated, offset: 9, attributeType: 4)),
        ("2000b7ea00000000" + "410400", WireError(.attributeTruncated, offset: 9, attributeType: 4)),
        ("2000b7ea00000000" + "41040004000000", WireError(.attributeTruncated, offset: 9, attributeType: 4)),
        ("2000b7ea00000000" + "41c8ffff00", WireError(.attributeTruncated, offset: 9, attributeType: 200)),
        ("2000b7ea00000000" + "4123000004", WireError(.attributeTruncated, offset: 12, attributeType: 4)),
        (
            "2000b7ea00000000" + "41230000" + "0400050000000000",
            WireError(.attributeLength, offset: 12, attributeType: 4)
        ),
        (
            "2000b7ea00000000" + "61" + "080007" + "00000001000100",
            WireError(.attributeLength, offset: 9, attributeType: 8)
        ),
    ]

    @Test(arguments: corpus)
    func isFound(hex: String, error: WireError) {
        #expect(throws: error) { try ControlMessage(parsing: [UInt8](hex: hex), dialect: .rfc8157) }
    }

    /// RFC 8157 §5: T-Types other than 1 and 2.
    @Test func everyReservedTunnelTypeIsFound() {
        for code in [0] + Array(3...15) as [UInt8] {
            for type in MessageType.allCases {
                let bytes = [UInt8](hex: "2000b7ea00000000") + [type.rawValue << 4 | code]
                #expect(throws: WireError(.reservedTunnelType, offset: 8)) {
                    try ControlMessage(parsing: bytes, dialect: .rfc8157)
                }
            }
        }
    }

    @Test func everyPrefixOfAMessageFailsOrEndsAtAnAttribute() throws {
        for message in Sample.messages {
            let bytes = message.serialized(dialect: .rfc8157)
            for count in bytes.indices {
                guard let parsed = try? ControlMessage(parsing: Array(bytes[..<count]), dialect: .rfc8157) else {
                    continue
                }
                #expect(parsed.attributes.elementsEqual(message.attributes.prefix(parsed.attributes.count)))
                #expect(parsed.serialized(dialect: .rfc8157).count == count)
            }
        }
    }

    @Test(arguments: AttributeType.allCases)
    func aWrongLengthIsFoundInEveryKnownType(type: AttributeType) {
        for length in 0...64 {
            var bytes = [UInt8](hex: "2000b7ea0000000061") + [type.rawValue, 0, UInt8(length)]
            bytes += [UInt8](repeating: 0, count: length)
            let isRight = type == .filterListPackage ? length >= 8 : type.lengths == length...length
            #expect(isRight == ((try? ControlMessage(parsing: bytes, dialect: .rfc8157)) != nil))
        }
    }

    @Test func reasonsHaveStableNames() {
        #expect(
            WireError.Reason.allCases.map(\.rawValue) == [
                "truncated", "not_control_message", "other_dialect", "bad_flags", "bad_version",
                "reserved_message_type", "reserved_tunnel_type", "attribute_truncated", "attribute_length",
            ])
        #expect(
            WireError(.attributeLength, offset: 9, attributeType: 14).description
                == "attribute_length at byte 9, attribute 14 (Active Hello Interval)")
    }
}
