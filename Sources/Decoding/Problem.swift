import GREBonding

/// Something that is wrong with a message.
public struct Problem: Sendable {
    /// The raw values are stable: they are part of the JSON output.
    public enum Severity: String, Hashable, Sendable {
        /// A receiver would not take the message, or it is not all there.
        case error
        /// The message is read as it stands, but the standard does not allow it or does not know it.
        case warning
    }

    /// What is found besides the reasons of ``WireError``. The raw values are stable: they are part of the JSON output.
    public enum Finding: String, Hashable, Sendable, CaseIterable {
        /// The rest of the message is in other packets.
        case fragmented
        /// The capture was told to keep fewer bytes of a packet than the message needs.
        case capturedShort = "captured_short"
        /// The packet is shorter than its IP header says.
        case packetShort = "packet_short"
        /// The value is outside of the range, or not a multiple of the step, that the standard gives.
        case outOfRange = "out_of_range"
        /// RFC 8157 does not define the attribute's type. Not reported of the deployed dialect, which has its own.
        case unknownAttribute = "unknown_attribute"
        /// The attribute belongs in messages of another type, or of the other leg.
        case unexpectedAttribute = "unexpected_attribute"
        /// The message lacks an attribute that messages of its type and leg must carry.
        case missingAttribute = "missing_attribute"
        /// A message of the deployed dialect lacks attribute 255 at its end.
        case missingEndMarker = "missing_end_marker"
        /// Packet_Sum is 0, or Packet_ID is not in 1…Packet_Sum.
        case packetNumbering = "packet_numbering"
        /// A filter item does not fit its package.
        case malformedItem = "malformed_item"
        /// A filter item cannot be applied; the text has the reason of ``FilterRuleError``.
        case unusableItem = "unusable_item"
    }

    public let severity: Severity
    /// A raw value of ``WireError/Reason`` or of ``Finding``.
    public let reason: String
    /// Where it is, in bytes from the start of the GRE header; nil when it has no place.
    public let offset: Int?
    /// The type of the attribute that it is about.
    public let attributeType: UInt8?
    /// One line for a person; safe to print.
    public let text: String

    init(
        _ severity: Severity, _ finding: Finding, _ text: String, at offset: Int? = nil, attributeType: UInt8? = nil
    ) {
        self.severity = severity
        reason = finding.rawValue
        self.offset = offset
        self.attributeType = attributeType
        self.text = text
    }

    init(_ error: WireError) {
        severity = .error
        reason = error.reason.rawValue
        offset = error.offset
        attributeType = error.attributeType
        let attribute = error.attributeType.map { AttributeType.name(ofType: $0) } ?? "an attribute"
        text =
            switch error.reason {
            case .truncated: "the message ends before its type"
            case .notControlMessage, .otherDialect: "not a control message of this dialect"
            case .badFlags: "GRE flags that a control message cannot have"
            case .badVersion: "not version 0 of GRE"
            case .reservedMessageType: "a message type that is not defined"
            case .reservedTunnelType: "a tunnel type that names no leg; receivers ignore the message"
            case .attributeTruncated: "the message ends inside \(attribute)"
            case .attributeLength: "\(attribute) has a length that it cannot have"
            }
    }
}

extension AttributeType {
    /// "attribute 4 (Session ID)".
    static func name(ofType type: UInt8) -> String {
        "attribute \(type)" + (AttributeType(rawValue: type).map { " (\($0))" } ?? "")
    }
}
