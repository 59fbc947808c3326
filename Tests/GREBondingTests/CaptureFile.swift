import ProtocolSupport

@testable import GREBonding

/// A capture file of GRE packets for an independent dissector to read: pcap 2.4, link type 101 (raw IP), big-endian.
struct CaptureFile {
    enum Outer: CaseIterable {
        case v4, v6
    }

    private(set) var bytes = [UInt8](hex: "a1b2c3d4" + "00020004" + "00000000" + "00000000" + "0000ffff" + "00000065")

    mutating func append(gre: [UInt8], in outer: Outer) {
        let packet =
            switch outer {
            case .v4: Self.ipv4Header(payloadLength: gre.count) + gre
            case .v6: Self.ipv6Header(payloadLength: gre.count) + gre
            }
        bytes += [UInt8](repeating: 0, count: 8)
        bytes.append(bigEndian: UInt32(packet.count))
        bytes.append(bigEndian: UInt32(packet.count))
        bytes += packet
    }

    /// 192.0.2.1 → 192.0.2.2, protocol 47.
    private static func ipv4Header(payloadLength: Int) -> [UInt8] {
        var header: [UInt8] = [0x45, 0]
        header.append(bigEndian: UInt16(20 + payloadLength))
        header += [UInt8](hex: "00004000" + "402f0000" + "c0000201" + "c0000202")
        var sum: UInt32 = 0
        for i in stride(from: 0, to: 20, by: 2) { sum += UInt32(header[i]) << 8 | UInt32(header[i + 1]) }
        while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
        header[10] = UInt8(truncatingIfNeeded: ~sum >> 8)
        header[11] = UInt8(truncatingIfNeeded: ~sum)
        return header
    }

    /// 2001:db8::1 → 2001:db8::2, next header 47.
    private static func ipv6Header(payloadLength: Int) -> [UInt8] {
        var header = [UInt8](hex: "60000000")
        header.append(bigEndian: UInt16(payloadLength))
        return header + [UInt8](hex: "2f40" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002")
    }
}
