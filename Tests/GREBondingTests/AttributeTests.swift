import Addresses
import ProtocolSupport
import Testing

@testable import GREBonding

@Suite struct RangeViolationTests {
    /// Type, value, what to use instead (nil: the value is allowed). Ranges: RFC 8157 §5.2.
    static let cases: [(AttributeType, UInt32, UInt32?)] = [
        (.rttDifferenceThreshold, 0, nil), (.rttDifferenceThreshold, 1000, nil), (.rttDifferenceThreshold, 5000, 1000),
        (.bypassBandwidthCheckInterval, 9, 10), (.bypassBandwidthCheckInterval, 10, nil),
        (.bypassBandwidthCheckInterval, 300, nil), (.bypassBandwidthCheckInterval, 301, 300),
        (.activeHelloInterval, 0, 1), (.activeHelloInterval, 1, nil), (.activeHelloInterval, 100, nil),
        (.activeHelloInterval, .max, 100), (.helloRetryTimes, 2, 3), (.helloRetryTimes, 3, nil),
        (.helloRetryTimes, 10, nil), (.helloRetryTimes, 11, 10), (.idleTimeout, 0, nil), (.idleTimeout, 1, 60),
        (.idleTimeout, 90, 120), (.idleTimeout, 1440, nil), (.idleTimeout, 172_800, nil),
        (.idleTimeout, 172_801, 172_800), (.idleTimeout, .max, 172_800),
        (.rttDifferenceThresholdViolation, 0, 1), (.rttDifferenceThresholdViolation, 25, nil),
        (.rttDifferenceThresholdViolation, 26, 25), (.rttDifferenceThresholdCompliance, 0, 1),
        (.rttDifferenceThresholdCompliance, 25, nil), (.rttDifferenceThresholdCompliance, 26, 25),
        (.idleHelloInterval, 99, 100), (.idleHelloInterval, 100, nil), (.idleHelloInterval, 150, 200),
        (.idleHelloInterval, 86_400, nil), (.idleHelloInterval, 86_401, 86_400),
        (.noTrafficMonitoredInterval, 29, 30), (.noTrafficMonitoredInterval, 30, nil),
        (.noTrafficMonitoredInterval, 86_400, nil), (.noTrafficMonitoredInterval, 86_401, 86_400),
        (.errorCode, 0, 1), (.errorCode, 12, nil), (.errorCode, 13, 12),
        (.sessionID, 0, nil), (.bondingKeyValue, .max, nil), (.bypassTrafficRate, .max, nil),
    ]

    @Test(arguments: cases)
    func isReportedAndRoundTrips(type: AttributeType, value: UInt32, clamped: UInt32?) throws {
        var bytes = [UInt8](hex: "2000b7ea0000000022") + [type.rawValue, 0, 4]
        bytes.append(bigEndian: value)
        let message = try ControlMessage(parsing: bytes, dialect: .rfc8157)
        let attribute = try #require(message.attributes.first)
        #expect(attribute.violation?.clamped == clamped)
        #expect(attribute.violation?.value == clamped.map { _ in value })
        if type == .errorCode {
            #expect(attribute.clamped == attribute)
        } else {
            #expect(attribute.clamped.violation == nil)
        }
        #expect(message.serialized(dialect: .rfc8157) == bytes)
    }

    @Test func structuredValues() {
        let long = Attribute.ipv6PrefixAssignedByHAAP(AssignedIPv6Prefix(address: .any, length: 129))
        #expect(long.violation?.allowed == 0...128)
        #expect(long.clamped == .ipv6PrefixAssignedByHAAP(AssignedIPv6Prefix(address: .any, length: 128)))
        #expect(AssignedIPv6Prefix(address: .any, length: 129).prefix == nil)
        #expect(Attribute.ipv6PrefixAssignedToHost(.none).violation == nil)
        #expect(Attribute.timestamp(Timestamp(seconds: 1, milliseconds: 1000)).violation?.clamped == 999)
        let ack = FilterListPackageACK(commitCount: 1, code: .init(rawValue: 3))
        #expect(Attribute.filterListPackageACK(ack).violation?.allowed == 0...2)
        let item = FilterItem(.fqdn, description: "", value: String(repeating: "a", count: 954))
        let package = FilterListPackage(commitCount: 1, items: [item])
        #expect(package.valueLength == 970)
        #expect(Attribute.filterListPackage(package).violation?.value == 970)
        for attribute in Sample.allAttributes { #expect(attribute.violation == nil) }
    }

    @Test func saysWhatIsWrong() {
        #expect(
            Attribute.idleTimeout(90).violation?.description == "Idle Timeout 90 is not in 0–172800 in steps of 60")
    }
}

