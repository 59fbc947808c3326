/// An IPv4 address.
public struct IPv4Address: Hashable, Comparable, Sendable {
    /// The address as a number, host byte order: 192.0.2.1 is 0xC000_0201.
    public var rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// The four bytes in network order; nil when `bytes` does not hold exactly four.
    @inlinable
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 else { return nil }
        var value: UInt32 = 0
        for byte in bytes { value = value << 8 | UInt32(byte) }
        self.init(rawValue: value)
    }

    /// Dotted decimal, four parts, no leading zeros; nil for anything else.
    public init?(_ text: some StringProtocol) { self.init(utf8: Array(text.utf8).span) }

    /// The same of text in UTF-8, for what reads thousands.
    package init?(utf8 text: Span<UInt8>) {
        guard text.count <= 15 else { return nil }
        var value: UInt32 = 0, part: UInt32 = 0
        var digits = 0, dots = 0
        for at in text.indices {
            switch text[at] {
            case UInt8(ascii: "0")...UInt8(ascii: "9") where digits == 0 || part != 0:
                part = part * 10 + UInt32(text[at] - UInt8(ascii: "0"))
                digits += 1
                guard part <= 255 else { return nil }
            case UInt8(ascii: ".") where digits > 0 && dots < 3:
                value = value << 8 | part
                part = 0
                digits = 0
                dots += 1
            default: return nil
            }
        }
        guard dots == 3, digits > 0 else { return nil }
        rawValue = value << 8 | part
    }

    public static let any = IPv4Address(rawValue: 0)

    /// Network byte order.
    public var bytes: [UInt8] {
        [UInt8(truncatingIfNeeded: rawValue >> 24), UInt8(truncatingIfNeeded: rawValue >> 16),
            UInt8(truncatingIfNeeded: rawValue >> 8), UInt8(truncatingIfNeeded: rawValue)]
    }

    public var isMulticast: Bool { rawValue >> 28 == 0xE }
    public var isLoopback: Bool { rawValue >> 24 == 127 }
    public var isLinkLocal: Bool { rawValue >> 16 == 0xA9FE }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension IPv4Address: CustomStringConvertible, LosslessStringConvertible {
    public init?(_ description: String) { self.init(description[...]) }

    public var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 0xFF).\(rawValue >> 8 & 0xFF).\(rawValue & 0xFF)"
    }
}
