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
    public init?(_ description: String) {
        let parts = description.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(host: address)
            return
        }
        guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = UInt8(parts[1])
        else { return nil }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}
