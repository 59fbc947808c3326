import Addresses
import ProtocolSupport

/// A UDP datagram in its IPv4 packet. A client without an address frames its own: the kernel sends nothing from
/// 0.0.0.0, and takes nothing in for an address that it does not have yet.
public struct DHCPv4Datagram: Hashable, Sendable {
    public var source: IPv4Address
    public var destination: IPv4Address
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    public var payload: [UInt8]

    public static let clientPort: UInt16 = 68
    public static let serverPort: UInt16 = 67
    private static let udp: UInt8 = 17

    public init(
        from source: IPv4Address, _ sourcePort: UInt16, to destination: IPv4Address, _ destinationPort: UInt16,
        _ payload: [UInt8]
    ) {
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.payload = payload
    }

    /// nil for what is not a whole UDP datagram in an IPv4 packet that is no fragment.
    /// - Parameters:
    ///   - packet: from the IPv4 header on; what comes after its length is ignored
    ///   - isSummed: false where the kernel has left the UDP checksum for a network card to fill in
    public init?(packet: [UInt8], isSummed: Bool = true) {
        guard packet.count >= 20, packet[0] >> 4 == 4, packet[9] == Self.udp else { return nil }
        let header = Int(packet[0] & 0xF) * 4
        let total = Int(packet[2]) << 8 | Int(packet[3])
        guard header >= 20, total <= packet.count, total - header >= 8, packet[6] & 0x3F == 0, packet[7] == 0,
            Self.sum(packet[..<header]) == 0xFFFF
        else { return nil }
        let datagram = packet[header..<total]
        let head = Array(datagram.prefix(8))
        var reader = ByteReader(head.span.bytes)
        guard let from = reader.uint16(), let to = reader.uint16(), let length = reader.uint16(),
            let checksum = reader.uint16(), (8...datagram.count).contains(Int(length)),
            let source = IPv4Address(bytes: packet[12..<16]), let destination = IPv4Address(bytes: packet[16..<20])
        else { return nil }
        let whole = datagram.prefix(Int(length))
        // A checksum of 0 is none: RFC 768.
        if isSummed, checksum != 0, Self.sum(whole, Self.pseudoHeader(source, destination, length)) != 0xFFFF {
            return nil
        }
        self.init(from: source, from, to: destination, to, Array(whole.dropFirst(8)))
    }

    /// The IPv4 packet; nil when the payload does not fit into one.
    public var packet: [UInt8]? {
        guard let total = UInt16(exactly: payload.count + 28) else { return nil }
        // DSCP CS6, as network control has it (RFC 4594 §3.2); TTL 64.
        var header: [UInt8] = [0x45, 0xC0]
        header.append(bigEndian: total)
        header += [0, 0, 0, 0, 64, Self.udp, 0, 0]
        header += source.bytes + destination.bytes
        header.replaceSubrange(10..<12, with: [UInt8](bigEndian: ~Self.sum(header[...])))
        var datagram = [UInt8](bigEndian: sourcePort)
        datagram.append(bigEndian: destinationPort)
        datagram.append(bigEndian: total - 20)
        datagram += [0, 0] + payload
        let checksum = ~Self.sum(datagram[...], Self.pseudoHeader(source, destination, total - 20))
        datagram.replaceSubrange(6..<8, with: [UInt8](bigEndian: checksum == 0 ? 0xFFFF : checksum))
        return header + datagram
    }

    private static func pseudoHeader(_ source: IPv4Address, _ destination: IPv4Address, _ length: UInt16) -> UInt32 {
        [source.rawValue, destination.rawValue].reduce(UInt32(udp) + UInt32(length)) {
            $0 + ($1 >> 16) + ($1 & 0xFFFF)
        }
    }

    /// The ones' complement sum of RFC 1071, at most 65535 bytes.
    private static func sum(_ bytes: ArraySlice<UInt8>, _ start: UInt32 = 0) -> UInt16 {
        var sum = start
        var isHigh = true
        for byte in bytes {
            sum += isHigh ? UInt32(byte) << 8 : UInt32(byte)
            isHigh.toggle()
        }
        while sum > 0xFFFF { sum = (sum >> 16) + (sum & 0xFFFF) }
        return UInt16(sum)
    }
}
