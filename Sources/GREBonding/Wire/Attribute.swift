public import Addresses

/// An attribute of a control message with its value. Numbers are unsigned; a peer's value outside the range that is
/// given here is kept, and reported by ``violation``.
public enum Attribute: Hashable, Sendable {
    /// Where the HG ends its tunnels over IPv4: RFC 8157 §5.2.1.
    case hIPv4Address(IPv4Address)
    /// Where the HG ends its tunnels over IPv6: §5.2.2.
    case hIPv6Address(IPv6Address)
    /// §5.1.1.
    case clientIdentificationName(ClientIdentificationName)
    /// What the tunnels of one bond have in common: §5.1.2.
    case sessionID(UInt32)
    /// §5.4.1.
    case timestamp(Timestamp)
    /// Downstream traffic that passes the tunnels by, kbit/s: §5.6.1.
    case bypassTrafficRate(UInt32)
    /// Downstream, kbit/s: §5.1.3.
    case dslSynchronizationRate(UInt32)
    /// §5.6.2.
    case filterListPackage(FilterListPackage)
    /// Milliseconds, 0…1000; 0 stands for no threshold: §5.2.4.
    case rttDifferenceThreshold(UInt32)
    /// Seconds, 10…300: §5.2.5.
    case bypassBandwidthCheckInterval(UInt32)
    /// §5.6.3.
    case switchingToDSLTunnel
    /// §5.6.4.
    case overflowingToLTETunnel
    /// §5.4.2.
    case ipv6PrefixAssignedByHAAP(AssignedIPv6Prefix)
    /// Seconds, 1…100: §5.2.6.
    case activeHelloInterval(UInt32)
    /// 3…10: §5.2.7.
    case helloRetryTimes(UInt32)
    /// Seconds, 0…172800 in steps of 60; 0 never expires: §5.2.8.
    case idleTimeout(UInt32)
    /// §5.3.1.
    case errorCode(ErrorCode)
    /// §5.6.5.
    case dslLinkFailure
    /// §5.6.6.
    case lteLinkFailure
    /// The key of the GRE header of control messages from now on: §5.2.9.
    case bondingKeyValue(UInt32)
    /// §5.6.7.
    case ipv6PrefixAssignedToHost(AssignedIPv6Prefix)
    /// kbit/s: §5.2.10.
    case configuredDSLUpstreamBandwidth(UInt32)
    /// kbit/s: §5.2.11.
    case configuredDSLDownstreamBandwidth(UInt32)
    /// Measurements in a row, 1…25: §5.2.12.
    case rttDifferenceThresholdViolation(UInt32)
    /// Measurements in a row, 1…25: §5.2.13.
    case rttDifferenceThresholdCompliance(UInt32)
    /// §5.6.8.
    case diagnosticStartBondingTunnel
    /// §5.6.9.
    case diagnosticStartDSLTunnel
    /// §5.6.10.
    case diagnosticStartLTETunnel
    /// §5.6.11.
    case diagnosticEnd
    /// §5.6.12.
    case filterListPackageACK(FilterListPackageACK)
    /// Seconds, 100…86400 in steps of 100: §5.2.14.
    case idleHelloInterval(UInt32)
    /// Seconds, 30…86400: §5.2.15.
    case noTrafficMonitoredInterval(UInt32)
    /// §5.6.13.
    case switchingToActiveHelloState
    /// §5.6.14.
    case switchingToIdleHelloState
    /// §5.6.15.
    case tunnelVerification
    /// A type that RFC 8157 does not define. The value has at most 65535 bytes; more would be cut off when sent.
    case unknown(type: UInt8, value: [UInt8])

    /// The Attribute Type byte.
    public var type: UInt8 {
        if case .unknown(let type, _) = self { return type }
        return knownType?.rawValue ?? 0
    }

    /// nil for ``unknown(type:value:)``.
    public var knownType: AttributeType? {
        switch self {
        case .hIPv4Address: .hIPv4Address
        case .hIPv6Address: .hIPv6Address
        case .clientIdentificationName: .clientIdentificationName
        case .sessionID: .sessionID
        case .timestamp: .timestamp
        case .bypassTrafficRate: .bypassTrafficRate
        case .dslSynchronizationRate: .dslSynchronizationRate
        case .filterListPackage: .filterListPackage
        case .rttDifferenceThreshold: .rttDifferenceThreshold
        case .bypassBandwidthCheckInterval: .bypassBandwidthCheckInterval
        case .switchingToDSLTunnel: .switchingToDSLTunnel
        case .overflowingToLTETunnel: .overflowingToLTETunnel
        case .ipv6PrefixAssignedByHAAP: .ipv6PrefixAssignedByHAAP
        case .activeHelloInterval: .activeHelloInterval
        case .helloRetryTimes: .helloRetryTimes
        case .idleTimeout: .idleTimeout
        case .errorCode: .errorCode
        case .dslLinkFailure: .dslLinkFailure
        case .lteLinkFailure: .lteLinkFailure
        case .bondingKeyValue: .bondingKeyValue
        case .ipv6PrefixAssignedToHost: .ipv6PrefixAssignedToHost
        case .configuredDSLUpstreamBandwidth: .configuredDSLUpstreamBandwidth
        case .configuredDSLDownstreamBandwidth: .configuredDSLDownstreamBandwidth
        case .rttDifferenceThresholdViolation: .rttDifferenceThresholdViolation
        case .rttDifferenceThresholdCompliance: .rttDifferenceThresholdCompliance
        case .diagnosticStartBondingTunnel: .diagnosticStartBondingTunnel
        case .diagnosticStartDSLTunnel: .diagnosticStartDSLTunnel
        case .diagnosticStartLTETunnel: .diagnosticStartLTETunnel
        case .diagnosticEnd: .diagnosticEnd
        case .filterListPackageACK: .filterListPackageACK
        case .idleHelloInterval: .idleHelloInterval
        case .noTrafficMonitoredInterval: .noTrafficMonitoredInterval
        case .switchingToActiveHelloState: .switchingToActiveHelloState
        case .switchingToIdleHelloState: .switchingToIdleHelloState
        case .tunnelVerification: .tunnelVerification
        case .unknown: nil
        }
    }
}
