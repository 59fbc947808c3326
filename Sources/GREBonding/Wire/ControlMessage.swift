import ProtocolSupport

/// A control message of the GRE Tunnel Bonding Protocol: RFC 8157 §5.
///
/// What is parsed, serialized and parsed again in the same dialect is the same message. The bytes are the same too,
/// except that reserved bits of the GRE header are cleared and an end marker that was missing is added.
public struct ControlMessage: Hashable, Sendable {
    /// MsgType.
    public var type: MessageType
    /// The leg whose tunnel carries the message (T-Type).
    public var leg: LegID
    /// The Key field: 0 in the first Setup Request of a bond, the Bonding Key Value in all that follows.
    public var key: UInt32
    /// In the order of the wire, unknown ones included. The end marker of the deployed dialect is not among them.
    public var attributes: [Attribute]

    /// Nothing is checked: which attributes a type must carry is for the sessions to know.
    public init(type: MessageType, leg: LegID, key: UInt32, attributes: [Attribute] = []) {
        self.type = type
        self.leg = leg
        self.key = key
        self.attributes = attributes
    }

    /// The T-Type sent for a leg that the dialect has no code for. It is reserved in both: receivers ignore it.
    private static let unassignedTunnelType: UInt8 = 0xF

    /// The dialect of a packet by its protocol type; nil when it is too short or not a control message.
    /// - Parameter bytes: from the GRE header on.
    public static func dialect(of bytes: RawSpan) -> Dialect? {
        var reader = ByteReader(bytes)
        guard reader.uint16() != nil, let protocolType = reader.uint16() else { return nil }
        return Dialect(protocolType: protocolType)
    }

    /// See ``dialect(of:)-(RawSpan)``.
    public static func dialect(of bytes: [UInt8]) -> Dialect? { dialect(of: bytes.span.bytes) }

    /// Parses a message that extends to the end of `bytes`.
    ///
    /// In the deployed dialect the last attribute is taken off when it is the end marker (255 without a value). A
    /// message that lacks it is accepted. A marker that is not last is kept as an unknown attribute, and what follows
    /// it is parsed like the rest: attributes after it are neither hidden nor lost.
    /// - Parameter bytes: from the GRE header on.
    /// - Throws: all reasons of ``WireError/Reason``.
    public init(parsing bytes: RawSpan, dialect: Dialect) throws(WireError) {
        let header = try GREHeader(parsing: bytes)
        guard header.protocolType == dialect.protocolType else {
            let other = Dialect(protocolType: header.protocolType) != nil
            throw WireError(other ? .otherDialect : .notControlMessage, offset: 2)
        }
        guard let key = header.key, header.checksum == nil, header.sequenceNumber == nil else {
            throw WireError(.badFlags, offset: 0)
        }
        var reader = ByteReader(bytes.extracting(droppingFirst: header.headerLength))
        guard let types = reader.uint8() else { throw WireError(.truncated, offset: bytes.byteCount) }
        guard let type = MessageType(rawValue: types >> 4) else {
            throw WireError(.reservedMessageType, offset: header.headerLength)
        }
        guard let leg = dialect.leg(ofTunnelType: types & 0xF) else {
            throw WireError(.reservedTunnelType, offset: header.headerLength)
        }
        var attributes: [Attribute] = []
        while reader.remaining > 0 {
            attributes.append(try Attribute(from: &reader, base: header.headerLength))
        }
        if dialect.hasEndMarker, attributes.last == Self.endMarker { attributes.removeLast() }
        self.init(type: type, leg: leg, key: key, attributes: attributes)
    }

    /// See ``init(parsing:dialect:)-(RawSpan,_)``.
    public init(parsing bytes: [UInt8], dialect: Dialect) throws(WireError) {
        try self.init(parsing: bytes.span.bytes, dialect: dialect)
    }

    /// The message from the GRE header on, in network byte order, with the dialect's end marker.
    ///
    /// A leg other than primary and secondary gets a T-Type that every receiver ignores.
    public func serialized(dialect: Dialect) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64)
        GREHeader(protocolType: dialect.protocolType, key: key).append(to: &bytes)
        bytes.append(type.rawValue << 4 | (dialect.tunnelType(of: leg) ?? Self.unassignedTunnelType))
        for attribute in attributes { attribute.append(to: &bytes) }
        if dialect.hasEndMarker { Self.endMarker.append(to: &bytes) }
        return bytes
    }

    static let endMarker = Attribute.unknown(type: Dialect.endMarkerType, value: [])
}
