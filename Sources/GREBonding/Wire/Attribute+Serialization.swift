import Addresses
import ProtocolSupport

extension Attribute {
    /// Appends type, length and value in network byte order.
    public func append(to bytes: inout [UInt8]) {
        bytes.append(type)
        let lengthIndex = bytes.count
        bytes.append(bigEndian: 0 as UInt16)
        appendValue(to: &bytes)
        // Only a value made by this side's own code can be longer; what goes out must at least be consistent.
        let length = UInt16(clamping: bytes.count - lengthIndex - 2)
        bytes.removeSubrange((lengthIndex + 2 + Int(length))...)
        bytes[lengthIndex] = UInt8(truncatingIfNeeded: length >> 8)
        bytes[lengthIndex + 1] = UInt8(truncatingIfNeeded: length)
    }

    private func appendValue(to bytes: inout [UInt8]) {
        switch self {
        case .hIPv4Address(let address): bytes.append(bigEndian: address.rawValue)
        case .hIPv6Address(let address):
            bytes.append(bigEndian: address.high)
            bytes.append(bigEndian: address.low)
        case .clientIdentificationName(let name): bytes += name.bytes
        case .timestamp(let timestamp):
            bytes.append(bigEndian: timestamp.seconds)
            bytes.append(bigEndian: timestamp.milliseconds)
        case .filterListPackage(let package): package.appendValue(to: &bytes)
        case .ipv6PrefixAssignedByHAAP(let prefix), .ipv6PrefixAssignedToHost(let prefix):
            bytes.append(bigEndian: prefix.address.high)
            bytes.append(bigEndian: prefix.address.low)
            bytes.append(prefix.length)
        case .errorCode(let code): bytes.append(bigEndian: code.rawValue)
        case .filterListPackageACK(let ack):
            bytes.append(bigEndian: ack.commitCount)
            bytes.append(ack.code.rawValue)
        case .sessionID(let value), .bypassTrafficRate(let value), .dslSynchronizationRate(let value),
            .rttDifferenceThreshold(let value), .bypassBandwidthCheckInterval(let value),
            .activeHelloInterval(let value), .helloRetryTimes(let value), .idleTimeout(let value),
            .bondingKeyValue(let value), .configuredDSLUpstreamBandwidth(let value),
            .configuredDSLDownstreamBandwidth(let value), .rttDifferenceThresholdViolation(let value),
            .rttDifferenceThresholdCompliance(let value), .idleHelloInterval(let value),
            .noTrafficMonitoredInterval(let value):
            bytes.append(bigEndian: value)
        case .switchingToDSLTunnel, .overflowingToLTETunnel, .dslLinkFailure, .lteLinkFailure,
            .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel, .diagnosticStartLTETunnel, .diagnosticEnd,
            .switchingToActiveHelloState, .switchingToIdleHelloState, .tunnelVerification:
            break
        case .unknown(_, let value): bytes += value
        }
    }
}
