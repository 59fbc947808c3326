import ProtocolSupport

/// One entry of a filter list as it is on the wire: RFC 8157 §5.6.2. ``FilterRule`` reads its value.
public struct FilterItem: Hashable, Sendable {
    /// What the value holds; the raw value is the Type field. All other types are reserved and ignored.
    public enum Kind: UInt16, Hashable, Sendable, CaseIterable {
        /// A host name.
        case fqdn = 1
        /// A DSCP, decimal.
        case dscp
        /// A port or a range of ports, decimal.
        case destinationPort
        /// A prefix.
        case destinationIP
        /// A prefix and a port.
        case destinationIPAndPort
        /// A port or a range of ports, decimal.
        case sourcePort
        /// A prefix.
        case sourceIP
        /// A prefix and a port.
        case sourceIPAndPort
        /// An Ethernet address, hexadecimal.
        case sourceMAC
        /// An IP protocol, decimal or IANA's keyword.
        case `protocol`
        /// A range of addresses.
        case sourceIPRange
        /// A range of addresses.
        case destinationIPRange
        /// A range of addresses and a port.
        case sourceIPRangeAndPort
        /// A range of addresses and a port.
        case destinationIPRangeAndPort
    }

    /// The Type field.
    public var type: UInt16
    /// The Enable field: 1 enabled, 0 disabled, all else reserved.
    public var enable: UInt16
    /// The Description Value, meant to be UTF-8.
    public var descriptionBytes: [UInt8]
    /// The Value, meant to be UTF-8.
    public var value: [UInt8]

    /// Description and value together have at most 65531 bytes; more would be cut off when sent.
    public init(type: UInt16, enable: UInt16 = 1, descriptionBytes: [UInt8], value: [UInt8]) {
        self.type = type
        self.enable = enable
        self.descriptionBytes = descriptionBytes
        self.value = value
    }

    /// An item of a type that the standard defines; the limit of the other initializer holds.
    public init(_ kind: Kind, enabled: Bool = true, description: String, value: String) {
        self.init(
            type: kind.rawValue, enable: enabled ? 1 : 0, descriptionBytes: Array(description.utf8),
            value: Array(value.utf8))
    }

    /// nil for a reserved type.
    public var kind: Kind? { Kind(rawValue: type) }

    /// The operator's description, safe to print.
    public var description: String { String(displaying: descriptionBytes) }

    /// The value, safe to print.
    public var valueText: String { String(displaying: value) }

    /// The length in bytes on the wire, Type and Length included.
    public var wireLength: Int { 4 + Int(lengthField) }

    /// Type and Length, then Enable and Description Length, which Length counts.
    static let minimumLength = 4

    private var sentDescription: ArraySlice<UInt8> { descriptionBytes.prefix(Int(UInt16.max) - Self.minimumLength) }
    private var sentValue: ArraySlice<UInt8> {
        value.prefix(Int(UInt16.max) - Self.minimumLength - sentDescription.count)
    }
    private var lengthField: UInt16 {
        UInt16(clamping: Self.minimumLength + sentDescription.count + sentValue.count)
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: type)
        bytes.append(bigEndian: lengthField)
        bytes.append(bigEndian: enable)
        bytes.append(bigEndian: UInt16(clamping: sentDescription.count))
        bytes += sentDescription
        bytes += sentValue
    }

    /// nil, with the reader unmoved, when the bytes do not begin with a whole item.
    init?(from reader: inout ByteReader) {
        var ahead = reader
        guard let type = ahead.uint16(), let length = ahead.uint16(), Int(length) >= Self.minimumLength,
            ahead.remaining >= Int(length), let enable = ahead.uint16(), let descriptionLength = ahead.uint16(),
            Int(descriptionLength) <= Int(length) - Self.minimumLength,
            let description = ahead.array(Int(descriptionLength)),
            let value = ahead.array(Int(length) - Self.minimumLength - Int(descriptionLength))
        else { return nil }
        self.init(type: type, enable: enable, descriptionBytes: description, value: value)
        reader = ahead
    }
}
