import ProtocolSupport

/// A RADIUS packet: RFC 2865 §3.
public struct RADIUSPacket: Hashable, Sendable {
    public static let headerLength = 20
    public static let maximumLength = 4096

    public var code: PacketCode
    public var identifier: UInt8
    /// 16 bytes.
    public var authenticator: [UInt8]
    /// In their order, the Message-Authenticator among them.
    public var attributes: [RADIUSAttribute]

    public init(
        code: PacketCode, identifier: UInt8, authenticator: [UInt8] = [UInt8](repeating: 0, count: 16),
        attributes: [RADIUSAttribute] = []
    ) {
        self.code = code
        self.identifier = identifier
        self.authenticator = authenticator
        self.attributes = attributes
    }

    /// nil when the attributes do not fit.
    public func serialized() -> [UInt8]? {
        let length = attributes.reduce(Self.headerLength) { $0 + $1.length }
        guard length <= Self.maximumLength else { return nil }
        var bytes: [UInt8] = [code.rawValue, identifier]
        bytes.reserveCapacity(length)
        bytes.append(bigEndian: UInt16(truncatingIfNeeded: length))
        bytes += authenticator.prefix(16)
        for attribute in attributes { attribute.append(to: &bytes) }
        return bytes
    }
}

/// What came in a datagram: the packet, and its bytes, which the authenticators cover.
public struct ReceivedPacket: Hashable, Sendable {
    public let packet: RADIUSPacket
    /// Without what followed the packet in its datagram.
    public let bytes: [UInt8]
    /// Where the 16 bytes of the Message-Authenticator begin (RFC 3579 §3.2); nil: there is none.
    public let messageAuthenticator: Int?

    public init(parsing datagram: [UInt8]) throws(PacketError) {
        guard datagram.count >= RADIUSPacket.headerLength else { throw .truncated }
        let length = Int(datagram[2]) << 8 | Int(datagram[3])
        guard (RADIUSPacket.headerLength...RADIUSPacket.maximumLength).contains(length) else { throw .badLength }
        // What is longer than it says is padded; what is shorter has lost its end.
        guard datagram.count >= length else { throw .truncated }
        let bytes = Array(datagram[..<length])
        var reader = ByteReader(bytes.span.bytes)
        reader.offset = RADIUSPacket.headerLength
        var place: Int?
        let attributes = try RADIUSAttribute.read(&reader) { (value, end) throws(PacketError) in
            guard value.count == 16, place == nil else { throw .badMessageAuthenticator }
            place = end - 16
        }
        self.bytes = bytes
        messageAuthenticator = place
        packet = RADIUSPacket(
            code: PacketCode(rawValue: bytes[0]), identifier: bytes[1], authenticator: Array(bytes[4..<20]),
            attributes: attributes)
    }
}
