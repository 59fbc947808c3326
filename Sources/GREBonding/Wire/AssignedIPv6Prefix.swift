public import Addresses

/// The value of IPv6 Prefix Assigned by HAAP and of IPv6 Prefix Assigned to Host: RFC 8157 §5.4.2, §5.6.7.
///
/// The length byte is kept as received, so that a value above 128 can be reported and sent back unchanged.
public struct AssignedIPv6Prefix: Hashable, Sendable {
    /// The address with its host bits as received.
    public var address: IPv6Address
    /// The prefix length in bits, 0…128.
    public var length: UInt8

    /// Any length byte; values above 128 are no prefix.
    public init(address: IPv6Address, length: UInt8) {
        self.address = address
        self.length = length
    }

    /// nil for an IPv4 prefix.
    public init?(_ prefix: IPPrefix) {
        guard case .v6(let address) = prefix.address else { return nil }
        self.init(address: address, length: prefix.length)
    }

    /// ::/0, which stands for "no prefix yet".
    public static let none = AssignedIPv6Prefix(address: .any, length: 0)

    /// The prefix with its host bits as received; nil when the length is above 128.
    public var prefix: IPPrefix? { IPPrefix(.v6(address), length: length) }
}

extension AssignedIPv6Prefix: CustomStringConvertible {
    public var description: String { "\(address)/\(length)" }
}
