import Addresses
import TestSupport
import Testing

@testable import Leases

@Suite struct DHCPv4DatagramTests {
    private let datagram = DHCPv4Datagram(
        from: IPv4Address(192, 0, 2, 1), 67, to: IPv4Address(100, 64, 0, 2), 68, [1, 2, 3])

    /// The checksums were computed by another program.
    private let golden: [UInt8] = [
        0x45, 0xC0, 0x00, 0x1F, 0x00, 0x00, 0x00, 0x00, 0x40, 0x11, 0x53, 0xCB, 0xC0, 0x00, 0x02, 0x01, 0x64, 0x40,
        0x00, 0x02, 0x00, 0x43, 0x00, 0x44, 0x00, 0x0B, 0xD5, 0x0B, 0x01, 0x02, 0x03,
    ]

    @Test func packetIsWhatItShouldBe() {
        #expect(datagram.packet == golden)
        #expect(DHCPv4Datagram(packet: golden) == datagram)
        #expect(DHCPv4Datagram(packet: golden + [9, 9]) == datagram, "padding of the link")
    }

    @Test func checksums() {
        for place in golden.indices {
            var changed = golden
            changed[place] ^= 0x10
            #expect(DHCPv4Datagram(packet: changed) == nil, "byte \(place)")
        }
        // A checksum that a card would fill in, and none at all.
        var unsummed = golden
        unsummed[26] = 0x12
        #expect(DHCPv4Datagram(packet: unsummed) == nil)
        #expect(DHCPv4Datagram(packet: unsummed, isSummed: false) == datagram)
        (unsummed[26], unsummed[27]) = (0, 0)
        #expect(DHCPv4Datagram(packet: unsummed) == datagram)
    }

    @Test func nothingShorterIsRead() {
        for count in 0..<golden.count { #expect(DHCPv4Datagram(packet: Array(golden.prefix(count))) == nil) }
    }

    /// What cannot be a header must not be read as one.
    @Test(arguments: [(0, 0x65), (0, 0x44), (0, 0x4F), (6, 0x20), (7, 0x01), (9, 6), (3, 0x14), (25, 0x07), (25, 0xFF)])
    func headersThatLie(place: Int, value: UInt8) {
        var packet = golden
        packet[place] = value
        // The header's checksum made right again.
        (packet[10], packet[11]) = (0, 0)
        var sum: UInt32 = 0
        for i in stride(from: 0, to: min(20, packet.count), by: 2) { sum += UInt32(packet[i]) << 8 | UInt32(packet[i + 1]) }
        while sum > 0xFFFF { sum = (sum >> 16) + (sum & 0xFFFF) }
        (packet[10], packet[11]) = (UInt8(~sum >> 8 & 0xFF), UInt8(~sum & 0xFF))
        #expect(DHCPv4Datagram(packet: packet, isSummed: false) == nil)
    }

    @Test func anyBytes() {
        var random = SplitMix(state: 1)
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if bytes.count > 9 { (bytes[0], bytes[9]) = (0x40 | bytes[0] & 0xF, 17) }
            if let found = DHCPv4Datagram(packet: bytes, isSummed: false) { #expect(found.payload.count <= bytes.count) }
        }
        #expect(DHCPv4Datagram(from: .any, 68, to: .any, 67, [UInt8](repeating: 0, count: 65_508)).packet == nil)
        #expect(DHCPv4Datagram(from: .any, 68, to: .any, 67, [UInt8](repeating: 0, count: 65_507)).packet?.count == 65_535)
    }
}