@Suite struct AttributeValueTests {
    @Test func clientIdentificationNameIsPaddedWithZeros() throws {
        let name = try #require(ClientIdentificationName("gw"))
        #expect(name.bytes == [0x67, 0x77] + [UInt8](repeating: 0, count: 38))
        #expect(name.text == "gw")
        #expect(ClientIdentificationName(String(repeating: "a", count: 40))?.text?.count == 40)
        #expect(ClientIdentificationName(String(repeating: "a", count: 41)) == nil)
        #expect(ClientIdentificationName(String(repeating: "ä", count: 21)) == nil)
        #expect(ClientIdentificationName("")?.text == "")
    }

    @Test func clientIdentificationNameThatIsNoTextIsToldApart() throws {
        let invalid = try #require(ClientIdentificationName(bytes: [0xFF] + [UInt8](repeating: 0, count: 39)))
        #expect(invalid.text == nil)
        #expect(invalid.description == "\u{FFFD}")
        let embedded = try #require(
            ClientIdentificationName(bytes: [0x61, 0, 0x62] + [UInt8](repeating: 0, count: 37)))
        #expect(embedded.text == nil)
        let escape = try #require(ClientIdentificationName("a\u{1B}[2J\nb"))
        #expect(escape.text == nil)
        #expect(!escape.description.unicodeScalars.contains { $0.value < 0x20 })
    }

    @Test func timestampCountsMilliseconds() {
        #expect(Timestamp(totalMilliseconds: 61_234) == Timestamp(seconds: 61, milliseconds: 234))
        #expect(Timestamp(seconds: .max, milliseconds: .max).totalMilliseconds == 4_299_262_262_295)
        #expect(Timestamp(totalMilliseconds: .max).milliseconds < 1000)
    }

    @Test func everyDefinedErrorCodeHasAMeaning() {
        let meanings = ErrorCode.defined.map { ErrorCode(rawValue: $0).description }
        #expect(Set(meanings).count == 12)
        #expect(!meanings.contains { $0.contains("unknown") })
        #expect(ErrorCode(rawValue: 13).description == "unknown error code 13")
        #expect(ErrorCode(rawValue: .max).rawValue == .max)
    }
}

@Suite struct GREHeaderTests {
    static let headers: [(String, GREHeader)] = [
        ("00000800", GREHeader(protocolType: 0x0800)),
        ("2000080001020304", GREHeader(protocolType: 0x0800, key: 0x0102_0304)),
        ("300086dd0102030400009e50", GREHeader(protocolType: 0x86DD, key: 0x0102_0304, sequenceNumber: 40_528)),
        ("1000080000000001", GREHeader(protocolType: 0x0800, sequenceNumber: 1)),
        ("80000800abcd0000", GREHeader(protocolType: 0x0800, checksum: 0xABCD)),
        (
            "b0000800abcd00000000000100000002",
            GREHeader(protocolType: 0x0800, checksum: 0xABCD, key: 1, sequenceNumber: 2)
        ),
    ]

    @Test(arguments: headers)
    func roundTrips(hex: String, header: GREHeader) throws {
        let parsed = try GREHeader(parsing: [UInt8](hex: hex + "4500"))
        #expect(parsed == header)
        #expect(parsed.headerLength == hex.count / 2)
        #expect(header.serialized().hex == hex)
        for count in 0..<hex.count / 2 {
            #expect(throws: WireError(.truncated, offset: count)) {
                try GREHeader(parsing: Array([UInt8](hex: hex)[..<count]))
            }
        }
    }

    @Test func reservedBits() throws {
        #expect(throws: WireError(.badFlags, offset: 0)) { try GREHeader(parsing: [0x40, 0, 8, 0, 0, 0, 0, 0]) }
        #expect(throws: WireError(.badVersion, offset: 1)) { try GREHeader(parsing: [0x20, 1, 8, 0, 0, 0, 0, 0]) }
        #expect(try GREHeader(parsing: [0x03, 0xF8, 8, 0]) == GREHeader(protocolType: 0x0800))
    }
}
