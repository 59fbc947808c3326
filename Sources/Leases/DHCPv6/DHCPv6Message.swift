import Addresses
import ProtocolSupport

/// A DHCPv6 message between client and server: RFC 8415 §8. Relay messages are not among them. Options that may be
/// there once are fields; any more of them, and those of other codes, are in ``others``.
public struct DHCPv6Message: Hashable, Sendable {
    /// RFC 8415 §7.3.
    public enum MessageType: UInt8, Hashable, Sendable, CaseIterable {
        case solicit = 1, advertise, request, confirm, renew, rebind, reply, release, decline, reconfigure
        case informationRequest
    }

    /// RFC 8415 §21 and RFC 3646.
    public enum Code {
        public static let clientIdentifier: UInt16 = 1
        public static let serverIdentifier: UInt16 = 2
        public static let optionRequest: UInt16 = 6
        public static let preference: UInt16 = 7
        public static let elapsedTime: UInt16 = 8
        public static let statusCode: UInt16 = 13
        public static let rapidCommit: UInt16 = 14
        public static let nameServers: UInt16 = 23
        public static let iaPD: UInt16 = 25
        public static let iaPrefix: UInt16 = 26
        public static let maximumSolicitTimeout: UInt16 = 82
    }

    public var type: MessageType
    /// 24 bits.
    public let transactionID: UInt32
    public var client: DUID?
    public var server: DUID?
    public var ias: [IAPD] = []
    public var optionRequest: [UInt16]?
    public var preference: UInt8?
    /// Hundredths of a second.
    public var elapsedTime: UInt16?
    public var status: DHCPv6Status?
    public var rapidCommit = false
    public var nameServers: [IPv6Address]?
    /// SOL_MAX_RT in seconds, 60…86400: any other value is to be ignored (RFC 8415 §21.24).
    public var maximumSolicitTimeout: UInt32?
    public var others: [DHCPv6Option] = []

    /// A message without options; of `transactionID` the lower 24 bits are taken.
    public init(_ type: MessageType, transactionID: UInt32) {
        self.type = type
        self.transactionID = transactionID & 0xFF_FFFF
    }

    /// The payload of a UDP datagram.
    public init(parsing bytes: some Collection<UInt8>) throws(WireError) {
        let bytes = Array(bytes)
        var reader = ByteReader(bytes.span.bytes)
        guard let word = reader.uint32() else { throw WireError(.truncated) }
        guard let type = MessageType(rawValue: UInt8(word >> 24)) else { throw WireError(.badHeader) }
        self.init(type, transactionID: word)
        for option in try DHCPv6Option.list(reader.rest()) where try !take(option) { others.append(option) }
    }

    /// Whether the option became a field.
    private mutating func take(_ option: DHCPv6Option) throws(WireError) -> Bool {
        let malformed = WireError(.badOption, option: option.code)
        let value = option.value
        var reader = ByteReader(value.span.bytes)
        switch option.code {
        case Code.clientIdentifier where client == nil:
            guard let duid = DUID(bytes: option.value) else { throw malformed }
            client = duid
        case Code.serverIdentifier where server == nil:
            guard let duid = DUID(bytes: option.value) else { throw malformed }
            server = duid
        case Code.iaPD: ias.append(try IAPD(parsing: option.value))
        case Code.optionRequest where optionRequest == nil:
            var codes: [UInt16] = []
            while let code = reader.uint16() { codes.append(code) }
            guard reader.remaining == 0 else { throw malformed }
            optionRequest = codes
        case Code.preference where preference == nil:
            guard option.value.count == 1 else { throw malformed }
            preference = option.value[0]
        case Code.elapsedTime where elapsedTime == nil:
            guard option.value.count == 2 else { throw malformed }
            elapsedTime = reader.uint16()
        case Code.statusCode where status == nil: status = try DHCPv6Status(parsing: option.value)
        case Code.rapidCommit where !rapidCommit:
            guard option.value.isEmpty else { throw malformed }
            rapidCommit = true
        case Code.nameServers where nameServers == nil:
            var servers: [IPv6Address] = []
            while let address = reader.ipv6() { servers.append(address) }
            guard reader.remaining == 0 else { throw malformed }
            nameServers = servers
        case Code.maximumSolicitTimeout where maximumSolicitTimeout == nil:
            guard option.value.count == 4 else { throw malformed }
            maximumSolicitTimeout = reader.uint32().flatMap { (60...86400).contains($0) ? $0 : nil }
            return maximumSolicitTimeout != nil
        default: return false
        }
        return true
    }

    /// The payload of a UDP datagram.
    public func serialized() -> [UInt8] {
        var bytes = [UInt8](bigEndian: UInt32(type.rawValue) << 24 | transactionID)
        if let client { bytes.append(Code.clientIdentifier, client.bytes) }
        if let server { bytes.append(Code.serverIdentifier, server.bytes) }
        if let preference { bytes.append(Code.preference, [preference]) }
        if let elapsedTime { bytes.append(Code.elapsedTime, [UInt8](bigEndian: elapsedTime)) }
        if let status { bytes.append(Code.statusCode, status.value) }
        if rapidCommit { bytes.append(Code.rapidCommit, []) }
        if let optionRequest { bytes.append(Code.optionRequest, optionRequest.flatMap { [UInt8](bigEndian: $0) }) }
        for ia in ias { bytes.append(Code.iaPD, ia.value) }
        if let nameServers { bytes.append(Code.nameServers, nameServers.flatMap(\.bytes)) }
        if let maximumSolicitTimeout {
            bytes.append(Code.maximumSolicitTimeout, [UInt8](bigEndian: maximumSolicitTimeout))
        }
        for other in others { bytes.append(other.code, other.value) }
        return bytes
    }
}
