import Addresses
import ProtocolSupport

/// Who a DHCPv6 client or server is: RFC 8415 §11. Opaque, compared as a whole.
public struct DUID: Hashable, Sendable {
    /// Type (2 bytes, network order) and identifier.
    public let bytes: [UInt8]

    /// nil unless there are 3 to 130 bytes.
    public init?(bytes: [UInt8]) {
        guard (3...130).contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// DUID-LL of RFC 8415 §11.4; 1 is Ethernet. Of `address` the first 126 bytes are taken.
    public init(linkLayer address: [UInt8], hardwareType: UInt16 = 1) {
        bytes = [0, 3] + [UInt8](bigEndian: hardwareType) + address.prefix(126)
    }
}

/// An option of a code that is not read here, or one more than is read.
public struct DHCPv6Option: Hashable, Sendable {
    public var code: UInt16
    public var value: [UInt8]

    public init(_ code: UInt16, _ value: [UInt8]) {
        self.code = code
        self.value = value
    }
}

/// RFC 8415 §21.13.
public struct DHCPv6Status: Hashable, Sendable {
    public struct Code: RawRepresentable, Hashable, Sendable {
        public var rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        public static let success = Code(rawValue: 0)
        public static let unspecFail = Code(rawValue: 1)
        public static let noBinding = Code(rawValue: 3)
        public static let useMulticast = Code(rawValue: 5)
        public static let noPrefixAvail = Code(rawValue: 6)
    }

    public var code: Code
    /// UTF-8 as received, for display.
    public var message: [UInt8]

    public init(_ code: Code, message: [UInt8] = []) {
        self.code = code
        self.message = message
    }
}

/// The IA Prefix option: RFC 8415 §21.22.
public struct IAPrefix: Hashable, Sendable {
    /// Seconds; 0xFFFF_FFFF is for ever.
    public var preferredLifetime: UInt32
    public var validLifetime: UInt32
    public let address: IPv6Address
    /// 0…128.
    public let length: UInt8
    public var status: DHCPv6Status?
    public var others: [DHCPv6Option] = []

    /// nil when `prefix` is not an IPv6 prefix.
    public init?(_ prefix: IPPrefix, preferredLifetime: UInt32, validLifetime: UInt32) {
        guard case .v6(let address) = prefix.address else { return nil }
        self.init(address, prefix.length, preferredLifetime: preferredLifetime, validLifetime: validLifetime)
    }

    private init(_ address: IPv6Address, _ length: UInt8, preferredLifetime: UInt32, validLifetime: UInt32) {
        self.address = address
        self.length = length
        self.preferredLifetime = preferredLifetime
        self.validLifetime = validLifetime
    }

    /// With its host bits cleared: they are to be ignored.
    public var prefix: IPPrefix { (IPPrefix(.v6(address), length: length) ?? .all(.v6)).masked }

    init(parsing value: [UInt8]) throws(WireError) {
        var reader = ByteReader(value.span.bytes)
        guard let preferred = reader.uint32(), let valid = reader.uint32(), let length = reader.uint8(),
            let address = reader.ipv6(), length <= 128
        else { throw WireError(.badOption, option: DHCPv6Message.Code.iaPrefix) }
        self.init(address, length, preferredLifetime: preferred, validLifetime: valid)
        for option in try DHCPv6Option.list(reader.rest()) {
            if option.code == DHCPv6Message.Code.statusCode, status == nil {
                status = try DHCPv6Status(parsing: option.value)
            } else {
                others.append(option)
            }
        }
    }

    var value: [UInt8] {
        var bytes = [UInt8](bigEndian: preferredLifetime) + [UInt8](bigEndian: validLifetime)
        bytes += [length] + address.bytes
        if let status { bytes.append(DHCPv6Message.Code.statusCode, status.value) }
        for other in others { bytes.append(other.code, other.value) }
        return bytes
    }
}

/// The IA_PD option: RFC 8415 §21.21.
public struct IAPD: Hashable, Sendable {
    public var iaid: UInt32
    /// Seconds; 0 leaves it to the client, 0xFFFF_FFFF is never.
    public var t1: UInt32 = 0
    public var t2: UInt32 = 0
    public var prefixes: [IAPrefix] = []
    public var status: DHCPv6Status?
    public var others: [DHCPv6Option] = []

    public init(iaid: UInt32) { self.iaid = iaid }

    init(parsing value: [UInt8]) throws(WireError) {
        var reader = ByteReader(value.span.bytes)
        guard let iaid = reader.uint32(), let t1 = reader.uint32(), let t2 = reader.uint32() else {
            throw WireError(.badOption, option: DHCPv6Message.Code.iaPD)
        }
        self.init(iaid: iaid)
        self.t1 = t1
        self.t2 = t2
        for option in try DHCPv6Option.list(reader.rest()) {
            switch option.code {
            case DHCPv6Message.Code.iaPrefix: prefixes.append(try IAPrefix(parsing: option.value))
            case DHCPv6Message.Code.statusCode where status == nil: status = try DHCPv6Status(parsing: option.value)
            default: others.append(option)
            }
        }
    }

    var value: [UInt8] {
        var bytes = [UInt8](bigEndian: iaid) + [UInt8](bigEndian: t1) + [UInt8](bigEndian: t2)
        for prefix in prefixes { bytes.append(DHCPv6Message.Code.iaPrefix, prefix.value) }
        if let status { bytes.append(DHCPv6Message.Code.statusCode, status.value) }
        for other in others { bytes.append(other.code, other.value) }
        return bytes
    }
}

extension DHCPv6Status {
    init(parsing value: [UInt8]) throws(WireError) {
        var reader = ByteReader(value.span.bytes)
        guard let code = reader.uint16() else { throw WireError(.badOption, option: DHCPv6Message.Code.statusCode) }
        self.init(Code(rawValue: code), message: reader.rest())
    }

    var value: [UInt8] { [UInt8](bigEndian: code.rawValue) + message }
}

extension DHCPv6Option {
    /// Options do not nest here: what an option holds is parsed by whoever knows the option, so depth is bounded.
    static func list(_ bytes: [UInt8]) throws(WireError) -> [DHCPv6Option] {
        var reader = ByteReader(bytes.span.bytes)
        var list: [DHCPv6Option] = []
        while reader.remaining > 0 {
            guard let code = reader.uint16() else { throw WireError(.optionTruncated) }
            guard let length = reader.uint16(), let value = reader.array(Int(length)) else {
                throw WireError(.optionTruncated, option: code)
            }
            list.append(DHCPv6Option(code, value))
        }
        return list
    }
}

extension [UInt8] {
    /// A DHCPv6 option; of `value` the first 65535 bytes are taken.
    mutating func append(_ code: UInt16, _ value: [UInt8]) {
        append(bigEndian: code)
        append(bigEndian: UInt16(Swift.min(value.count, 65535)))
        self += value.prefix(65535)
    }
}
