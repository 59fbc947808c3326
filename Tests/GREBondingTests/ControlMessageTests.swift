import Addresses
import Testing

@testable import GREBonding

@Suite struct ControlMessageTests {
    @Test func samplesHaveEveryAttributeType() {
        #expect(Set(Sample.allAttributes.map(\.type)) == Set(1...35))
        #expect(Set(Sample.allAttributes.compactMap(\.knownType)) == Set(AttributeType.allCases))
        #expect(Set(Sample.messages.map(\.type)) == Set(MessageType.allCases))
    }

    @Test(arguments: Dialect.allCases)
    func everyMessageSurvivesTheWire(dialect: Dialect) throws {
        for message in Sample.messages {
            let bytes = message.serialized(dialect: dialect)
            #expect(ControlMessage.dialect(of: bytes) == dialect)
            #expect(try ControlMessage(parsing: bytes, dialect: dialect) == message)
        }
    }

    /// Field by field from RFC 8157 §5, figure 2 and §5.2.9.
    @Test func serializesToTheStandardsBytes() {
        let message = ControlMessage(
            type: .setupAccept, leg: .secondary, key: 0x0102_0304, attributes: [.bondingKeyValue(0xdead_beef)])
        #expect(message.serialized(dialect: .rfc8157).hex == "2000b7ea01020304" + "22" + "140004deadbeef")
        #expect(message.serialized(dialect: .deployed).hex == "2000010101020304" + "20" + "140004deadbeef" + "ff0000")
    }

    @Test(arguments: [
        (Dialect.rfc8157, LegID.primary, UInt8(1)), (.rfc8157, .secondary, 2), (.deployed, .primary, 8),
        (.deployed, .secondary, 0),
    ])
    func tunnelTypes(dialect: Dialect, leg: LegID, code: UInt8) {
        #expect(dialect.tunnelType(of: leg) == code)
        #expect(dialect.leg(ofTunnelType: code) == leg)
        for other in UInt8(0)...15 where other != code { #expect(dialect.leg(ofTunnelType: other) != leg) }
    }

    @Test(arguments: Dialect.allCases)
    func aLegWithoutACodeIsIgnoredByReceivers(dialect: Dialect) {
        let bytes = ControlMessage(type: .hello, leg: LegID(rawValue: 2), key: 0).serialized(dialect: dialect)
        #expect(throws: WireError(.reservedTunnelType, offset: 8)) {
            try ControlMessage(parsing: bytes, dialect: dialect)
        }
    }

    @Test func lookupsFindTheFirstOccurrence() throws {
        let message = ControlMessage(
            type: .setupAccept, leg: .secondary, key: 0, attributes: [.idleTimeout(60), .sessionID(1), .sessionID(2)])
        #expect(message.sessionID == 1)
        #expect(message.idleTimeout == 60)
        #expect(message.bondingKey == nil)
        #expect(message.contains(.sessionID))
        #expect(!message.contains(.tunnelVerification))
        let all = ControlMessage(type: .notify, leg: .primary, key: 0, attributes: Sample.allAttributes)
        #expect(all.hIPv4Address?.description == "192.0.2.1")
        #expect(all.timestamp?.totalMilliseconds == 0x0001_0203 * 1000 + 999)
        #expect(all.filterListPackageACK?.code == .oldListKept)
        #expect(all.ipv6PrefixAssignedToHost?.prefix?.description == "2001:db8:102:300::/56")
        #expect(all.errorCode == .maintenance)
        #expect(all.clientIdentificationName?.text == "gateway-7")
    }

    @Test func unknownAttributesAreKept() throws {
        let bytes = [UInt8](hex: "2000b7ea00000000" + "61" + "350003010203" + "230000" + "000000" + "ff000100")
        let message = try ControlMessage(parsing: bytes, dialect: .rfc8157)
        #expect(
            message.attributes == [
                .unknown(type: 53, value: [1, 2, 3]), .tunnelVerification, .unknown(type: 0, value: []),
                .unknown(type: 255, value: [0]),
            ])
        #expect(message.serialized(dialect: .rfc8157) == bytes)
    }

    @Test func headerBitsThatAReceiverIgnoresAreCleared() throws {
        let message = try ControlMessage(parsing: [UInt8](hex: "23f8b7ea0000000041"), dialect: .rfc8157)
        #expect(message.serialized(dialect: .rfc8157).hex == "2000b7ea0000000041")
    }

    @Test func anOverlongValueIsCutWhenSent() throws {
        let long = [UInt8](repeating: 7, count: 70_000)
        let item = FilterItem(type: 1, descriptionBytes: long, value: long)
        let message = ControlMessage(
            type: .notify, leg: .primary, key: 0,
            attributes: [
                .unknown(type: 200, value: long), .filterListPackage(FilterListPackage(commitCount: 1, items: [item])),
                .tunnelVerification,
            ])
        let parsed = try ControlMessage(parsing: message.serialized(dialect: .rfc8157), dialect: .rfc8157)
        #expect(parsed.attributes.map(\.type) == [200, 8, 35])
        #expect(parsed.attributes.first == .unknown(type: 200, value: Array(long.prefix(65_535))))
    }
}

/// Attribute 255 of the deployed dialect.
@Suite struct EndMarkerTests {
    private let head = "2000010100000000" + "60"

    private func parse(_ tail: String) throws -> ControlMessage {
        try ControlMessage(parsing: [UInt8](hex: head + tail), dialect: .deployed)
    }

    @Test func onlyTheLastIsTakenOff() throws {
        #expect(try parse("ff0000").attributes == [])
        #expect(try parse("ff0000ff0000").attributes == [.unknown(type: 255, value: [])])
        #expect(try parse("ff0000ff0000").serialized(dialect: .deployed).hex == head + "ff0000ff0000")
    }

    @Test func aMissingOneIsAdded() throws {
        let message = try parse("230000")
        #expect(message.attributes == [.tunnelVerification])
        #expect(message.serialized(dialect: .deployed).hex == head + "230000ff0000")
        #expect(try parse("").attributes == [])
    }

    @Test func attributesBehindItAreNotHidden() throws {
        let message = try parse("ff0000230000")
        #expect(message.attributes == [.unknown(type: 255, value: []), .tunnelVerification])
        let again = try ControlMessage(parsing: message.serialized(dialect: .deployed), dialect: .deployed)
        #expect(again == message)
    }

    @Test func oneWithAValueIsAnUnknownAttribute() throws {
        #expect(try parse("ff000100").attributes == [.unknown(type: 255, value: [0])])
    }
}
