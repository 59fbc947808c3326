/// The attribute types that RFC 8157 §5 defines. The raw value is the Attribute Type byte.
public enum AttributeType: UInt8, Hashable, Sendable, CaseIterable {
    /// 1: §5.2.1.
    case hIPv4Address = 1
    /// 2: §5.2.2.
    case hIPv6Address
    /// 3: §5.1.1.
    case clientIdentificationName
    /// 4: §5.1.2.
    case sessionID
    /// 5: §5.4.1.
    case timestamp
    /// 6: §5.6.1.
    case bypassTrafficRate
    /// 7: §5.1.3.
    case dslSynchronizationRate
    /// 8: §5.6.2.
    case filterListPackage
    /// 9: §5.2.4.
    case rttDifferenceThreshold
    /// 10: §5.2.5.
    case bypassBandwidthCheckInterval
    /// 11: §5.6.3.
    case switchingToDSLTunnel
    /// 12: §5.6.4.
    case overflowingToLTETunnel
    /// 13: §5.4.2.
    case ipv6PrefixAssignedByHAAP
    /// 14: §5.2.6.
    case activeHelloInterval
    /// 15: §5.2.7.
    case helloRetryTimes
    /// 16: §5.2.8.
    case idleTimeout
    /// 17: §5.3.1.
    case errorCode
    /// 18: §5.6.5.
    case dslLinkFailure
    /// 19: §5.6.6.
    case lteLinkFailure
    /// 20: §5.2.9.
    case bondingKeyValue
    /// 21: §5.6.7.
    case ipv6PrefixAssignedToHost
    /// 22: §5.2.10.
    case configuredDSLUpstreamBandwidth
    /// 23: §5.2.11.
    case configuredDSLDownstreamBandwidth
    /// 24: §5.2.12.
    case rttDifferenceThresholdViolation
    /// 25: §5.2.13.
    case rttDifferenceThresholdCompliance
    /// 26: §5.6.8.
    case diagnosticStartBondingTunnel
    /// 27: §5.6.9.
    case diagnosticStartDSLTunnel
    /// 28: §5.6.10.
    case diagnosticStartLTETunnel
    /// 29: §5.6.11.
    case diagnosticEnd
    /// 30: §5.6.12.
    case filterListPackageACK
    /// 31: §5.2.14.
    case idleHelloInterval
    /// 32: §5.2.15.
    case noTrafficMonitoredInterval
    /// 33: §5.6.13.
    case switchingToActiveHelloState
    /// 34: §5.6.14.
    case switchingToIdleHelloState
    /// 35: §5.6.15.
    case tunnelVerification

    /// The lengths in bytes that a value of this type can have.
    var lengths: ClosedRange<Int> {
        switch self {
        case .hIPv6Address: 16...16
        case .clientIdentificationName: ClientIdentificationName.length...ClientIdentificationName.length
        case .timestamp: 8...8
        case .ipv6PrefixAssignedByHAAP, .ipv6PrefixAssignedToHost: 17...17
        case .filterListPackageACK: 5...5
        // The upper limit of 969 is reported as a violation: losing the whole list over it would help nobody.
        case .filterListPackage: FilterListPackage.headerLength...Int(UInt16.max)
        case .switchingToDSLTunnel, .overflowingToLTETunnel, .dslLinkFailure, .lteLinkFailure,
            .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel, .diagnosticStartLTETunnel, .diagnosticEnd,
            .switchingToActiveHelloState, .switchingToIdleHelloState, .tunnelVerification:
            0...0
        default: 4...4
        }
    }
}

extension AttributeType: CustomStringConvertible {
    /// The standard's name.
    public var description: String {
        switch self {
        case .hIPv4Address: "H IPv4 Address"
        case .hIPv6Address: "H IPv6 Address"
        case .clientIdentificationName: "Client Identification Name"
        case .sessionID: "Session ID"
        case .timestamp: "Timestamp"
        case .bypassTrafficRate: "Bypass Traffic Rate"
        case .dslSynchronizationRate: "DSL Synchronization Rate"
        case .filterListPackage: "Filter List Package"
        case .rttDifferenceThreshold: "RTT Difference Threshold"
        case .bypassBandwidthCheckInterval: "Bypass Bandwidth Check Interval"
        case .switchingToDSLTunnel: "Switching to DSL Tunnel"
        case .overflowingToLTETunnel: "Overflowing to LTE Tunnel"
        case .ipv6PrefixAssignedByHAAP: "IPv6 Prefix Assigned by HAAP"
        case .activeHelloInterval: "Active Hello Interval"
        case .helloRetryTimes: "Hello Retry Times"
        case .idleTimeout: "Idle Timeout"
        case .errorCode: "Error Code"
        case .dslLinkFailure: "DSL Link Failure"
        case .lteLinkFailure: "LTE Link Failure"
        case .bondingKeyValue: "Bonding Key Value"
        case .ipv6PrefixAssignedToHost: "IPv6 Prefix Assigned to Host"
        case .configuredDSLUpstreamBandwidth: "Configured DSL Upstream Bandwidth"
        case .configuredDSLDownstreamBandwidth: "Configured DSL Downstream Bandwidth"
        case .rttDifferenceThresholdViolation: "RTT Difference Threshold Violation"
        case .rttDifferenceThresholdCompliance: "RTT Difference Threshold Compliance"
        case .diagnosticStartBondingTunnel: "Diagnostic Start: Bonding Tunnel"
        case .diagnosticStartDSLTunnel: "Diagnostic Start: DSL Tunnel"
        case .diagnosticStartLTETunnel: "Diagnostic Start: LTE Tunnel"
        case .diagnosticEnd: "Diagnostic End"
        case .filterListPackageACK: "Filter List Package ACK"
        case .idleHelloInterval: "Idle Hello Interval"
        case .noTrafficMonitoredInterval: "No Traffic Monitored Interval"
        case .switchingToActiveHelloState: "Switching to Active Hello State"
        case .switchingToIdleHelloState: "Switching to Idle Hello State"
        case .tunnelVerification: "Tunnel Verification"
        }
    }
}
