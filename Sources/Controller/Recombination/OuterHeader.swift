/// What recombination needs of a packet: GRE key and sequence number (RFC 2890 §2), and which flow is inside.
struct OuterHeader: Hashable {
    var key: UInt32
    var sequence: UInt32
    /// Bytes of the outer packet, by its own word.
    var length: UInt32
    /// A hash of the inner addresses, protocol and ports; 0: not known, as of a fragment.
    var flow: UInt64 = 0

    /// - Parameter packet: from the outer IP header on, as much of it as there is; nil: not GRE with both fields
    init?(_ packet: RawSpan) {
        func byte(_ i: Int) -> UInt8 { packet.unsafeLoad(fromByteOffset: i, as: UInt8.self) }
        func word(_ i: Int) -> UInt32 {
            UInt32(bigEndian: packet.unsafeLoadUnaligned(fromByteOffset: i, as: UInt32.self))
        }
        guard packet.byteCount >= 20 else { return nil }
        let start: Int
        switch byte(0) >> 4 {
        case 4:
            start = Int(byte(0) & 0xF) * 4
            guard start >= 20, byte(9) == Self.gre else { return nil }
            length = word(0) & 0xFFFF
        case 6:
            start = 40
            guard byte(6) == Self.gre else { return nil }
            length = word(4) >> 16 + 40
        default: return nil
        }
        guard packet.byteCount >= start + 12, byte(start) & 0xB0 == 0x30, byte(start + 1) & 7 == 0 else { return nil }
        key = word(start + 4)
        sequence = word(start + 8)
        flow = Self.flow(packet, start + 12)
    }

    /// Of the inner packet at an offset. Words are added and stirred, which is enough to tell flows apart; whoever
    /// builds flows alike only disturbs the order of that subscriber's own.
    private static func flow(_ packet: RawSpan, _ at: Int) -> UInt64 {
        func word(_ i: Int) -> UInt32 { packet.unsafeLoadUnaligned(fromByteOffset: at + i, as: UInt32.self) }
        func byte(_ i: Int) -> UInt8 { packet.unsafeLoad(fromByteOffset: at + i, as: UInt8.self) }
        guard packet.byteCount >= at + 24 else { return 0 }
        let addresses: Range<Int>
        let transport: Int
        let number: UInt8
        switch byte(0) >> 4 {
        case 4:
            // More fragments, or one that is not the first: no ports to go by.
            guard UInt32(bigEndian: word(4)) & 0x3FFF == 0 else { return 0 }
            addresses = 3..<5
            number = byte(9)
            transport = Int(byte(0) & 0xF) * 4
        case 6:
            addresses = 2..<10
            number = byte(6)
            transport = 40
        default: return 0
        }
        guard transport >= 20, packet.byteCount >= at + transport + 4 else { return 0 }
        var hash = UInt64(number)
        for i in addresses { hash = stirred(hash ^ UInt64(word(i * 4))) }
        if number == tcp || number == udp { hash = stirred(hash ^ UInt64(word(transport))) }
        return max(hash, 1)
    }

    private static func stirred(_ value: UInt64) -> UInt64 {
        let (high, low) = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return high ^ low
    }

    /// IP protocol numbers.
    private static let gre: UInt8 = 47
    private static let tcp: UInt8 = 6
    private static let udp: UInt8 = 17
}
