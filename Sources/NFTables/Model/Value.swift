import Addresses

/// One value as nftables holds it in a register or a set: typed, so that its byte order is never a question.
public enum Value: Hashable, Sendable {
    /// `ipv4_addr`: network byte order.
    case ipv4(IPv4Address)
    /// `ipv6_addr`: network byte order.
    case ipv6(IPv6Address)
    /// `mark`: host byte order, as the packet's mark is kept in the kernel.
    case mark(UInt32)
    /// `inet_proto`: an IP protocol number.
    case inetProtocol(UInt8)
    /// `inet_service`: a port, network byte order.
    case inetService(UInt16)
    /// `ifname`: up to 15 bytes, filled up with zeros to 16.
    case interfaceName(String)
    /// A number taken from the packet as it is there: network byte order, `length` bytes (1…4).
    case integer(UInt32, length: Int)
    /// Bytes of a type without a case of its own.
    case raw([UInt8])

    /// A 32-bit number in network byte order, such as the key of a GRE header.
    public static func integer(_ value: UInt32) -> Value { .integer(value, length: 4) }

    /// The bytes without the padding to whole registers.
    public var bytes: [UInt8] {
        switch self {
        case .ipv4(let address): address.bytes
        case .ipv6(let address): address.bytes
        case .mark(let mark): mark.hostOrderBytes
        case .inetProtocol(let number): [number]
        case .inetService(let port): port.networkOrderBytes
        case .interfaceName(let name): Self.fixed(name, length: 16)
        case .integer(let value, let length): Array(value.networkOrderBytes.suffix(Swift.max(0, Swift.min(4, length))))
        case .raw(let bytes): bytes
        }
    }

    private static func fixed(_ text: String, length: Int) -> [UInt8] {
        let bytes = Array(text.utf8.prefix(length - 1))
        return bytes + [UInt8](repeating: 0, count: length - bytes.count)
    }
}

extension Value: CustomStringConvertible {
    /// As nft writes it, protocols and ports by number: `192.0.2.1`, `0x00000001` (a mark), `"eth0"`, `443`. Bytes
    /// without a type are hexadecimal.
    public var description: String {
        switch self {
        case .ipv4(let address): "\(address)"
        case .ipv6(let address): "\(address)"
        case .mark(let mark): Self.hexadecimal(mark.networkOrderBytes)
        case .inetProtocol(let number): "\(number)"
        case .inetService(let port): "\(port)"
        case .interfaceName(let name): "\"\(name)\""
        case .integer(let value, _): "\(value)"
        case .raw(let bytes): Self.hexadecimal(bytes)
        }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return bytes.reduce(into: "0x") { $0 += "\(digits[Int($1 >> 4)])\(digits[Int($1 & 15)])" }
    }
}

extension Value: ExpressibleByIntegerLiteral {
    /// A number of four bytes, network byte order.
    public init(integerLiteral value: UInt32) { self = .integer(value, length: 4) }
}

extension FixedWidthInteger {
    var networkOrderBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
    var hostOrderBytes: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }

    /// From exactly as many bytes as the type has; nil otherwise.
    init?(networkOrderBytes bytes: some Collection<UInt8>) {
        guard bytes.count == MemoryLayout<Self>.size else { return nil }
        self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
    }

    init?(hostOrderBytes bytes: some Collection<UInt8>) {
        guard let value = Self(networkOrderBytes: bytes) else { return nil }
        self = Self(bigEndian: value) == value ? value : value.byteSwapped
    }
}

extension [UInt8] {
    /// Filled up with zeros to whole 32-bit registers, as fields of a concatenation are.
    var paddedToRegisters: [UInt8] { self + [UInt8](repeating: 0, count: (4 - count % 4) % 4) }
}
