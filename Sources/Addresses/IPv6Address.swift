/// An IPv6 address.
public struct IPv6Address: Hashable, Comparable, Sendable {
    /// The first and last 64 bits as numbers, host byte order.
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The sixteen bytes in network order; nil when `bytes` does not hold exactly sixteen.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0, low: UInt64 = 0
        for byte in bytes {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte)
        }
        self.init(high: high, low: low)
    }

    /// The forms of RFC 4291 §2.2, an embedded IPv4 address included, no zone; nil for anything else.
    public init?(_ text: some StringProtocol) { self.init(utf8: Array(text.utf8).span) }

    /// The same of text in UTF-8, for what reads thousands.
    package init?(utf8 text: Span<UInt8>) {
        let colon = UInt8(ascii: ":")
        guard text.count <= 45 else { return nil }
        var value: UInt128 = 0
        // Groups so far, and those before the "::".
        var count = 0, gap: Int?
        var at = 0
        if text.count >= 2, text[0] == colon, text[1] == colon {
            gap = 0
            at = 2
        } else if text.isEmpty {
            return nil
        }
        while at < text.count {
            let start = at
            var group: UInt128 = 0
            while at < text.count, at - start < 4, let digit = Self.digit(text[at]) {
                group = group << 4 | digit
                at += 1
            }
            if at < text.count, text[at] == UInt8(ascii: ".") {
                guard count <= 6, let last = IPv4Address(utf8: text.extracting(start..<text.count)) else { return nil }
                value = value << 32 | UInt128(last.rawValue)
                count += 2
                break
            }
            guard at > start, count < 8 else { return nil }
            value = value << 16 | group
            count += 1
            if at == text.count { break }
            guard text[at] == colon, at + 1 < text.count else { return nil }
            at += 1
            if text[at] == colon {
                guard gap == nil else { return nil }
                gap = count
                at += 1
            }
        }
        if let gap {
            guard count <= 7 else { return nil }
            let after = 16 * (count - gap)
            value = (value >> after) << (16 * (8 - gap)) | value & (1 << after - 1)
        } else {
            guard count == 8 else { return nil }
        }
        high = UInt64(truncatingIfNeeded: value >> 64)
        low = UInt64(truncatingIfNeeded: value)
    }

    private static func digit(_ byte: UInt8) -> UInt128? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt128(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt128(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt128(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    public static let any = IPv6Address(high: 0, low: 0)

    /// Network byte order.
    public var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - $0 % 8 * 8)) }
    }

    public var isMulticast: Bool { high >> 56 == 0xFF }
    public var isLoopback: Bool { high == 0 && low == 1 }
    public var isLinkLocal: Bool { high >> 54 == 0xFE80 >> 6 }

    public static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

extension IPv6Address: CustomStringConvertible, LosslessStringConvertible {
    public init?(_ description: String) { self.init(description[...]) }

    /// The canonical form of RFC 5952: lower case, the longest run of zero groups shortened.
    public var description: String {
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - $0 % 4 * 16)) }
        var best = 0..<0
        var start: Int?
        for i in 0...8 {
            if i < 8, groups[i] == 0 {
                start = start ?? i
            } else if let s = start {
                if i - s > best.count, i - s > 1 { best = s..<i }
                start = nil
            }
        }
        func hex(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty ? hex(0..<8) : hex(0..<best.lowerBound) + "::" + hex(best.upperBound..<8)
    }
}
