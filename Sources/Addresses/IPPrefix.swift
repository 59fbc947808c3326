/// An address with a prefix length: a network, or an interface's address with its network.
public struct IPPrefix: Hashable, Comparable, Sendable {
    public var address: IPAddress
    /// 0…32 for IPv4, 0…128 for IPv6.
    public let length: UInt8

    /// nil when the length is out of the family's range. Host bits are kept: see ``masked``.
    public init?(_ address: IPAddress, length: UInt8) {
        guard length <= address.family.bits else { return nil }
        self.address = address
        self.length = length
    }

    /// The prefix that holds this one address.
    public init(host address: IPAddress) {
        self.address = address
        length = address.family.bits
    }

    /// 0.0.0.0/0 or ::/0.
    public static func all(_ family: IPFamily) -> IPPrefix {
        IPPrefix(.any(family), length: 0) ?? IPPrefix(host: .any(family))
    }

    /// The same prefix with its host bits cleared.
    public var masked: IPPrefix {
        var result = self
        switch address {
        case .v4(let a): result.address = .v4(IPv4Address(rawValue: a.rawValue & Self.mask32(length)))
        case .v6(let a):
            result.address = .v6(
                IPv6Address(
                    high: a.high & Self.mask64(min(length, 64)),
                    low: a.low & Self.mask64(length > 64 ? length - 64 : 0)))
        }
        return result
    }

    public func contains(_ other: IPAddress) -> Bool {
        guard other.family == address.family else { return false }
        return IPPrefix(other, length: length)?.masked == masked
    }

    /// Whether an address is in both.
    public func overlaps(_ other: IPPrefix) -> Bool {
        length <= other.length ? contains(other.address) : other.contains(address)
    }

    public static func < (a: Self, b: Self) -> Bool { (a.address, a.length) < (b.address, b.length) }

    private static func mask32(_ length: UInt8) -> UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - length) }
    private static func mask64(_ length: UInt8) -> UInt64 { length == 0 ? 0 : ~0 << UInt64(64 - length) }
}

extension IPPrefix: CustomStringConvertible, LosslessStringConvertible {
    /// "address/length"; an address alone is its host prefix. nil for anything else.
    public init?(_ description: String) { self.init(utf8: Array(description.utf8).span) }

    /// The same of text in UTF-8, for what reads thousands.
    package init?(utf8 text: Span<UInt8>) {
        guard let slash = text.indices.first(where: { text[$0] == UInt8(ascii: "/") }) else {
            guard let address = IPAddress(utf8: text) else { return nil }
            self.init(host: address)
            return
        }
        let digits = text.extracting((slash + 1)..<text.count)
        var length: UInt16 = 0
        for at in digits.indices {
            guard at < 3, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digits[at]) else { return nil }
            length = length * 10 + UInt16(digits[at] - UInt8(ascii: "0"))
        }
        guard !digits.isEmpty, let length = UInt8(exactly: length),
            let address = IPAddress(utf8: text.extracting(..<slash))
        else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}
