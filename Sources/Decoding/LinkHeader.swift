import Addresses

/// A header is cut off or contradicts itself: there is no packet to look at.
struct Unreadable: Error {}

/// The headers before the IP header.
struct LinkHeader {
    /// VLAN identifiers (12 bits), outermost first: IEEE 802.1Q.
    private(set) var vlans: [UInt16] = []
    /// The session of PPPoE: RFC 2516 §4.
    private(set) var pppoeSession: UInt16?
    /// The family that the headers announce; nil when they carry something other than IP.
    private(set) var family: IPFamily?
    /// From the IP header on. What an Ethernet device has padded is still there.
    private(set) var payload: ArraySlice<UInt8> = []

    init(parsing frame: [UInt8], _ type: LinkType) throws(Unreadable) {
        var reader = PacketReader(frame[...])
        switch type {
        case .ethernet:
            guard reader.take(12) != nil, let etherType = reader.uint16() else { throw Unreadable() }
            try readPayload(of: etherType, &reader)
        case .linuxSLL:
            // Packet type, ARPHRD type, address length, address; then the protocol.
            guard reader.take(14) != nil, let etherType = reader.uint16() else { throw Unreadable() }
            try readPayload(of: etherType, &reader)
        case .linuxSLL2:
            // The protocol; then two reserved bytes, interface index, ARPHRD type, packet type, address.
            guard let etherType = reader.uint16(), reader.take(18) != nil else { throw Unreadable() }
            try readPayload(of: etherType, &reader)
        case .ppp, .pppSerial: try readPPP(&reader)
        case .pppoe: try readPPPoE(&reader)
        case .null, .loop:
            guard let value = reader.uint32() else { throw Unreadable() }
            switch min(value, value.byteSwapped) {
            case 2: ip(.v4, reader)
            // Linux; then NetBSD, FreeBSD and Darwin, whose captures are read on Linux too.
            case 10, 24, 28, 30: ip(.v6, reader)
            default: break
            }
        case .rawIP:
            guard let first = reader.rest.first else { throw Unreadable() }
            switch first >> 4 {
            case 4: ip(.v4, reader)
            case 6: ip(.v6, reader)
            default: throw Unreadable()
            }
        case .rawIPv4: ip(.v4, reader)
        case .rawIPv6: ip(.v6, reader)
        }
    }

    private mutating func ip(_ family: IPFamily, _ reader: PacketReader) {
        self.family = family
        payload = reader.rest
    }

    private mutating func readPayload(of etherType: UInt16, _ reader: inout PacketReader) throws(Unreadable) {
        var etherType = etherType
        // IEEE 802.1Q, 802.1ad, and what came before the latter.
        while [0x8100, 0x88A8, 0x9100].contains(etherType) {
            guard let tag = reader.uint16(), let next = reader.uint16() else { throw Unreadable() }
            vlans.append(tag & 0xFFF)
            etherType = next
        }
        switch etherType {
        case 0x0800: ip(.v4, reader)
        case 0x86DD: ip(.v6, reader)
        case 0x8864: try readPPPoE(&reader)
        default: break
        }
    }

    private mutating func readPPPoE(_ reader: inout PacketReader) throws(Unreadable) {
        guard reader.take(2) != nil, let session = reader.uint16(), let length = reader.uint16() else {
            throw Unreadable()
        }
        pppoeSession = session
        var payload = PacketReader(reader.rest.prefix(Int(length)))
        try readPPP(&payload)
    }

    private mutating func readPPP(_ reader: inout PacketReader) throws(Unreadable) {
        // Address and Control may be left out (RFC 1661 §6.6), as may the first byte of the Protocol (§6.5).
        if reader.rest.starts(with: [0xFF, 0x03]) { _ = reader.take(2) }
        guard let first = reader.uint8() else { throw Unreadable() }
        var protocolNumber = UInt16(first)
        if first & 1 == 0 {
            guard let second = reader.uint8() else { throw Unreadable() }
            protocolNumber = protocolNumber << 8 | UInt16(second)
        }
        switch protocolNumber {
        case 0x0021: ip(.v4, reader)
        case 0x0057: ip(.v6, reader)
        default: break
        }
    }
}
