import Addresses
import GREBonding

/// An attribute's value in a form that both outputs can be made of.
enum AttributeValue {
    /// The attribute has no value by its type.
    case none
    /// `unit` is nil for counts and identifiers.
    case number(UInt32, unit: String?)
    /// An identifier that is written in hexadecimal.
    case identifier(UInt32)
    case code(UInt32, meaning: String)
    /// An address or a prefix.
    case address(String)
    /// Text of a peer, safe to print.
    case text(String)
    case timestamp(Timestamp)
    case filterListPackage(FilterListPackage)
    case filterListPackageACK(FilterListPackageACK)
    case bytes([UInt8])
}

extension Attribute {
    /// Units as in RFC 8157 §5.1–§5.6.
    var displayValue: AttributeValue {
        switch self {
        case .hIPv4Address(let address): .address(address.description)
        case .hIPv6Address(let address): .address(address.description)
        case .clientIdentificationName(let name): .text(name.description)
        case .sessionID(let value), .bondingKeyValue(let value): .identifier(value)
        case .timestamp(let timestamp): .timestamp(timestamp)
        case .bypassTrafficRate(let value), .dslSynchronizationRate(let value),
            .configuredDSLUpstreamBandwidth(let value), .configuredDSLDownstreamBandwidth(let value):
            .number(value, unit: "kbit/s")
        case .rttDifferenceThreshold(let value): .number(value, unit: "ms")
        case .bypassBandwidthCheckInterval(let value), .activeHelloInterval(let value), .idleTimeout(let value),
            .idleHelloInterval(let value), .noTrafficMonitoredInterval(let value):
            .number(value, unit: "s")
        case .helloRetryTimes(let value), .rttDifferenceThresholdViolation(let value),
            .rttDifferenceThresholdCompliance(let value):
            .number(value, unit: nil)
        case .ipv6PrefixAssignedByHAAP(let prefix), .ipv6PrefixAssignedToHost(let prefix): .address("\(prefix)")
        case .errorCode(let code): .code(code.rawValue, meaning: "\(code)")
        case .filterListPackage(let package): .filterListPackage(package)
        case .filterListPackageACK(let ack): .filterListPackageACK(ack)
        case .unknown(_, let value): .bytes(value)
        case .switchingToDSLTunnel, .overflowingToLTETunnel, .dslLinkFailure, .lteLinkFailure,
            .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel, .diagnosticStartLTETunnel, .diagnosticEnd,
            .switchingToActiveHelloState, .switchingToIdleHelloState, .tunnelVerification:
            .none
        }
    }

    /// The standard's name, also of an attribute whose length is wrong; nil for types that it does not define.
    var name: String? { AttributeType(rawValue: type)?.description }
}

extension FilterListPackageACK.Code {
    /// RFC 8157 §5.6.12.
    var meaning: String {
        switch self {
        case .acknowledged: "acknowledged"
        case .noListYet: "refused, the gateway has no list"
        case .oldListKept: "refused, the gateway keeps its list"
        default: "unknown code"
        }
    }
}

extension FilterItem.Kind {
    /// The standard's name: RFC 8157 §5.6.2.
    var name: String {
        switch self {
        case .fqdn: "FQDN"
        case .dscp: "DSCP"
        case .destinationPort: "Destination Port"
        case .destinationIP: "Destination IP"
        case .destinationIPAndPort: "Destination IP and Port"
        case .sourcePort: "Source Port"
        case .sourceIP: "Source IP"
        case .sourceIPAndPort: "Source IP and Port"
        case .sourceMAC: "Source MAC"
        case .protocol: "Protocol"
        case .sourceIPRange: "Source IP Range"
        case .destinationIPRange: "Destination IP Range"
        case .sourceIPRangeAndPort: "Source IP Range and Port"
        case .destinationIPRangeAndPort: "Destination IP Range and Port"
        }
    }
}

enum Hexadecimal {
    /// Two digits a byte, nothing between them.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// "0x0000002a".
    static func text(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
