/// Why a filter item cannot be applied.
public struct FilterRuleError: Error, Hashable, Sendable {
    /// The raw values are stable: they name counters.
    public enum Reason: String, Error, Hashable, Sendable, CaseIterable {
        case reservedType = "reserved_type"
        /// The Enable field is neither 0 nor 1.
        case reservedEnable = "reserved_enable"
        case notUTF8 = "not_utf8"
        case invalidFQDN = "invalid_fqdn"
        case invalidDSCP = "invalid_dscp"
        case invalidPort = "invalid_port"
        case missingPort = "missing_port"
        case invalidPrefix = "invalid_prefix"
        case invalidAddressRange = "invalid_address_range"
        case invalidMAC = "invalid_mac"
        case unknownProtocol = "unknown_protocol"
    }

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
