import ProtocolSupport

/// What can be read of a control message that may be damaged, for people who look at captures. A session takes a
/// message whole or not at all: ``ControlMessage``.
public struct MessageInspection: Sendable {
    /// An attribute and where it is.
    public struct Element: Sendable {
        /// Where the attribute begins, in bytes from the start of the GRE header.
        public let offset: Int
        /// One of a known type that has a length its type cannot have is ``Attribute/unknown(type:value:)``.
        public let attribute: Attribute
    }

    /// The dialect that the protocol type says.
    public let dialect: Dialect
    /// The Key field, where the header has one.
    public private(set) var key: UInt32?
    /// MsgType, 0…15; see ``MessageType``.
    public private(set) var messageType: UInt8?
    /// T-Type, 0…15; see ``Dialect/leg(ofTunnelType:)``.
    public private(set) var tunnelType: UInt8?
    /// In the order of the wire, without the end marker.
    public private(set) var attributes: [Element] = []
    /// Whether the message ended with the end marker of the deployed dialect.
    public private(set) var hasEndMarker = false
    /// The bytes from the first one on that could not be read any more.
    public private(set) var remainder: [UInt8] = []
    /// Begins with what ``ControlMessage/init(parsing:dialect:)-(RawSpan,_)`` throws; empty when it throws nothing.
    public private(set) var faults: [WireError] = []

    /// nil when the protocol type is neither dialect's, or not there.
    /// - Parameter bytes: from the GRE header on to the end of the message.
    public init?(_ bytes: RawSpan) {
        guard let dialect = ControlMessage.dialect(of: bytes) else { return nil }
        self.dialect = dialect
        do throws(WireError) {
            try read(bytes, GREHeader(parsing: bytes))
        } catch {
            faults.append(error)
        }
    }

    /// See ``init(_:)-(RawSpan)``.
    public init?(_ bytes: [UInt8]) { self.init(bytes.span.bytes) }

    private mutating func read(_ bytes: RawSpan, _ header: GREHeader) throws(WireError) {
        key = header.key
        if header.key == nil || header.checksum != nil || header.sequenceNumber != nil {
            faults.append(WireError(.badFlags, offset: 0))
        }
        var reader = ByteReader(bytes.extracting(droppingFirst: header.headerLength))
        guard let types = reader.uint8() else { throw WireError(.truncated, offset: bytes.byteCount) }
        messageType = types >> 4
        tunnelType = types & 0xF
        if MessageType(rawValue: types >> 4) == nil {
            faults.append(WireError(.reservedMessageType, offset: header.headerLength))
        }
        if dialect.leg(ofTunnelType: types & 0xF) == nil {
            faults.append(WireError(.reservedTunnelType, offset: header.headerLength))
        }
        while reader.remaining > 0 {
            var ahead = reader
            let offset = header.headerLength + reader.offset
            do throws(WireError) {
                let attribute = try Attribute(from: &ahead, base: header.headerLength)
                attributes.append(Element(offset: offset, attribute: attribute))
                reader = ahead
            } catch {
                faults.append(error)
                // A wrong length still says where the next attribute begins.
                guard error.reason == .attributeLength, let type = reader.uint8(), let length = reader.uint16(),
                    let value = reader.array(Int(length))
                else {
                    remainder = reader.array(reader.remaining) ?? []
                    break
                }
                attributes.append(Element(offset: offset, attribute: .unknown(type: type, value: value)))
            }
        }
        if dialect.hasEndMarker, attributes.last?.attribute == ControlMessage.endMarker {
            attributes.removeLast()
            hasEndMarker = true
        }
    }
}
