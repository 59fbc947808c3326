public import Addresses

/// A filter item with its value read: what passes the tunnels by, RFC 8157 §5.6.2.
public struct FilterRule: Hashable, Sendable {
    /// Ports are as in the transport header; both ends of a range belong to it.
    public enum Match: Hashable, Sendable {
        /// Lower case, without a final dot. With `*.` before it all names below it, where such are taken.
        case fqdn(String)
        /// 0…63.
        case dscp(UInt8)
        /// One port is a range of itself.
        case destinationPort(ClosedRange<UInt16>)
        /// Host bits are clear in all prefixes.
        case destinationIP(IPPrefix)
        /// Both must match, as in all pairs.
        case destinationIPAndPort(IPPrefix, ClosedRange<UInt16>)
        /// As ``destinationPort(_:)``.
        case sourcePort(ClosedRange<UInt16>)
        /// As ``destinationIP(_:)``.
        case sourceIP(IPPrefix)
        /// As ``destinationIPAndPort(_:_:)``.
        case sourceIPAndPort(IPPrefix, ClosedRange<UInt16>)
        /// The Ethernet source.
        case sourceMAC(HardwareAddress)
        /// IP protocol number.
        case `protocol`(UInt8)
        /// From the lower to the upper bound.
        case sourceIPRange(AddressRange)
        /// As ``sourceIPRange(_:)``.
        case destinationIPRange(AddressRange)
        /// Both must match.
        case sourceIPRangeAndPort(AddressRange, ClosedRange<UInt16>)
        /// As ``sourceIPRangeAndPort(_:_:)``.
        case destinationIPRangeAndPort(AddressRange, ClosedRange<UInt16>)
    }

    /// Addresses of one family, both ends included.
    public struct AddressRange: Hashable, Sendable {
        /// The first address.
        public let lowerBound: IPAddress
        /// The last address, of the same family.
        public let upperBound: IPAddress

        /// nil when the families differ or the ends are the wrong way round.
        public init?(_ lowerBound: IPAddress, _ upperBound: IPAddress) {
            guard lowerBound.family == upperBound.family, lowerBound <= upperBound else { return nil }
            self.lowerBound = lowerBound
            self.upperBound = upperBound
        }

        /// The family of both ends.
        public var family: IPFamily { lowerBound.family }

        /// All addresses of a prefix.
        public init(_ prefix: IPPrefix) {
            lowerBound = prefix.masked.address
            upperBound = prefix.last
        }
    }

    /// Six bytes of an Ethernet address, in the order they are sent and written.
    public struct HardwareAddress: Hashable, Sendable, CustomStringConvertible {
        /// Six bytes.
        public let bytes: [UInt8]

        /// nil unless there are exactly six bytes.
        public init?(bytes: [UInt8]) {
            guard bytes.count == 6 else { return nil }
            self.bytes = bytes
        }

        public var description: String {
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        }
    }

    /// What the packets are to look like.
    public let match: Match
    /// Whether the item is to be applied.
    public let isEnabled: Bool
    /// The operator's description, safe to print.
    public let description: String

    /// Reads the value of an item.
    /// - Parameter wildcards: whether `*.example.net` is taken as a host name: a user's own list may have it, but RFC
    ///   8157 §5.6.2 knows only whole names
    /// - Throws: an error that names the item; such an item is left out, the rest of its list stays good.
    public init(_ item: FilterItem, wildcards: Bool = false) throws(FilterRuleError) {
        func failure(_ reason: FilterRuleError.Reason) -> FilterRuleError { FilterRuleError(reason, item: item) }

        guard let kind = item.kind else { throw failure(.reservedType) }
        guard item.enable <= 1 else { throw failure(.reservedEnable) }
        guard let text = String(validating: item.value, as: UTF8.self) else { throw failure(.notUTF8) }
        let value = FilterValue(text)
        do throws(FilterRuleError.Reason) {
            match =
                switch kind {
                case .fqdn: .fqdn(try value.fqdn(wildcards: wildcards))
                case .dscp: .dscp(try value.dscp())
                case .destinationPort: .destinationPort(try value.ports())
                case .destinationIP: .destinationIP(try value.prefix())
                case .destinationIPAndPort: try value.prefixAndPorts(Match.destinationIPAndPort)
                case .sourcePort: .sourcePort(try value.ports())
                case .sourceIP: .sourceIP(try value.prefix())
                case .sourceIPAndPort: try value.prefixAndPorts(Match.sourceIPAndPort)
                case .sourceMAC: .sourceMAC(try value.hardwareAddress())
                case .protocol: .protocol(try value.protocolNumber())
                case .sourceIPRange: .sourceIPRange(try value.addressRange())
                case .destinationIPRange: .destinationIPRange(try value.addressRange())
                case .sourceIPRangeAndPort: try value.addressRangeAndPorts(Match.sourceIPRangeAndPort)
                case .destinationIPRangeAndPort: try value.addressRangeAndPorts(Match.destinationIPRangeAndPort)
                }
        } catch {
            throw failure(error)
        }
        isEnabled = item.enable == 1
        description = item.description
    }
}

extension IPPrefix {
    /// The highest address of the prefix.
    fileprivate var last: IPAddress {
        switch masked.address {
        case .v4(let address):
            return .v4(IPv4Address(rawValue: address.rawValue | (length >= 32 ? 0 : UInt32.max >> UInt32(length))))
        case .v6(let address):
            let high = length >= 64 ? 0 : UInt64.max >> UInt64(length)
            let low = length >= 128 ? 0 : length <= 64 ? UInt64.max : UInt64.max >> UInt64(length - 64)
            return .v6(IPv6Address(high: address.high | high, low: address.low | low))
        }
    }
}
