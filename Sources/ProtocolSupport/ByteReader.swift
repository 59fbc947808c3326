import Addresses

/// Reads big-endian numbers and runs of bytes; nil past the end, without moving.
package struct ByteReader: ~Escapable {
    @usableFromInline let bytes: RawSpan
    @usableFromInline package var offset = 0

    @inlinable
    @_lifetime(copy bytes)
    package init(_ bytes: RawSpan) { self.bytes = bytes }

    @inlinable package var remaining: Int { bytes.byteCount - offset }

    @inlinable
    package mutating func uint8() -> UInt8? {
        guard remaining >= 1 else { return nil }
        defer { offset += 1 }
        return bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    @inlinable
    package mutating func uint16() -> UInt16? {
        guard remaining >= 2 else { return nil }
        defer { offset += 2 }
        return UInt16(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
    }

    @inlinable
    package mutating func uint32() -> UInt32? {
        guard remaining >= 4 else { return nil }
        defer { offset += 4 }
        return UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
    }

    @inlinable
    package mutating func uint64() -> UInt64? {
        guard remaining >= 8 else { return nil }
        defer { offset += 8 }
        return UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    package mutating func ipv4() -> IPv4Address? { uint32().map { IPv4Address(rawValue: $0) } }

    package mutating func ipv6() -> IPv6Address? {
        guard remaining >= 16, let high = uint64(), let low = uint64() else { return nil }
        return IPv6Address(high: high, low: low)
    }

    /// A copy of the next `count` bytes, in one allocation.
    @inlinable
    package mutating func array(_ count: Int) -> [UInt8]? {
        guard count >= 0, remaining >= count else { return nil }
        defer { offset += count }
        return bytes.extracting(offset..<offset + count).withUnsafeBytes { Array($0) }
    }

    /// A copy of all that is left.
    package mutating func rest() -> [UInt8] { array(remaining) ?? [] }

    /// A reader of the next `count` bytes alone; its offsets start at 0.
    @inlinable
    @_lifetime(copy self)
    package mutating func slice(_ count: Int) -> ByteReader? {
        guard count >= 0, remaining >= count else { return nil }
        let part = bytes.extracting(offset..<offset + count)
        offset += count
        return ByteReader(part)
    }
}

extension [UInt8] {
    /// Appends a number in network byte order.
    @inlinable
    package mutating func append(bigEndian value: some FixedWidthInteger & UnsignedInteger) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// A number in network byte order.
    package init(bigEndian value: some FixedWidthInteger & UnsignedInteger) {
        self = []
        append(bigEndian: value)
    }
}
