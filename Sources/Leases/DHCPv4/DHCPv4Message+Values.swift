import Addresses
import ProtocolSupport

/// A route of option 121: RFC 3442.
public struct ClasslessRoute: Hashable, Sendable {
    public var destination: IPPrefix
    public var router: IPv4Address

    /// nil when the destination is not an IPv4 prefix; its host bits are cleared.
    public init?(_ destination: IPPrefix, via router: IPv4Address) {
        guard destination.address.family == .v4 else { return nil }
        self.destination = destination.masked
        self.router = router
    }
}

/// A sub-option of the relay agent information, option 82: RFC 3046 §2.0.
public struct RelayAgentSuboption: Hashable, Sendable {
    public var code: UInt8
    public var value: [UInt8]

    public init(_ code: UInt8, _ value: [UInt8]) {
        self.code = code
        self.value = value
    }
}

// Options by their names. A getter is nil when the option is not there or cannot be read.
extension DHCPv4Message {
    /// The codes of RFC 2132 (and of RFC 3046, RFC 3442) that are read or sent here.
    public enum Code {
        public static let subnetMask: UInt8 = 1
        public static let routers: UInt8 = 3
        public static let nameServers: UInt8 = 6
        public static let domainName: UInt8 = 15
        public static let interfaceMTU: UInt8 = 26
        public static let requestedAddress: UInt8 = 50
        public static let leaseTime: UInt8 = 51
        public static let messageType: UInt8 = 53
        public static let serverIdentifier: UInt8 = 54
        public static let parameterRequestList: UInt8 = 55
        public static let message: UInt8 = 56
        public static let maximumMessageSize: UInt8 = 57
        public static let renewalTime: UInt8 = 58
        public static let rebindingTime: UInt8 = 59
        public static let clientIdentifier: UInt8 = 61
        public static let relayAgentInformation: UInt8 = 82
        public static let classlessRoutes: UInt8 = 121
    }

    public var messageType: MessageType? {
        get { self[Code.messageType].flatMap { $0.count == 1 ? MessageType(rawValue: $0[0]) : nil } }
        set { self[Code.messageType] = newValue.map { [$0.rawValue] } }
    }
    public var requestedAddress: IPv4Address? {
        get { address(Code.requestedAddress) }
        set { self[Code.requestedAddress] = newValue?.bytes }
    }
    public var serverIdentifier: IPv4Address? {
        get { address(Code.serverIdentifier) }
        set { self[Code.serverIdentifier] = newValue?.bytes }
    }
    /// Seconds; 0xFFFF_FFFF is for ever.
    public var leaseTime: UInt32? {
        get { number(Code.leaseTime) }
        set { self[Code.leaseTime] = newValue.map { [UInt8](bigEndian: $0) } }
    }
    /// T1 in seconds.
    public var renewalTime: UInt32? {
        get { number(Code.renewalTime) }
        set { self[Code.renewalTime] = newValue.map { [UInt8](bigEndian: $0) } }
    }
    /// T2 in seconds.
    public var rebindingTime: UInt32? {
        get { number(Code.rebindingTime) }
        set { self[Code.rebindingTime] = newValue.map { [UInt8](bigEndian: $0) } }
    }
    public var clientIdentifier: [UInt8]? {
        get { self[Code.clientIdentifier].flatMap { $0.count >= 2 ? $0 : nil } }
        set { self[Code.clientIdentifier] = newValue }
    }
    public var parameterRequestList: [UInt8]? {
        get { self[Code.parameterRequestList] }
        set { self[Code.parameterRequestList] = newValue }
    }
    /// Bytes of the largest IP datagram that the sender takes, 576 or more.
    public var maximumMessageSize: UInt16? {
        get { number(Code.maximumMessageSize).flatMap { $0 >= 576 ? $0 : nil } }
        set { self[Code.maximumMessageSize] = newValue.map { [UInt8](bigEndian: $0) } }
    }
    /// The length of the network's prefix, 0…32; nil when the mask's ones are not all on the left.
    public var subnetMaskLength: UInt8? {
        get {
            guard let mask = address(Code.subnetMask)?.rawValue, mask.nonzeroBitCount + mask.trailingZeroBitCount == 32
            else { return nil }
            return UInt8(mask.nonzeroBitCount)
        }
        set {
            self[Code.subnetMask] = newValue.map { [UInt8](bigEndian: $0 == 0 ? 0 : ~UInt32(0) << (32 - min($0, 32))) }
        }
    }
    public var routers: [IPv4Address]? {
        get { addresses(Code.routers) }
        set { self[Code.routers] = newValue?.flatMap(\.bytes) }
    }
    public var nameServers: [IPv4Address]? {
        get { addresses(Code.nameServers) }
        set { self[Code.nameServers] = newValue?.flatMap(\.bytes) }
    }
    /// RFC 2132 §3.17: ASCII, as received.
    public var domainName: [UInt8]? {
        get { self[Code.domainName] }
        set { self[Code.domainName] = newValue }
    }
    /// Bytes; 68 or more (RFC 2132 §5.1).
    public var interfaceMTU: UInt16? {
        get { number(Code.interfaceMTU).flatMap { $0 >= 68 ? $0 : nil } }
        set { self[Code.interfaceMTU] = newValue.map { [UInt8](bigEndian: $0) } }
    }
    public var classlessRoutes: [ClasslessRoute]? {
        get {
            guard let value = self[Code.classlessRoutes] else { return nil }
            var reader = ByteReader(value.span.bytes)
            var routes: [ClasslessRoute] = []
            while let length = reader.uint8() {
                guard length <= 32, let significant = reader.array((Int(length) + 7) / 8), let router = reader.ipv4(),
                    let address = IPv4Address(bytes: (significant + [0, 0, 0, 0]).prefix(4)),
                    let prefix = IPPrefix(.v4(address), length: length), let route = ClasslessRoute(prefix, via: router)
                else { return nil }
                routes.append(route)
            }
            return routes
        }
        set {
            self[Code.classlessRoutes] = newValue?.flatMap { route in
                [route.destination.length] + route.destination.address.bytes.prefix(
                    (Int(route.destination.length) + 7) / 8) + route.router.bytes
            }
        }
    }
    public var relayAgentInformation: [RelayAgentSuboption]? {
        get {
            guard let value = self[Code.relayAgentInformation] else { return nil }
            var reader = ByteReader(value.span.bytes)
            var list: [RelayAgentSuboption] = []
            while let code = reader.uint8() {
                guard let length = reader.uint8(), let value = reader.array(Int(length)) else { return nil }
                list.append(RelayAgentSuboption(code, value))
            }
            return list
        }
        set {
            self[Code.relayAgentInformation] = newValue?.flatMap {
                [$0.code, UInt8(min($0.value.count, 255))] + $0.value.prefix(255)
            }
        }
    }

    private func address(_ code: UInt8) -> IPv4Address? { self[code].flatMap { IPv4Address(bytes: $0) } }

    private func number<Number: FixedWidthInteger & UnsignedInteger>(_ code: UInt8) -> Number? {
        guard let value = self[code], value.count == Number.bitWidth / 8 else { return nil }
        return value.reduce(0) { $0 << 8 | Number($1) }
    }

    private func addresses(_ code: UInt8) -> [IPv4Address]? {
        guard let value = self[code], !value.isEmpty, value.count % 4 == 0 else { return nil }
        return stride(from: 0, to: value.count, by: 4).compactMap { IPv4Address(bytes: value[$0..<$0 + 4]) }
    }
}
