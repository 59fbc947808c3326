import Addresses
import TestSupport
import Testing

@testable import Leases

@Suite struct CodecTests {
    private static var message4: DHCPv4Message {
        var message = DHCPv4Message(.reply, transactionID: 0x0102_0304, hardwareAddress: [2, 0, 0, 0, 0, 9])
        message.messageType = .ack
        message.leaseTime = 3600
        message.subnetMaskLength = 20
        message.interfaceMTU = 1384
        message.classlessRoutes = [ClasslessRoute(prefix("10.0.0.0/9"), via: Sample.serverAddress)!]
        message.relayAgentInformation = [RelayAgentSuboption(1, [7, 8])]
        return message
    }

    private static var message6: DHCPv6Message {
        var message = DHCPv6Message(.reply, transactionID: 0xABCDEF)
        message.client = DUID(linkLayer: [2, 0, 0, 0, 0, 9])
        message.server = Sample.serverDUID
        message.nameServers = [IPv6Address(high: 1, low: 2)]
        var ia = IAPD(iaid: 7)
        ia.prefixes = [IAPrefix(prefix("2001:db8::/56"), preferredLifetime: 1, validLifetime: 2)!]
        ia.status = DHCPv6Status(.success, message: [0x6F])
        message.ias = [ia]
        message.others = [DHCPv6Option(999, [1])]
        return message
    }

    @Test func aMessageIsTheSameAfterTheWire() throws {
        let bytes = Self.message4.serialized()
        #expect(try DHCPv4Message(parsing: bytes) == Self.message4)
        #expect(bytes.count == 300)
        #expect(Self.message4[121] == [9, 10, 0, 100, 64, 0, 1])
        #expect(Self.message4.classlessRoutes?.first?.destination == prefix("10.0.0.0/9"))
        #expect(try DHCPv6Message(parsing: Self.message6.serialized()) == Self.message6)
    }

    @Test func longOptionsAreSplitAndOverflow() throws {
        var message = Self.message4
        message[200] = (0..<600).map { UInt8($0 & 255) }
        #expect(try DHCPv4Message(parsing: message.serialized()) == message)
        message[200] = [UInt8](repeating: 5, count: 255)
        message[201] = [UInt8](repeating: 6, count: 100)
        let bytes = message.serialized()
        #expect(bytes.count <= DHCPv4Message.standardLength)
        #expect(try DHCPv4Message(parsing: bytes) == message)
    }

    @Test func hostileBytesAreRefusedOrSurvive() {
        var random = SplitMix(state: 2131)
        var accepted = 0
        for round in 0..<6000 {
            var bytes = round % 2 == 0 ? Self.message4.serialized() : Self.message6.serialized()
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: round % 2 == 0 ? 236..<bytes.count : 0..<bytes.count, using: &random)
                bytes[place] = .random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0...20, using: &random)) }
            if let message = try? DHCPv4Message(parsing: bytes) {
                accepted += 1
                #expect((try? DHCPv4Message(parsing: message.serialized())) == message)
            }
            if let message = try? DHCPv6Message(parsing: bytes) {
                accepted += 1
                #expect((try? DHCPv6Message(parsing: message.serialized())) == message)
            }
        }
        #expect(accepted > 500)
    }
}
