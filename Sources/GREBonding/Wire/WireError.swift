/// Why received bytes are not a control message, or not a GRE header.
public struct WireError: Error, Hashable, Sendable {
    /// The raw values are stable: they name counters and metric labels.
    public enum Reason: String, Hashable, Sendable, CaseIterable {
        /// The bytes end inside the GRE header or before the message type.
        case truncated
        /// The protocol type is neither dialect's.
        case notControlMessage = "not_control_message"
        /// A control message, but of the dialect that this end is not set to.
        case otherDialect = "other_dialect"
        /// A bit of the GRE header is set that must be clear, or, in a control message, K is missing or C or S is set.
        case badFlags = "bad_flags"
        /// The GRE version is not 0.
        case badVersion = "bad_version"
        /// MsgType is 0 or 7…15.
        case reservedMessageType = "reserved_message_type"
        /// T-Type names no leg; RFC 8157 §5 has such messages ignored.
        case reservedTunnelType = "reserved_tunnel_type"
        /// The bytes end inside an attribute's type, length or value.
        case attributeTruncated = "attribute_truncated"
        /// An attribute of a known type has a length that its type cannot have.
        case attributeLength = "attribute_length"
    }

    /// What is wrong.
    public let reason: Reason
    /// Where the fault is, in bytes from the start of the GRE header.
    public let offset: Int
    /// The type of the attribute at fault, where it is known.
    public let attributeType: UInt8?

    /// `offset` counts from the start of the GRE header.
    public init(_ reason: Reason, offset: Int, attributeType: UInt8? = nil) {
        self.reason = reason
        self.offset = offset
        self.attributeType = attributeType
    }
}

extension WireError: CustomStringConvertible {
    public var description: String {
        guard let attributeType else { return "\(reason.rawValue) at byte \(offset)" }
        let name = AttributeType(rawValue: attributeType).map { " (\($0))" } ?? ""
        return "\(reason.rawValue) at byte \(offset), attribute \(attributeType)\(name)"
    }
}
