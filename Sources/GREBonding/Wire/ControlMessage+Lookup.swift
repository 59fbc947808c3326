public import Addresses

/// The value of the first attribute of a type, as received; nil where there is none.
extension ControlMessage {
    /// H IPv4 Address.
    public var hIPv4Address: IPv4Address? {
        first { if case .hIPv4Address(let value) = $0 { value } else { nil } }
    }

    /// H IPv6 Address.
    public var hIPv6Address: IPv6Address? {
        first { if case .hIPv6Address(let value) = $0 { value } else { nil } }
    }

    /// Client Identification Name.
    public var clientIdentificationName: ClientIdentificationName? {
        first { if case .clientIdentificationName(let value) = $0 { value } else { nil } }
    }

    /// Session ID.
    public var sessionID: UInt32? {
        first { if case .sessionID(let value) = $0 { value } else { nil } }
    }

    /// Timestamp.
    public var timestamp: Timestamp? {
        first { if case .timestamp(let value) = $0 { value } else { nil } }
    }

    /// Bypass Traffic Rate, kbit/s.
    public var bypassTrafficRate: UInt32? {
        first { if case .bypassTrafficRate(let value) = $0 { value } else { nil } }
    }

    /// DSL Synchronization Rate, kbit/s.
    public var dslSynchronizationRate: UInt32? {
        first { if case .dslSynchronizationRate(let value) = $0 { value } else { nil } }
    }

    /// RTT Difference Threshold, ms.
    public var rttDifferenceThreshold: UInt32? {
        first { if case .rttDifferenceThreshold(let value) = $0 { value } else { nil } }
    }

    /// Bypass Bandwidth Check Interval, s.
    public var bypassBandwidthCheckInterval: UInt32? {
        first { if case .bypassBandwidthCheckInterval(let value) = $0 { value } else { nil } }
    }

    /// IPv6 Prefix Assigned by HAAP.
    public var ipv6PrefixAssignedByHAAP: AssignedIPv6Prefix? {
        first { if case .ipv6PrefixAssignedByHAAP(let value) = $0 { value } else { nil } }
    }

    /// Active Hello Interval, s.
    public var activeHelloInterval: UInt32? {
        first { if case .activeHelloInterval(let value) = $0 { value } else { nil } }
    }

    /// Hello Retry Times.
    public var helloRetryTimes: UInt32? {
        first { if case .helloRetryTimes(let value) = $0 { value } else { nil } }
    }

    /// Idle Timeout, s.
    public var idleTimeout: UInt32? {
        first { if case .idleTimeout(let value) = $0 { value } else { nil } }
    }

    /// Error Code.
    public var errorCode: ErrorCode? {
        first { if case .errorCode(let value) = $0 { value } else { nil } }
    }

    /// Bonding Key Value.
    public var bondingKeyValue: UInt32? {
        first { if case .bondingKeyValue(let value) = $0 { value } else { nil } }
    }

    /// IPv6 Prefix Assigned to Host.
    public var ipv6PrefixAssignedToHost: AssignedIPv6Prefix? {
        first { if case .ipv6PrefixAssignedToHost(let value) = $0 { value } else { nil } }
    }

    /// Configured DSL Upstream Bandwidth, kbit/s.
    public var configuredDSLUpstreamBandwidth: UInt32? {
        first { if case .configuredDSLUpstreamBandwidth(let value) = $0 { value } else { nil } }
    }

    /// Configured DSL Downstream Bandwidth, kbit/s.
    public var configuredDSLDownstreamBandwidth: UInt32? {
        first { if case .configuredDSLDownstreamBandwidth(let value) = $0 { value } else { nil } }
    }

    /// RTT Difference Threshold Violation.
    public var rttDifferenceThresholdViolation: UInt32? {
        first { if case .rttDifferenceThresholdViolation(let value) = $0 { value } else { nil } }
    }

    /// RTT Difference Threshold Compliance.
    public var rttDifferenceThresholdCompliance: UInt32? {
        first { if case .rttDifferenceThresholdCompliance(let value) = $0 { value } else { nil } }
    }

    /// Filter List Package ACK.
    public var filterListPackageACK: FilterListPackageACK? {
        first { if case .filterListPackageACK(let value) = $0 { value } else { nil } }
    }

    /// Idle Hello Interval, s.
    public var idleHelloInterval: UInt32? {
        first { if case .idleHelloInterval(let value) = $0 { value } else { nil } }
    }

    /// No Traffic Monitored Interval, s.
    public var noTrafficMonitoredInterval: UInt32? {
        first { if case .noTrafficMonitoredInterval(let value) = $0 { value } else { nil } }
    }

    /// Bonding Key Value: another name of ``bondingKeyValue``.
    public var bondingKey: UInt32? { bondingKeyValue }

    /// All Filter List Packages, in order.
    public var filterListPackages: [FilterListPackage] {
        attributes.compactMap { if case .filterListPackage(let package) = $0 { package } else { nil } }
    }

    /// Whether there is an attribute of this type.
    public func contains(_ type: AttributeType) -> Bool { attributes.contains { $0.knownType == type } }

    private func first<Value>(_ value: (Attribute) -> Value?) -> Value? {
        for attribute in attributes {
            if let value = value(attribute) { return value }
        }
        return nil
    }
}
