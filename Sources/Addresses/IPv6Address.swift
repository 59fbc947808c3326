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
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 45 else { return nil }
        let halves = Self.split(text)
        guard let halves, let head = Self.groups(halves.head, last: halves.tail == nil) else { return nil }
        var groups = head
        if let tailText = halves.tail {
            guard let tail = Self.groups(tailText, last: true), head.count + tail.count <= 7 else { return nil }
            groups += Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        }
        guard groups.count == 8 else { return nil }
        high = groups[..<4].reduce(0) { $0 << 16 | UInt64($1) }
        low = groups[4...].reduce(0) { $0 << 16 | UInt64($1) }
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

    /// The text before and after the one "::"; nil when there are two of them.
    private static func split(_ text: some StringProtocol) -> (head: String, tail: String?)? {
        let units = Array(text.utf8)
        var gap: Int?
        for i in units.indices.dropLast() where units[i] == 0x3A && units[i + 1] == 0x3A {
            if gap != nil { return nil }
            gap = i
        }
        guard let gap else { return (String(text), nil) }
        return (
            String(decoding: units[..<gap], as: UTF8.self), String(decoding: units[(gap + 2)...], as: UTF8.self)
        )
    }

    private static func groups(_ text: String, last: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (i, part) in parts.enumerated() {
            if last, i == parts.count - 1, part.utf8.contains(0x2E) {
                guard let v4 = IPv4Address(part) else { return nil }
                groups += [UInt16(truncatingIfNeeded: v4.rawValue >> 16), UInt16(truncatingIfNeeded: v4.rawValue)]
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.first != 0x2B, part.utf8.first != 0x2D,
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }
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
