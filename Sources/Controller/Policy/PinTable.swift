import Addresses
import Configuration
import GREBonding
import NFTables

/// The nftables table that keeps chosen traffic toward gateways on one leg: the aggregation point's `[[pin]]`. Items are
/// what a subscriber sends, so here, where the answers pass, sources and destinations have changed places. Each packet
/// is looked at by itself: nothing of it is in connection tracking, and one look-up a list serves all bonds.
struct PinTable {
    static let name = TableName(.inet, "spillway_pins")
    /// Where ``FlowExplainer`` begins: what comes here is for a bond.
    static let chain = "pins"

    var markMask: UInt32
    var sets: [MatchGroup: MatchSets]

    /// nil: nothing is pinned.
    init?(_ pins: [Pin], markMask: UInt32) {
        guard !pins.isEmpty else { return nil }
        self.markMask = markMask
        sets = [MatchGroup.pinDSL: Pin.Leg.dsl, .pinLTE: .lte].mapValues { leg in
            MatchSets(pins.filter { $0.leg == leg }.map(\.item), isMirrored: true)
        }
    }

    static func set(_ group: MatchGroup, _ shape: MatchShape) -> NamedSet {
        NamedSet(name, "\(group.label)_\(shape.rawValue)", key: shape.key, flags: shape.flags)
    }

    func ruleset() -> Ruleset {
        let table = Self.name
        var set = Ruleset(Table(table.family, table.name, comment: "spillway: what keeps to a leg on its way to gateways"))
        set.chains = [Chain(table, Self.chain)]
        set.rules = [
            // A packet from another bond still has the mark of the leg that it came by.
            rule(Self.chain, .set(.mark, bits: markMask, to: 0)),
        ]
        for (group, way) in [(MatchGroup.pinDSL, PolicyTable.Way.dsl), (.pinLTE, .lte)] {
            guard let elements = sets[group]?.elements, !elements.isEmpty else { continue }
            let shapes = MatchShape.allCases.filter { elements[$0] != nil }
            set.sets += shapes.map { Self.set(group, $0) }
            set.elements += shapes.map { SetContents(set: Self.set(group, $0), elements: elements[$0] ?? []) }
            let take = "take_\(way.label)"
            set.chains += [Chain(table, take), Chain(table, group.label)]
            set.rules += [
                rule(take, .set(.mark, bits: markMask, to: PolicyTable.mark(way, markMask)), .accept),
                rule(Self.chain, .jump(group.label)),
            ]
            set.rules += shapes.map { shape in
                ChainRule(table, group.label, shape.statements(Self.set(group, shape).name) + [.goto(take)])
            }
        }
        // After routing has found the bond's device, before the device chooses a leg.
        set.chains.append(Chain(table, "toward", hook: Hook(.filter, .postrouting, .mangle)))
        set.rules.append(rule("toward", SegmentTable.device(.output), .jump(Self.chain)))
        return set
    }

    private func rule(_ chain: String, _ statements: Statement...) -> ChainRule {
        ChainRule(Self.name, chain, statements)
    }
}

extension FilterRule.Match {
    /// What the answers to such packets look like; nil: they do not tell.
    var mirrored: FilterRule.Match? {
        switch self {
        case .fqdn, .sourceMAC: nil
        case .dscp, .protocol: self
        case .destinationPort(let ports): .sourcePort(ports)
        case .sourcePort(let ports): .destinationPort(ports)
        case .destinationIP(let prefix): .sourceIP(prefix)
        case .sourceIP(let prefix): .destinationIP(prefix)
        case .destinationIPAndPort(let prefix, let ports): .sourceIPAndPort(prefix, ports)
        case .sourceIPAndPort(let prefix, let ports): .destinationIPAndPort(prefix, ports)
        case .destinationIPRange(let range): .sourceIPRange(range)
        case .sourceIPRange(let range): .destinationIPRange(range)
        case .destinationIPRangeAndPort(let range, let ports): .sourceIPRangeAndPort(range, ports)
        case .sourceIPRangeAndPort(let range, let ports): .destinationIPRangeAndPort(range, ports)
        }
    }
}
