import Addresses
import ProtocolSupport

/// An echo request or reply in its IPv4 packet, RFC 792. What it carries after its number is padding.
struct Echo {
    static let request: UInt8 = 8
    static let reply: UInt8 = 0
    private static let icmp: UInt8 = 1
    private static let header = 28

    var type: UInt8
    var source: IPv4Address
    var destination: IPv4Address
    var identifier: UInt16
    var number: UInt16

    init(from source: IPv4Address, to destination: IPv4Address, identifier: UInt16, number: UInt16) {
        (type, self.source, self.destination) = (Self.request, source, destination)
        (self.identifier, self.number) = (identifier, number)
    }

    /// nil for anything else.
    init?(_ packet: RawSpan) {
        var reader = ByteReader(packet)
        guard let first = reader.uint8(), first == 0x45, reader.array(8) != nil, reader.uint8() == Self.icmp,
            reader.uint16() != nil, let source = reader.ipv4(), let destination = reader.ipv4(),
            let type = reader.uint8(), reader.array(3) != nil, let identifier = reader.uint16(), let number = reader.uint16()
        else { return nil }
        (self.type, self.source, self.destination) = (type, source, destination)
        (self.identifier, self.number) = (identifier, number)
    }

    /// - Parameter length: bytes of the whole packet, 28 at least
    func packet(length: Int) -> [UInt8] {
        let length = max(Self.header, min(length, Int(UInt16.max)))
        var packet: [UInt8] = [0x45, 0]
        packet.append(bigEndian: UInt16(length))
        packet += [0, 0, 0x40, 0, 64, Self.icmp, 0, 0]
        packet += source.bytes + destination.bytes
        packet.replaceSubrange(10..<12, with: [UInt8](bigEndian: ~Self.sum(packet[...])))
        packet += [type, 0, 0, 0]
        packet.append(bigEndian: identifier)
        packet.append(bigEndian: number)
        packet += [UInt8](repeating: 0, count: length - Self.header)
        packet.replaceSubrange(22..<24, with: [UInt8](bigEndian: ~Self.sum(packet[20...])))
        return packet
    }

    /// The ones' complement sum of RFC 1071.
    private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
        var sum: UInt32 = 0
        var isHigh = true
        for byte in bytes {
            sum += isHigh ? UInt32(byte) << 8 : UInt32(byte)
            isHigh.toggle()
        }
        while sum > 0xFFFF { sum = (sum >> 16) + (sum & 0xFFFF) }
        return UInt16(sum)
    }
}
