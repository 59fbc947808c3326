import Addresses
import ProtocolSupport

extension Attribute {
    /// Reads one attribute: type, length, value.
    init(from reader: inout ByteReader, base: Int) throws(WireError) {
        let start = base + reader.offset
        guard let type = reader.uint8() else { throw WireError(.attributeTruncated, offset: start) }
        guard let length = reader.uint16(), reader.remaining >= Int(length) else {
            throw WireError(.attributeTruncated, offset: start, attributeType: type)
        }
        guard let known = AttributeType(rawValue: type) else {
            guard let value = reader.array(Int(length)) else {
                throw WireError(.attributeTruncated, offset: start, attributeType: type)
            }
            self = .unknown(type: type, value: value)
            return
        }
        let value: Attribute? =
            if known.lengths.contains(Int(length)) {
                Self.known(known, length: Int(length), from: &reader)
            } else {
                nil
            }
        guard let value else { throw WireError(.attributeLength, offset: start, attributeType: type) }
        self = value
    }

    /// The value of a known type; `length` has been checked against the type and the bytes that there are.
    private static func known(_ type: AttributeType, length: Int, from reader: inout ByteReader) -> Attribute? {
        switch type {
        case .hIPv4Address: reader.uint32().map { .hIPv4Address(IPv4Address(rawValue: $0)) }
        case .hIPv6Address: reader.ipv6().map { .hIPv6Address($0) }
        case .clientIdentificationName:
            reader.array(length).flatMap { ClientIdentificationName(bytes: $0) }.map { .clientIdentificationName($0) }
        case .sessionID: reader.uint32().map { .sessionID($0) }
        case .timestamp: reader.timestamp().map { .timestamp($0) }
        case .bypassTrafficRate: reader.uint32().map { .bypassTrafficRate($0) }
        case .dslSynchronizationRate: reader.uint32().map { .dslSynchronizationRate($0) }
        case .filterListPackage: FilterListPackage(from: &reader, length: length).map { .filterListPackage($0) }
        case .rttDifferenceThreshold: reader.uint32().map { .rttDifferenceThreshold($0) }
        case .bypassBandwidthCheckInterval: reader.uint32().map { .bypassBandwidthCheckInterval($0) }
        case .switchingToDSLTunnel: .switchingToDSLTunnel
        case .overflowingToLTETunnel: .overflowingToLTETunnel
        case .ipv6PrefixAssignedByHAAP: reader.assignedPrefix().map { .ipv6PrefixAssignedByHAAP($0) }
        case .activeHelloInterval: reader.uint32().map { .activeHelloInterval($0) }
        case .helloRetryTimes: reader.uint32().map { .helloRetryTimes($0) }
        case .idleTimeout: reader.uint32().map { .idleTimeout($0) }
        case .errorCode: reader.uint32().map { .errorCode(ErrorCode(rawValue: $0)) }
        case .dslLinkFailure: .dslLinkFailure
        case .lteLinkFailure: .lteLinkFailure
        case .bondingKeyValue: reader.uint32().map { .bondingKeyValue($0) }
        case .ipv6PrefixAssignedToHost: reader.assignedPrefix().map { .ipv6PrefixAssignedToHost($0) }
        case .configuredDSLUpstreamBandwidth: reader.uint32().map { .configuredDSLUpstreamBandwidth($0) }
        case .configuredDSLDownstreamBandwidth: reader.uint32().map { .configuredDSLDownstreamBandwidth($0) }
        case .rttDifferenceThresholdViolation: reader.uint32().map { .rttDifferenceThresholdViolation($0) }
        case .rttDifferenceThresholdCompliance: reader.uint32().map { .rttDifferenceThresholdCompliance($0) }
        case .diagnosticStartBondingTunnel: .diagnosticStartBondingTunnel
        case .diagnosticStartDSLTunnel: .diagnosticStartDSLTunnel
        case .diagnosticStartLTETunnel: .diagnosticStartLTETunnel
        case .diagnosticEnd: .diagnosticEnd
        case .filterListPackageACK: reader.filterListPackageACK().map { .filterListPackageACK($0) }
        case .idleHelloInterval: reader.uint32().map { .idleHelloInterval($0) }
        case .noTrafficMonitoredInterval: reader.uint32().map { .noTrafficMonitoredInterval($0) }
        case .switchingToActiveHelloState: .switchingToActiveHelloState
        case .switchingToIdleHelloState: .switchingToIdleHelloState
        case .tunnelVerification: .tunnelVerification
        }
    }
}

extension ByteReader {
    fileprivate mutating func timestamp() -> Timestamp? {
        guard let seconds = uint32(), let milliseconds = uint32() else { return nil }
        return Timestamp(seconds: seconds, milliseconds: milliseconds)
    }

    fileprivate mutating func assignedPrefix() -> AssignedIPv6Prefix? {
        guard let address = ipv6(), let length = uint8() else { return nil }
        return AssignedIPv6Prefix(address: address, length: length)
    }

    fileprivate mutating func filterListPackageACK() -> FilterListPackageACK? {
        guard let commitCount = uint32(), let code = uint8() else { return nil }
        return FilterListPackageACK(commitCount: commitCount, code: .init(rawValue: code))
    }
}
