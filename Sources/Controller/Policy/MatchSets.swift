import Addresses
import GREBonding
import NFTables

/// A filter list as the kernel's sets hold it. An element's comment says what item it came from.
struct MatchSets: Hashable {
    /// An item that is not applied, and why.
    struct Problem: Hashable {
        /// The operator's description, or where there is none the value.
        var item: String
        var reason: String
    }

    private(set) var elements: [MatchShape: [Element]] = [:]
    /// Host names, in the order of the list; wanted by whoever resolves them.
    private(set) var names: [String] = []
    private(set) var problems: [Problem] = []
    /// Items that are enabled and were taken.
    private(set) var applied = 0

    /// - Parameters:
    ///   - wildcards: whether host names may be `*.example.net`
    ///   - isMirrored: the sets are asked about the answers to what the items say
    init(_ items: [FilterItem], wildcards: Bool = false, isMirrored: Bool = false) {
        var keys: [MatchShape: Keys] = [:]
        var known: Set<String> = []
        for item in items {
            do throws(FilterRuleError) {
                let rule = try FilterRule(item, wildcards: wildcards)
                guard rule.isEnabled else { continue }
                applied += 1
                let label = Self.label(item)
                guard let match = isMirrored ? rule.match.mirrored : rule.match else {
                    applied -= 1
                    problems.append(Problem(item: label, reason: "answers_do_not_tell"))
                    continue
                }
                if case .fqdn(let name) = match {
                    if known.insert(name).inserted { names.append(name) }
                    continue
                }
                for (shape, ranges) in Self.keys(match) { keys[shape, default: Keys()].add(ranges, label) }
            } catch {
                problems.append(Problem(item: Self.label(item), reason: error.reason.rawValue))
            }
        }
        for (shape, keys) in keys {
            let (found, left) = keys.elements(shape)
            elements[shape] = found
            applied -= left.count
            problems += left.map { Problem(item: $0, reason: "overlaps_too_much") }
        }
    }

    /// What an element's comment says: nft shows it in quotation marks and takes 127 bytes.
    static func label(_ item: FilterItem) -> String {
        let text = item.description.isEmpty ? item.valueText : item.description
        var label = ""
        var length = 0
        for scalar in text.unicodeScalars {
            length += scalar.utf8.count
            if length > 120 { break }
            label.unicodeScalars.append(scalar == "\"" ? "'" : scalar)
        }
        return label
    }

    private static func keys(_ match: FilterRule.Match) -> [(MatchShape, [ClosedRange<UInt128>])] {
        func number(_ value: some BinaryInteger) -> ClosedRange<UInt128> { UInt128(value)...UInt128(value) }
        func ports(_ range: ClosedRange<UInt16>) -> ClosedRange<UInt128> {
            UInt128(range.lowerBound)...UInt128(range.upperBound)
        }
        func range(_ range: FilterRule.AddressRange) -> ClosedRange<UInt128> {
            range.lowerBound.number...range.upperBound.number
        }
        func pick(_ family: IPFamily, _ four: MatchShape, _ six: MatchShape) -> MatchShape { family == .v4 ? four : six }
        func destination(_ r: FilterRule.AddressRange) -> [(MatchShape, [ClosedRange<UInt128>])] {
            [(pick(r.family, .destination4, .destination6), [range(r)])]
        }
        func source(_ r: FilterRule.AddressRange) -> [(MatchShape, [ClosedRange<UInt128>])] {
            [(pick(r.family, .source4, .source6), [range(r)])]
        }
        func destination(
            _ r: FilterRule.AddressRange, _ p: ClosedRange<UInt16>
        ) -> [(MatchShape, [ClosedRange<UInt128>])] {
            if r.lowerBound == r.upperBound && p.count == 1 {
                return [(pick(r.family, .destinationAndPort4, .destinationAndPort6), [range(r), ports(p)])]
            }
            return [(pick(r.family, .destinationAndPortRange4, .destinationAndPortRange6), [range(r), ports(p)])]
        }
        func source(_ r: FilterRule.AddressRange, _ p: ClosedRange<UInt16>) -> [(MatchShape, [ClosedRange<UInt128>])] {
            if r.lowerBound == r.upperBound && p.count == 1 {
                return [(pick(r.family, .sourceAndPort4, .sourceAndPort6), [range(r), ports(p)])]
            }
            return [(pick(r.family, .sourceAndPortRange4, .sourceAndPortRange6), [range(r), ports(p)])]
        }
        switch match {
        case .fqdn: return []
        case .dscp(let value):
            // The first two bytes of an IPv6 header: version, DSCP, and six bits that are not compared.
            return [(.dscp4, [number(value)]), (.dscp6, [number(6 << 12 | UInt16(value) << 6)])]
        case .destinationPort(let range): return [(.destinationPort, [ports(range)])]
        case .sourcePort(let range): return [(.sourcePort, [ports(range)])]
        case .destinationIP(let prefix): return destination(.init(prefix))
        case .destinationIPRange(let range): return destination(range)
        case .sourceIP(let prefix): return source(.init(prefix))
        case .sourceIPRange(let range): return source(range)
        case .destinationIPAndPort(let prefix, let ports): return destination(.init(prefix), ports)
        case .destinationIPRangeAndPort(let range, let ports): return destination(range, ports)
        case .sourceIPAndPort(let prefix, let ports): return source(.init(prefix), ports)
        case .sourceIPRangeAndPort(let range, let ports): return source(range, ports)
        case .sourceMAC(let address): return [(.mac, [number(address.bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })])]
        case .protocol(let value): return [(.protocol, [number(value)])]
        }
    }
}

/// Keys of one set before they are cut to pieces, with the labels of their items.
private struct Keys {
    private var ranges: [[ClosedRange<UInt128>]] = []
    private var labels: [String] = []

    mutating func add(_ key: [ClosedRange<UInt128>], _ label: String) {
        ranges.append(key)
        labels.append(label)
    }

    /// - Returns: also the labels of what had to be left out
    func elements(_ shape: MatchShape) -> ([Element], left: [String]) {
        let types = shape.key
        guard shape.flags.contains(.interval) else {
            var known: Set<[UInt128]> = []
            let first = ranges.indices.filter { known.insert(ranges[$0].map(\.lowerBound)).inserted }
            return (first.map { element(types, ranges[$0], $0) }, [])
        }
        if types.count == 1 {
            let pieces = DisjointRanges(ranges.map { $0[0] }).pieces
            return (pieces.map { element(types, [$0.range], $0.owner) }, [])
        }
        let cut = DisjointRectangles(ranges.map { ($0[0], $0[1]) })
        return (cut.pieces.map { element(types, [$0.first, $0.second], $0.owner) }, cut.left.map { labels[$0] })
    }

    private func element(_ types: [FieldType], _ key: [ClosedRange<UInt128>], _ owner: Int) -> Element {
        Element(
            key: zip(types, key).map { $0.value($1.lowerBound) }, through: zip(types, key).map { $0.value($1.upperBound) },
            comment: labels[owner])
    }
}

extension IPAddress {
    /// The address as a number, for order and ranges.
    var number: UInt128 { bytes.reduce(0) { $0 << 8 | UInt128($1) } }
}

extension FieldType {
    fileprivate func value(_ number: UInt128) -> Value {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: number >> UInt128(8 * (length - 1 - $0))) }
        return value(bytes)
    }
}
