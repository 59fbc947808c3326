/// Why a list of items cannot be sent.
public enum FilterListError: Error, Hashable, Sendable {
    /// One item alone is longer than a package may be.
    case itemTooLong(description: String, wireLength: Int)
    /// The list needs more packages than Packet_Sum can count.
    case tooManyPackages(Int)
}

extension FilterListError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .itemTooLong(let description, let length):
            "filter item \"\(description)\" has \(length) bytes, a package holds "
                + "\(FilterListPackage.maximumLength - FilterListPackage.headerLength)"
        case .tooManyPackages(let count): "the filter list needs \(count) packages, \(UInt16.max) is the most"
        }
    }
}

extension FilterListPackage {
    /// The packages that carry a list, in order, each at most ``maximumLength`` bytes long. An empty list, which
    /// clears the HG's, has one package without items.
    public static func split(
        _ items: [FilterItem], commitCount: UInt32
    ) throws(FilterListError) -> [FilterListPackage] {
        var groups: [[FilterItem]] = [[]]
        var length = headerLength
        for item in items {
            let itemLength = item.wireLength
            guard headerLength + itemLength <= maximumLength else {
                throw .itemTooLong(description: item.description, wireLength: itemLength)
            }
            if length + itemLength > maximumLength {
                groups.append([])
                length = headerLength
            }
            groups[groups.count - 1].append(item)
            length += itemLength
        }
        guard let sum = UInt16(exactly: groups.count) else { throw .tooManyPackages(groups.count) }
        return zip(1...sum, groups).map { id, items in
            FilterListPackage(commitCount: commitCount, packetSum: sum, packetID: id, items: items)
        }
    }
}
