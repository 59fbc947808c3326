public import Addresses

/// Where a gateway finds its aggregation point.
public enum AggregationPointAddress: Hashable, Sendable {
    case address(IPAddress)
    /// A host name, still to be resolved. Lower case, without a final dot.
    case name(String)

    /// nil when the family is known only after the name is resolved.
    public var family: IPFamily? {
        if case .address(let address) = self { address.family } else { nil }
    }
}

extension AggregationPointAddress: LosslessStringConvertible {
    /// A unicast address, or a host name of the form of RFC 1123 §2.1; nil for anything else. A name whose last
    /// label is all digits is refused: it is a mistyped address.
    public init?(_ description: String) {
        if let address = IPAddress(description) {
            guard address.isUnicast else { return nil }
            self = .address(address)
            return
        }
        var name = description.lowercased()
        if name.utf8.last == 0x2E { name.removeLast() }
        let labels = name.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        let isDigit = { (b: UInt8) in (0x30...0x39).contains(b) }
        guard (1...253).contains(name.utf8.count), let last = labels.last, !last.allSatisfy(isDigit),
            labels.allSatisfy({ label in
                (1...63).contains(label.count) && label.first != 0x2D && label.last != 0x2D
                    && label.allSatisfy { isDigit($0) || (0x61...0x7A).contains($0) || $0 == 0x2D }
            })
        else { return nil }
        self = .name(name)
    }

    public var description: String {
        switch self {
        case .address(let address): address.description
        case .name(let name): name
        }
    }
}
