import Addresses

@testable import GREBonding

/// One attribute of every type, with values that differ in every byte where they can.
enum Sample {
    static let prefix = AssignedIPv6Prefix(address: IPv6Address(high: 0x2001_0db8_0102_0300, low: 0), length: 56)

    static let filterItems = [
        FilterItem(.fqdn, description: "FQDN", value: "www.example.net"),
        FilterItem(.dscp, description: "VOICE", value: "46"),
        FilterItem(.destinationPort, description: "SIP", value: "5060"),
        FilterItem(.destinationIP, description: "GARDEN", value: "192.0.2.0/24"),
        FilterItem(.destinationIPAndPort, description: "ALARM", value: "192.0.2.40/32:44300"),
        FilterItem(.sourcePort, description: "RTP", value: "16384-32767"),
        FilterItem(.sourceIP, description: "BOX", value: "172.17.2.0/24"),
        FilterItem(.sourceIPAndPort, description: "BOX6", value: "[2001:db8::1]/128:80"),
        FilterItem(.sourceMAC, enabled: false, description: "TV", value: "02:00:5e:10:00:01"),
        FilterItem(.protocol, description: "MULTICAST", value: "IGMP"),
        FilterItem(.sourceIPRange, description: "LAN", value: "192.0.2.1-192.0.2.9"),
        FilterItem(.destinationIPRange, description: "CDN", value: "198.51.100.0/24"),
        FilterItem(.sourceIPRangeAndPort, description: "CAM", value: "192.0.2.1-192.0.2.9:554"),
        FilterItem(.destinationIPRangeAndPort, description: "NTP", value: "198.51.100.0/24:123"),
    ]

    static let requestAttributes: [Attribute] = [
        .clientIdentificationName(ClientIdentificationName("gateway-7")!), .sessionID(0x0102_0304),
        .dslSynchronizationRate(16_000),
    ]

    static let acceptAttributes: [Attribute] = [
        .hIPv4Address(IPv4Address(192, 0, 2, 1)),
        .hIPv6Address(IPv6Address(high: 0x2001_0db8_0001_0203, low: 0x0405_0607_0809_0a0b)),
        .sessionID(0x0102_0304), .rttDifferenceThreshold(100), .bypassBandwidthCheckInterval(10),
        .activeHelloInterval(10), .helloRetryTimes(3), .idleTimeout(86_400), .bondingKeyValue(0xdead_beef),
        .configuredDSLUpstreamBandwidth(2400), .configuredDSLDownstreamBandwidth(16_000),
        .rttDifferenceThresholdViolation(3), .rttDifferenceThresholdCompliance(3), .idleHelloInterval(1800),
        .noTrafficMonitoredInterval(60),
    ]

    static let helloAttributes: [Attribute] = [
        .timestamp(Timestamp(seconds: 0x0001_0203, milliseconds: 999)), .ipv6PrefixAssignedByHAAP(prefix),
    ]

    static let notifyAttributes: [Attribute] = [
        .bypassTrafficRate(1234),
        .filterListPackage(FilterListPackage(commitCount: 7, packetSum: 2, packetID: 1, items: filterItems)),
        .switchingToDSLTunnel, .overflowingToLTETunnel, .dslLinkFailure, .lteLinkFailure,
        .ipv6PrefixAssignedToHost(prefix), .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel,
        .diagnosticStartLTETunnel, .diagnosticEnd,
        .filterListPackageACK(FilterListPackageACK(commitCount: 7, code: .oldListKept)),
        .switchingToActiveHelloState, .switchingToIdleHelloState, .tunnelVerification,
    ]

    static let errorAttributes: [Attribute] = [.errorCode(.maintenance)]

    static let allAttributes =
        requestAttributes + acceptAttributes + helloAttributes + notifyAttributes + errorAttributes

    /// A message of every type on both legs, every Notify attribute in a message of its own, and every Error Code.
    static let messages: [ControlMessage] = [LegID.primary, .secondary].flatMap { leg in
        let key: UInt32 = 0xdead_beef
        func message(_ type: MessageType, _ attributes: [Attribute]) -> ControlMessage {
            ControlMessage(type: type, leg: leg, key: key, attributes: attributes)
        }
        return [
            message(.setupRequest, requestAttributes), message(.setupAccept, acceptAttributes),
            message(.hello, helloAttributes),
        ]
            + notifyAttributes.map { message(.notify, [$0]) }
            + ErrorCode.defined.flatMap { code in
                [MessageType.setupDeny, .tearDown].map { message($0, [.errorCode(ErrorCode(rawValue: code))]) }
            }
    }
}

