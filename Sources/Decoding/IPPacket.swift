import Addresses

/// Where a packet belongs that is a part of a larger one: RFC 791 §3.1, RFC 8200 §4.5.
struct Fragment: Sendable {
    /// Where this part begins, in bytes from the start of the fragmented payload.
    let offset: Int
    /// Whether other parts follow.
    let moreFollow: Bool
}

/// An IPv4 or IPv6 packet; IPv6 extension headers are passed over.
struct IPPacket {
    let source: IPAddress
    let destination: IPAddress
    /// Of the payload: 47 is GRE.
    let protocolNumber: UInt8
    /// nil for a whole packet.
    let fragment: Fragment?
    /// What there is of the payload, without padding of the link layer.
    let payload: ArraySlice<UInt8>
    /// How many bytes the length field announces beyond those that there are.
    let missing: Int

    init(parsing bytes: ArraySlice<UInt8>, _ family: IPFamily) throws(Unreadable) {
        switch family {
        case .v4: try self.init(ipv4: bytes)
        case .v6: try self.init(ipv6: bytes)
        }
    }

    private init(ipv4 bytes: ArraySlice<UInt8>) throws(Unreadable) {
        var reader = PacketReader(bytes)
        guard let first = reader.uint8(), first >> 4 == 4, reader.uint8() != nil,
            let totalLength = reader.uint16(), reader.uint16() != nil, let fragment = reader.uint16(),
            reader.uint8() != nil, let protocolNumber = reader.uint8(), reader.uint16() != nil,
            let source = reader.take(4).flatMap({ IPAddress(bytes: $0) }),
            let destination = reader.take(4).flatMap({ IPAddress(bytes: $0) }),
            case let headerLength = Int(first & 0xF) * 4, headerLength >= 20, reader.take(headerLength - 20) != nil
        else { throw Unreadable() }
        // 0 is what a machine that segments in hardware captures of what it sends.
        let announced = totalLength == 0 ? reader.rest.count : Int(totalLength) - headerLength
        guard announced >= 0 else { throw Unreadable() }
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.fragment = Fragment(offset: Int(fragment & 0x1FFF) * 8, moreFollow: fragment & 0x2000 != 0).ifPart
        payload = reader.rest.prefix(announced)
        missing = announced - payload.count
    }

    private init(ipv6 bytes: ArraySlice<UInt8>) throws(Unreadable) {
        var reader = PacketReader(bytes)
        guard let first = reader.uint32(), first >> 28 == 6, let payloadLength = reader.uint16(),
            var next = reader.uint8(), reader.uint8() != nil,
            let source = reader.take(16).flatMap({ IPAddress(bytes: $0) }),
            let destination = reader.take(16).flatMap({ IPAddress(bytes: $0) })
        else { throw Unreadable() }
        // 0 as with IPv4, and for jumbograms (RFC 2675 §2).
        let announced = payloadLength == 0 ? reader.rest.count : Int(payloadLength)
        missing = announced - reader.rest.prefix(announced).count
        var rest = PacketReader(reader.rest.prefix(announced))
        var fragment: Fragment?
        // Each header takes at least eight bytes, so this ends. The header after a later fragment's is not there.
        walk: while fragment.map({ $0.offset == 0 }) ?? true {
            var ahead = rest
            switch next {
            case 44:
                guard let following = ahead.uint8(), ahead.uint8() != nil, let field = ahead.uint16(),
                    ahead.uint32() != nil
                else { throw Unreadable() }
                fragment = Fragment(offset: Int(field >> 3) * 8, moreFollow: field & 1 != 0).ifPart ?? fragment
                next = following
            // Hop-by-Hop Options, Routing, Destination Options, Mobility, HIP, Shim6, AH: RFC 8200 §4, RFC 4302 §2.2.
            case 0, 43, 60, 135, 139, 140, 51:
                guard let following = ahead.uint8(), let length = ahead.uint8(),
                    ahead.take(next == 51 ? Int(length) * 4 + 6 : Int(length) * 8 + 6) != nil
                else { throw Unreadable() }
                next = following
            default: break walk
            }
            rest = ahead
        }
        self.source = source
        self.destination = destination
        self.fragment = fragment
        protocolNumber = next
        payload = rest.rest
    }
}

extension Fragment {
    /// nil when it is the whole packet.
    fileprivate var ifPart: Fragment? { offset == 0 && !moreFollow ? nil : self }
}
