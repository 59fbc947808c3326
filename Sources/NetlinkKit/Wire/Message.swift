import CLinux

/// The flags of a netlink message's header.
public struct MessageFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let request = MessageFlags(rawValue: UInt16(NLM_F_REQUEST))
    public static let multipart = MessageFlags(rawValue: UInt16(NLM_F_MULTI))
    public static let acknowledge = MessageFlags(rawValue: UInt16(NLM_F_ACK))
    public static let echo = MessageFlags(rawValue: UInt16(NLM_F_ECHO))
    public static let dumpInterrupted = MessageFlags(rawValue: UInt16(NLM_F_DUMP_INTR))
    public static let dump = MessageFlags(rawValue: UInt16(NLM_F_ROOT | NLM_F_MATCH))
    public static let replace = MessageFlags(rawValue: UInt16(NLM_F_REPLACE))
    public static let exclusive = MessageFlags(rawValue: UInt16(NLM_F_EXCL))
    public static let create = MessageFlags(rawValue: UInt16(NLM_F_CREATE))
    public static let append = MessageFlags(rawValue: UInt16(NLM_F_APPEND))
    /// In an acknowledgement: the request was not echoed after the error.
    static let capped = MessageFlags(rawValue: UInt16(NLM_F_CAPPED))
    /// In an acknowledgement: attributes follow.
    static let extendedAck = MessageFlags(rawValue: UInt16(NLM_F_ACK_TLVS))
}

/// One received message, borrowed from the receive buffer.
public struct Message: ~Escapable {
    public let type: UInt16
    public let flags: MessageFlags
    public let sequence: UInt32
    public let portID: UInt32
    /// The whole message, its header included.
    public let bytes: RawSpan

    /// Reads the message that begins at `offset`; nil when what is left is no message.
    @_lifetime(copy bytes)
    public init?(_ bytes: RawSpan, at offset: Int) {
        guard let length = bytes.load(UInt32.self, at: offset), let type = bytes.load(UInt16.self, at: offset &+ 4),
            let flags = bytes.load(UInt16.self, at: offset &+ 6),
            let sequence = bytes.load(UInt32.self, at: offset &+ 8),
            let portID = bytes.load(UInt32.self, at: offset &+ 12),
            length >= 16, Int(length) <= bytes.byteCount - offset
        else { return nil }
        self.type = type
        self.flags = MessageFlags(rawValue: flags)
        self.sequence = sequence
        self.portID = portID
        self.bytes = bytes.extracting(offset..<(offset + Int(length)))
    }

    /// The fixed structure after the netlink header, such as `ifinfomsg`; nil when the message is too short for it.
    public func header<T: BitwiseCopyable>(_ type: T.Type) -> T? { bytes.load(type, at: 16) }

    /// The attributes that follow a fixed structure of `size` bytes.
    @_lifetime(copy self)
    public func attributes<Space>(after size: Int, of space: Space.Type) -> AttributeReader<Space> {
        AttributeReader<Space>(payload(after: size))
    }

    /// What follows a fixed structure of `size` bytes.
    @_lifetime(copy self)
    public func payload(after size: Int) -> RawSpan {
        bytes.extracting(min(16 + ((size + 3) & ~3), bytes.byteCount)..<bytes.byteCount)
    }

    /// A copy that can be kept.
    public var copy: [UInt8] { bytes.withUnsafeBytes { [UInt8]($0) } }
}
