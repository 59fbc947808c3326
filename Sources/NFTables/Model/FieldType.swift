import Addresses

/// The type of one field of a set's key, or of a map's data, as `nft` must know it to print the elements.
///
/// The kernel only compares bytes. The type travels as a number `nft` made up (`NFTA_SET_KEY_TYPE`: six bits a field)
/// and, for fields that are taken from the packet by position, as a description in the set's user data.
public enum FieldType: Hashable, Sendable {
    case ipv4Address
    case ipv6Address
    case etherAddress
    case inetProtocol
    case inetService
    case mark
    case interfaceName
    /// A big-endian number somewhere in the packet: `typeof @th,32,32`. A set with one such field is declared by
    /// `typeof` throughout, because nft has no plain type that a raw payload expression may be looked up in: it loads
    /// `@th,32,32 @set` only if the set's field has type "integer". Offset and length in bytes.
    case payload(PayloadBase, offset: UInt32, length: UInt32)
    /// A type without a case of its own: nft's number for it, and the length in bytes.
    case other(type: UInt32, length: Int)

    /// A DSCP (RFC 2474 §3) by itself, 0…63.
    public static let dscp = FieldType.other(type: 36, length: 1)

    /// nft's number for the type.
    var typeNumber: UInt32 {
        switch self {
        case .payload: 4
        case .ipv4Address: 7
        case .ipv6Address: 8
        case .etherAddress: 9
        case .inetProtocol: 12
        case .inetService: 13
        case .mark: 19
        case .interfaceName: 41
        case .other(let type, _): type
        }
    }

    /// Bytes, without padding.
    public var length: Int {
        switch self {
        case .inetProtocol: 1
        case .inetService: 2
        case .ipv4Address, .mark: 4
        case .etherAddress: 6
        case .ipv6Address, .interfaceName: 16
        case .payload(_, _, let length): Int(length)
        case .other(_, let length): length
        }
    }

    /// Bytes in a concatenation, where every field fills whole registers.
    var paddedLength: Int { (length + 3) / 4 * 4 }

    /// nft's byte order number: 1 the host's, 2 big-endian, 0 not known.
    var byteOrder: UInt32 {
        switch self {
        case .mark, .interfaceName: 1
        case .other: 0
        default: 2
        }
    }

    /// The type of a known number; nil for "integer" and the like, which need a description to be understood.
    init?(typeNumber: UInt32) {
        switch typeNumber {
        case 7: self = .ipv4Address
        case 8: self = .ipv6Address
        case 9: self = .etherAddress
        case 12: self = .inetProtocol
        case 13: self = .inetService
        case 19: self = .mark
        case 41: self = .interfaceName
        default: return nil
        }
    }

    /// Whether a value may stand in a field of this type.
    func accepts(_ value: Value) -> Bool {
        switch (self, value) {
        case (.ipv4Address, .ipv4), (.ipv6Address, .ipv6), (.mark, .mark), (.inetProtocol, .inetProtocol),
            (.inetService, .inetService), (.interfaceName, .interfaceName):
            true
        case (.payload, .integer), (.payload, .raw), (.other, .raw), (.etherAddress, .raw):
            value.bytes.count == length
        default: false
        }
    }

    /// The value that these bytes are; `raw` where they do not fit the type.
    public func value(_ bytes: [UInt8]) -> Value { bytes.withUnsafeBytes(value) }

    /// Without an array for each of thousands.
    func value(_ bytes: UnsafeRawBufferPointer) -> Value {
        switch self {
        case .ipv4Address: IPv4Address(bytes: bytes).map { .ipv4($0) } ?? .raw(Array(bytes))
        case .ipv6Address: IPv6Address(bytes: bytes).map { .ipv6($0) } ?? .raw(Array(bytes))
        case .mark: UInt32(hostOrderBytes: bytes).map { .mark($0) } ?? .raw(Array(bytes))
        case .inetProtocol: bytes.count == 1 ? .inetProtocol(bytes[0]) : .raw(Array(bytes))
        case .inetService: UInt16(networkOrderBytes: bytes).map { .inetService($0) } ?? .raw(Array(bytes))
        case .interfaceName: .interfaceName(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        case .payload where (1...4).contains(bytes.count):
            .integer(bytes.reduce(0) { $0 << 8 | UInt32($1) }, length: bytes.count)
        case .payload, .etherAddress, .other: .raw(Array(bytes))
        }
    }
}

/// Which header an offset counts from (`NFT_PAYLOAD_*_HEADER`).
public struct PayloadBase: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let linkLayer = PayloadBase(rawValue: 0)
    public static let network = PayloadBase(rawValue: 1)
    public static let transport = PayloadBase(rawValue: 2)
    /// What the transport header carries (kernel 6.2).
    public static let inner = PayloadBase(rawValue: 3)
}
