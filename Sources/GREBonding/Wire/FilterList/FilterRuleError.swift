/// Why a filter item cannot be applied.
public struct FilterRuleError: Error, Hashable, Sendable {
    /// The raw values are stable: they name counters.
    public enum Reason: String, Error, Hashable, Sendable, CaseIterable {
        /// The Type field is not in 1…14; such items are to be ignored.
        case reservedType = "reserved_type"
        /// The Enable field is neither 0 nor 1.
        case reservedEnable = "reserved_enable"
        /// The value is not UTF-8.
        case notUTF8 = "not_utf8"
        /// Not a host name of at most 253 characters, or a wildcard where none is taken.
        case invalidFQDN = "invalid_fqdn"
        /// Not a decimal number in 0…63.
        case invalidDSCP = "invalid_dscp"
        /// Not a port or a range of ports in 0…65535.
        case invalidPort = "invalid_port"
        /// An address without the port that belongs to it.
        case missingPort = "missing_port"
        /// Not an address or prefix of either family.
        case invalidPrefix = "invalid_prefix"
        /// Not a prefix, nor two addresses of one family in rising order.
        case invalidAddressRange = "invalid_address_range"
        /// Not twelve hexadecimal digits in a usual grouping.
        case invalidMAC = "invalid_mac"
        /// Neither a number in 0…255 nor a known keyword.
        case unknownProtocol = "unknown_protocol"
    }

    /// What is wrong.
    public let reason: Reason
    /// The item's Type field.
    public let type: UInt16
    /// The operator's description of the item, safe to print.
    public let itemDescription: String
    /// The item's value, safe to print.
    public let value: String

    init(_ reason: Reason, item: FilterItem) {
        self.reason = reason
        type = item.type
        itemDescription = item.description
        value = item.valueText
    }
}

extension FilterRuleError: CustomStringConvertible {
    public var description: String {
        "filter item \"\(itemDescription)\" (type \(type)): \(reason.rawValue) in \"\(value)\""
    }
}
