import Addresses

/// Reads big-endian numbers and runs of bytes; nil past the end, without moving.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var index: Int

    init(_ bytes: some Sequence<UInt8>) {
        let array = Array(bytes)
        self.bytes = array[...]
        index = 0
    }

    var offset: Int { index }
    var remaining: Int { bytes.endIndex - index }

    mutating func uint8() -> UInt8? { array(1)?.first }
    mutating func uint16() -> UInt16? { number() }
    mutating func uint32() -> UInt32? { number() }
    mutating func ipv4() -> IPv4Address? { array(4).flatMap { IPv4Address(bytes: $0) } }
    mutating func ipv6() -> IPv6Address? { array(16).flatMap { IPv6Address(bytes: $0) } }

    mutating func array(_ count: Int) -> [UInt8]? {
        guard count >= 0, remaining >= count else { return nil }
        defer { index += count }
        return Array(bytes[index..<index + count])
    }

    mutating func rest() -> [UInt8] { array(remaining) ?? [] }

    private mutating func number<Number: FixedWidthInteger & UnsignedInteger>() -> Number? {
        array(Number.bitWidth / 8)?.reduce(0) { $0 << 8 | Number($1) }
    }
}

extension [UInt8] {
    /// Appends a number in network byte order.
    mutating func append(bigEndian value: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    init(bigEndian value: some FixedWidthInteger & UnsignedInteger) {
        self = []
        append(bigEndian: value)
    }
}
