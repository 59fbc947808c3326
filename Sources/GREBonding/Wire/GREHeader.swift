import ProtocolSupport

/// The GRE header with the Key and Sequence Number extensions: RFC 2784 §2, RFC 2890 §2.
public struct GREHeader: Hashable, Sendable {
    /// What follows: an EtherType for data packets, ``Dialect/protocolType`` for control messages.
    public var protocolType: UInt16
    /// The checksum field when the C bit is set. It is neither verified nor computed here.
    public var checksum: UInt16?
    /// The key when the K bit is set.
    public var key: UInt32?
    /// The sequence number when the S bit is set.
    public var sequenceNumber: UInt32?

    /// A flag is set for each field that is given.
    public init(
        protocolType: UInt16, checksum: UInt16? = nil, key: UInt32? = nil, sequenceNumber: UInt32? = nil
    ) {
        self.protocolType = protocolType
        self.checksum = checksum
        self.key = key
        self.sequenceNumber = sequenceNumber
    }

    /// The length in bytes, 4…16; the payload starts here.
    public var headerLength: Int {
        4 + (checksum == nil ? 0 : 4) + (key == nil ? 0 : 4) + (sequenceNumber == nil ? 0 : 4)
    }

    /// Parses the header at the start of `bytes`; what follows it is not looked at.
    ///
    /// Flag bits 1, 4 and 5 must be clear (RFC 2784 §2.3); bits 6…12 are ignored, as is the Reserved1 field.
    /// - Throws: `truncated`, `bad_version`, `bad_flags`.
    public init(parsing bytes: RawSpan) throws(WireError) {
        var reader = ByteReader(bytes)
        guard let flags = reader.uint16(), let protocolType = reader.uint16() else {
            throw WireError(.truncated, offset: bytes.byteCount)
        }
        guard flags & Flags.version == 0 else { throw WireError(.badVersion, offset: 1) }
        guard flags & Flags.mustBeClear == 0 else { throw WireError(.badFlags, offset: 0) }
        self.protocolType = protocolType
        if flags & Flags.checksum != 0 {
            guard let checksum = reader.uint16(), reader.uint16() != nil else {
                throw WireError(.truncated, offset: bytes.byteCount)
            }
            self.checksum = checksum
        }
        if flags & Flags.key != 0 {
            guard let key = reader.uint32() else { throw WireError(.truncated, offset: bytes.byteCount) }
            self.key = key
        }
        if flags & Flags.sequence != 0 {
            guard let sequence = reader.uint32() else { throw WireError(.truncated, offset: bytes.byteCount) }
            sequenceNumber = sequence
        }
    }

    /// See ``init(parsing:)-(RawSpan)``.
    public init(parsing bytes: [UInt8]) throws(WireError) { try self.init(parsing: bytes.span.bytes) }

    /// Appends the header in network byte order.
    public func append(to bytes: inout [UInt8]) {
        var flags: UInt16 = 0
        if checksum != nil { flags |= Flags.checksum }
        if key != nil { flags |= Flags.key }
        if sequenceNumber != nil { flags |= Flags.sequence }
        bytes.append(bigEndian: flags)
        bytes.append(bigEndian: protocolType)
        if let checksum {
            bytes.append(bigEndian: checksum)
            bytes.append(bigEndian: 0 as UInt16)
        }
        if let key { bytes.append(bigEndian: key) }
        if let sequenceNumber { bytes.append(bigEndian: sequenceNumber) }
    }

    /// The header alone, in network byte order.
    public func serialized() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(headerLength)
        append(to: &bytes)
        return bytes
    }

    private enum Flags {
        static let checksum: UInt16 = 0x8000
        static let key: UInt16 = 0x2000
        static let sequence: UInt16 = 0x1000
        static let mustBeClear: UInt16 = 0x4C00
        static let version: UInt16 = 0x0007
    }
}
