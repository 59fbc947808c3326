/// The attribute types that RFC 8157 §5 defines. The raw value is the Attribute Type byte.
public enum AttributeType: UInt8, Hashable, Sendable, CaseIterable {
    case hIPv4Address = 1
    case hIPv6Address
    case clientIdentificationName
    case sessionID
    case timestamp
    case bypassTrafficRate
    case dslSynchronizationRate
    case filterListPackage
    case rttDifferenceThreshold
    case bypassBandwidthCheckInterval
    case switchingToDSLTunnel
    case overflowingToLTETunnel
    case ipv6PrefixAssignedByHAAP
    case activeHelloInterval
    case helloRetryTimes
    case idleTimeout
    case errorCode
    case dslLinkFailure
    case lteLinkFailure
    case bondingKeyValue
    case ipv6PrefixAssignedToHost
    case configuredDSLUpstreamBandwidth
    case configuredDSLDownstreamBandwidth
    case rttDifferenceThresholdViolation
    case rttDifferenceThresholdCompliance
    case diagnosticStartBondingTunnel
    case diagnosticStartDSLTunnel
    case diagnosticStartLTETunnel
    case diagnosticEnd
    case filterListPackageACK
    case idleHelloInterval
    case noTrafficMonitoredInterval
    case switchingToActiveHelloState
    case switchingToIdleHelloState
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
