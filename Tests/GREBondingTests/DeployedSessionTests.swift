import Addresses
import Foundation
import Testing

@testable import GREBonding

/// One real session of the deployed network (Vectors/deployed-session.json, `source` says how it was taken).
struct DeployedSession: Decodable {
    struct Message: Decodable, CustomTestStringConvertible, Sendable {
        struct Attribute: Decodable, Sendable {
            var type: UInt8
            var length: Int
            var value: String
        }
        var name: String
        var leg: String
        var messageType: UInt8
        var tunnelType: UInt8
        var greKey: String
        var hex: String
        var attributes: [Attribute]

        var testDescription: String { name }
        var bytes: [UInt8] { [UInt8](hex: hex) }
    }
    var messages: [Message]

    static let messages: [Message] = {
        guard let url = Bundle.module.url(forResource: "Vectors/deployed-session", withExtension: "json"),
            let data = try? Data(contentsOf: url),
            let session = try? JSONDecoder().decode(DeployedSession.self, from: data)
        else { return [] }
        return session.messages
    }()
}

extension [UInt8] {
    init(hex: String) {
        let digits = hex.compactMap(\.hexDigitValue)
        self = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    var hex: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

@Suite struct DeployedSessionTests {
    @Test func allMessagesAreThere() { #expect(DeployedSession.messages.count == 26) }

    @Test(arguments: DeployedSession.messages)
    func parsesToTheListedAttributesAndSerializesToTheSameBytes(vector: DeployedSession.Message) throws {
        #expect(ControlMessage.dialect(of: vector.bytes) == .deployed)
        let message = try ControlMessage(parsing: vector.bytes, dialect: .deployed)
        #expect(message.type.rawValue == vector.messageType)
        #expect(message.leg == (vector.leg == "lte" ? .secondary : .primary))
        #expect(Dialect.deployed.tunnelType(of: message.leg) == vector.tunnelType)
        #expect(message.key == UInt32(vector.greKey.dropFirst(2), radix: 16))

        let listed = vector.attributes
        #expect(listed.last?.type == Dialect.endMarkerType)
        try #require(message.attributes.count == listed.count - 1)
        for (attribute, expected) in zip(message.attributes, listed) {
            #expect(attribute.type == expected.type)
            var bytes: [UInt8] = []
            attribute.append(to: &bytes)
            #expect(bytes.count == 3 + expected.length)
            #expect(bytes.dropFirst(3).elementsEqual([UInt8](hex: expected.value)))
            #expect(attribute.violation == nil)
        }
        #expect(message.serialized(dialect: .deployed).hex == vector.hex)
    }

    @Test(arguments: DeployedSession.messages)
    func isNotTakenForTheStandardDialect(vector: DeployedSession.Message) {
        #expect(throws: WireError(.otherDialect, offset: 2)) {
            try ControlMessage(parsing: vector.bytes, dialect: .rfc8157)
        }
    }

    private func message(_ name: String) throws -> ControlMessage {
        let vector = try #require(DeployedSession.messages.first { $0.name == name })
        return try ControlMessage(parsing: vector.bytes, dialect: .deployed)
    }

    @Test func setupRequestNamesTheGateway() throws {
        let request = try message("lte-022-setup-request")
        #expect(request.clientIdentificationName?.text == "ExampleGateway_01.02.003")
        #expect(request.key == 0)
        #expect(request.sessionID == nil)
    }

    @Test func setupAcceptCarriesTheParameters() throws {
        let accept = try message("lte-023-setup-accept")
        #expect(accept.hIPv6Address?.description == "2001:db8:5200:100::6")
        #expect(accept.sessionID == 0x8818)
        #expect(accept.bondingKey == accept.key)
        #expect(accept.rttDifferenceThreshold == 0)
        #expect(accept.idleTimeout == 86_400)
        #expect(accept.idleHelloInterval == 1000)
        #expect(accept.noTrafficMonitoredInterval == 180)
        #expect(accept.attributes.last == .unknown(type: 65, value: [0, 0, 0, 0]))
    }

    @Test func filterListIsWhole() throws {
        let package = try #require(message("lte-040-notify").filterListPackages.first)
        #expect(package.commitCount == 0x5bc7_d709)
        #expect(package.packetSum == 1)
        #expect(package.packetID == 1)
        #expect(package.valueLength == 513)
        #expect(package.malformedRemainder.isEmpty)
        #expect(package.items.count == 14)
        #expect(package.items.first == FilterItem(.dscp, description: "VOICE_RTP", value: "46"))
        #expect(package.items.last?.description == "TV.FCC-Media/failover/VLAN8")
        #expect(try message("lte-041-notify").filterListPackageACK?.code == .acknowledged)
    }
}
