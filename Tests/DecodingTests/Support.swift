import Addresses
import Decoding
import Foundation
import GREBonding

extension [UInt8] {
    /// Blanks between digits are passed over.
    init(hex: String) {
        let digits = hex.compactMap(\.hexDigitValue)
        self = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    static func bigEndian(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
        Array(Swift.withUnsafeBytes(of: value.bigEndian) { Array<UInt8>($0) })
    }

    static func littleEndian(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
        bigEndian(value).reversed()
    }
}

/// Packets from 192.0.2.1 to 192.0.2.2 or from 2001:db8::1 to 2001:db8::2.
enum Build {
    static func ipv4(
        _ payload: [UInt8], options: [UInt8] = [], fragment: UInt16 = 0, protocolNumber: UInt8 = 47,
        totalLength: Int? = nil
    ) -> [UInt8] {
        let headerLength = 20 + options.count
        return [0x40 | UInt8(headerLength / 4), 0] + .bigEndian(UInt16(totalLength ?? headerLength + payload.count))
            + [0, 1] + .bigEndian(fragment) + [64, protocolNumber, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2] + options
            + payload
    }

    /// `extensions` are whole headers with their number; each gets the number of what follows it.
    static func ipv6(
        _ payload: [UInt8], extensions: [(UInt8, [UInt8])] = [], payloadLength: Int? = nil
    ) -> [UInt8] {
        var rest = payload
        var next: UInt8 = 47
        for (number, header) in extensions.reversed() {
            rest = [next] + header + rest
            next = number
        }
        return [0x60, 0, 0, 0] + .bigEndian(UInt16(payloadLength ?? rest.count)) + [next, 64]
            + .init(hex: "20010db8000000000000000000000001 20010db8000000000000000000000002") + rest
    }

    static let ethernetAddresses = [UInt8](hex: "020000000001 020000000002")

    static func ethernet(_ etherType: UInt16, _ payload: [UInt8]) -> [UInt8] {
        ethernetAddresses + .bigEndian(etherType) + payload
    }

    static func pppoe(_ ppp: [UInt8]) -> [UInt8] { [0x11, 0, 0x12, 0x34] + .bigEndian(UInt16(ppp.count)) + ppp }
}

enum Samples {
    static let session: UInt32 = 0x0102_0304
    static let key: UInt32 = 0xdead_beef
    static let prefix = AssignedIPv6Prefix(address: IPv6Address(high: 0x2001_0db8_0102_0300, low: 0), length: 56)

    static let request = ControlMessage(
        type: .setupRequest, leg: .secondary, key: 0,
        attributes: [.clientIdentificationName(ClientIdentificationName("gateway-7")!)])

    static let accept = ControlMessage(
        type: .setupAccept, leg: .secondary, key: key,
        attributes: [
            .hIPv4Address(IPv4Address(192, 0, 2, 9)), .hIPv6Address(IPv6Address("2001:db8::9")!), .sessionID(session),
            .rttDifferenceThreshold(100), .bypassBandwidthCheckInterval(10), .activeHelloInterval(10),
            .helloRetryTimes(3), .idleTimeout(86_400), .bondingKeyValue(key), .rttDifferenceThresholdViolation(3),
            .rttDifferenceThresholdCompliance(4), .idleHelloInterval(1800), .noTrafficMonitoredInterval(60),
        ])

    static let hello = ControlMessage(
        type: .hello, leg: .primary, key: key,
        attributes: [.timestamp(Timestamp(seconds: 77, milliseconds: 5)), .ipv6PrefixAssignedByHAAP(prefix)])

    static let filterList = ControlMessage(
        type: .notify, leg: .primary, key: key,
        attributes: [
            .filterListPackage(
                FilterListPackage(
                    commitCount: 7, packetSum: 2, packetID: 1,
                    items: [
                        FilterItem(.fqdn, description: "STUN", value: "stun.example.net"),
                        FilterItem(.dscp, enabled: false, description: "VOICE", value: "46"),
                    ]))
        ])

    /// Every type of message and every type of attribute at its place.
    static let messages: [ControlMessage] =
        [
            request, accept, hello, filterList,
            ControlMessage(
                type: .setupRequest, leg: .primary, key: key,
                attributes: [.sessionID(session), .dslSynchronizationRate(16_000)]),
            ControlMessage(
                type: .setupAccept, leg: .primary, key: key,
                attributes: [.configuredDSLUpstreamBandwidth(2400), .configuredDSLDownstreamBandwidth(16_000)]),
            ControlMessage(type: .setupDeny, leg: .primary, key: 0, attributes: [.errorCode(.userAliasNotAllowed)]),
            ControlMessage(type: .tearDown, leg: .primary, key: key, attributes: [.errorCode(.maintenance)]),
        ]
        + [
            .bypassTrafficRate(1234), .switchingToDSLTunnel, .overflowingToLTETunnel, .dslLinkFailure, .lteLinkFailure,
            .ipv6PrefixAssignedToHost(prefix), .diagnosticStartBondingTunnel, .diagnosticStartDSLTunnel,
            .diagnosticStartLTETunnel, .diagnosticEnd,
            .filterListPackageACK(FilterListPackageACK(commitCount: 7, code: .oldListKept)),
            .switchingToActiveHelloState, .switchingToIdleHelloState, .tunnelVerification,
        ].map { (attribute: Attribute) in
            ControlMessage(type: .notify, leg: .primary, key: key, attributes: [attribute])
        }
}

/// One real session of the deployed network.
struct DeployedSession: Decodable {
    struct Message: Decodable {
        var name: String
        var hex: String
        var bytes: [UInt8] { [UInt8](hex: hex) }
    }
    var messages: [Message]

    static func load() throws -> [Message] {
        let path = "\(Repository.root)/Tests/GREBondingTests/Vectors/deployed-session.json"
        return try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path))).messages
    }
}

enum Repository {
    static let root: String = {
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }()
}

func parse(_ frame: [UInt8], _ linkType: LinkType, length: Int? = nil) -> Packet {
    Packet(parsing: frame, length: length ?? frame.count, linkType)
}

/// The control message of a packet; nil when it is none.
func control(_ frame: [UInt8], _ linkType: LinkType = .rawIP, length: Int? = nil) -> ControlPacket? {
    if case .control(let packet) = parse(frame, linkType, length: length) { packet } else { nil }
}

extension CaptureContext {
    static let first = CaptureContext(
        number: 1, seconds: 1_700_000_000, nanoseconds: 42_000_000, captured: 96, length: 100)
}
