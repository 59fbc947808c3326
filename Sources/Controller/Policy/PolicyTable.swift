import Addresses
import Configuration
import GREBonding
import NFTables

/// The nftables table that gives each flow of the LAN its way: through the bond, on one leg of it, or past it.
///
/// The first packet of a flow decides, and connection tracking remembers: a flow that runs keeps its way, whatever
/// becomes of the lists. The bits of the mark are the same on the connection and on the packet, where routing (the way
/// past the bond) and colouring (the leg) see them.
struct PolicyTable {
    /// What the marks say.
    enum Way: UInt32, CaseIterable {
        case dsl = 1
        case lte
        case bypass

        var label: String {
            switch self {
            case .dsl: "dsl"
            case .lte: "lte"
            case .bypass: "bypass"
            }
        }
    }

    static let name = TableName(.inet, "spillway_policy")

    var lan: [String]
    /// The interface past the bond.
    var dsl: String
    var markMask: UInt32
    /// Sources of the LAN that the DSL line's network routes back to it.
    var nativePrefix: IPPrefix?
    /// The user's lists.
    var sets: [MatchGroup: MatchSets]

    init(_ settings: HomeGatewayConfiguration) {
        lan = settings.lan.map(\.description)
        dsl = settings.dsl.interface.description
        markMask = settings.kernel.markMask
        nativePrefix = settings.dsl.prefix
        sets = [
            .pinDSL: settings.pins.filter { $0.leg == .dsl }.map(\.item),
            .pinLTE: settings.pins.filter { $0.leg == .lte }.map(\.item),
            .exception: settings.exceptions, .bypass: settings.bypass,
        ].mapValues { MatchSets($0, wildcards: true) }
    }

    func mark(_ way: Way) -> UInt32 { Self.mark(way, markMask) }

    static func mark(_ way: Way, _ mask: UInt32) -> UInt32 { way.rawValue << UInt32(mask.trailingZeroBitCount) & mask }

    static func way(mark: UInt32, _ mask: UInt32) -> Way? { Way.allCases.first { self.mark($0, mask) == mark & mask } }

    // MARK: Sets

    static func set(_ group: MatchGroup, _ shape: MatchShape) -> NamedSet {
        NamedSet(name, "\(group.label)_\(shape.rawValue)", key: shape.key, flags: shape.flags)
    }

    /// Addresses that host names of the list have; an element's comment is the name.
    static func names(_ group: MatchGroup, _ family: IPFamily) -> NamedSet {
        NamedSet(
            name, "\(group.label)_names\(family == .v4 ? 4 : 6)", key: [family == .v4 ? .ipv4Address : .ipv6Address],
            flags: .timeout, size: 65_536)
    }

    /// Families that have a way past the bond now (`meta nfproto`).
    static let open = NamedSet(name, "bypass_open", key: [.other(type: 2, length: 1)])

    private static let lans = NamedSet(name, "lan", key: [.interfaceName])
    private static let ways = NamedSet(
        name, "ways", key: [.mark], data: .verdict, comment: "what was decided for a flow that runs")

    /// A user's list has the sets that it needs; the operator's may come to need any.
    private func shapes(_ group: MatchGroup) -> [MatchShape] {
        guard let sets = sets[group] else { return MatchShape.allCases }
        return MatchShape.allCases.filter { sets.elements[$0] != nil }
    }

    /// Sets of host names are there for each list that has some; the operator's may.
    private func hasNames(_ group: MatchGroup) -> Bool { sets[group].map { !$0.names.isEmpty } ?? true }

    // MARK: Rules

    func ruleset() -> Ruleset {
        let table = Self.name
        var set = Ruleset(Table(table.family, table.name, comment: "spillway: which way flows of the LAN take"))
        set.sets = [Self.lans, Self.ways, Self.open]
        set.elements = [
            SetContents(set: Self.lans, elements: lan.map { Element(.interfaceName($0)) }),
            SetContents(
                set: Self.ways,
                elements: Way.allCases.map { Element(.mark(mark($0)), data: .verdict(.goto("go_\($0.label)"))) }),
        ]
        set.chains = Way.allCases.flatMap { [Chain(table, "go_\($0.label)"), Chain(table, "take_\($0.label)")] }
        set.chains.append(Chain(table, "stay"))
        for group in MatchGroup.allCases {
            let shapes = shapes(group)
            set.sets += shapes.map { Self.set(group, $0) }
            if hasNames(group) { set.sets += [Self.names(group, .v4), Self.names(group, .v6)] }
            set.elements += shapes.compactMap { shape in
                sets[group]?.elements[shape].map { SetContents(set: Self.set(group, shape), elements: $0) }
            }
            set.chains.append(Chain(table, group.label))
        }
        set.chains += [
            Chain(table, "choose", hook: Hook(.filter, .prerouting, .mangle)),
            Chain(table, "translate", hook: Hook(.nat, .postrouting, .sourceNat)),
        ]
        set.rules =
            Way.allCases.flatMap(wayRules) + [rule("stay", .accept)] + MatchGroup.allCases.flatMap(groupRules) + chooseRules()
            + translateRules()
        return set
    }

    private func wayRules(_ way: Way) -> [ChainRule] {
        var rules = [
            rule("go_\(way.label)", .set(.mark, bits: markMask, to: mark(way)), .accept),
        ]
        if way == .bypass {
            // Without a way past the bond the flow stays in it for good: its source was translated for there.
            rules.append(rule("take_bypass", .match(Self.family, .notInSet(Self.open.name)), .accept))
        }
        rules.append(
            rule("take_\(way.label)", .set(.connectionMark, bits: markMask, to: mark(way)), .goto("go_\(way.label)")))
        return rules
    }

    private func groupRules(_ group: MatchGroup) -> [ChainRule] {
        let target = Statement.goto(group.way.map { "take_\($0.label)" } ?? "stay")
        var rules = shapes(group).map { shape in
            ChainRule(Self.name, group.label, shape.statements(Self.set(group, shape).name) + [target])
        }
        if hasNames(group) {
            for (family, field) in [(IPFamily.v4, Field.ipDaddr), (.v6, .ip6Daddr)] {
                rules.append(
                    rule(
                        group.label, .family(family), .match(field, .inSet(Self.names(group, family).name)), target))
            }
        }
        return rules
    }

    private func chooseRules() -> [ChainRule] {
        [
            rule("choose", .match(.inputInterfaceName, .notInSet(Self.lans.name)), .accept),
            rule("choose", .verdict(of: [.connectionMark.masked(.mark(markMask))], in: Self.ways.name)),
            rule("choose", .connectionIsConfirmed, .accept, comment: "it began without a choice, or before there was one"),
        ] + MatchGroup.allCases.map { rule("choose", .jump($0.label)) }
    }

    private func translateRules() -> [ChainRule] {
        var parts: [Statement] = [
            .match(.outputInterfaceName, .equal(.interfaceName(dsl))),
            .match(.mark.masked(.mark(markMask)), .equal(.mark(mark(.bypass)))),
        ]
        var rules: [ChainRule] = []
        if let prefix = nativePrefix, case .v6(let address) = prefix.masked.address {
            var bits = [UInt8](repeating: 0, count: 16)
            for bit in 0..<Int(prefix.length) { bits[bit / 8] |= 0x80 >> UInt8(bit % 8) }
            let network = Field.ip6Saddr.masked(.raw(bits))
            rules.append(
                ChainRule(
                    Self.name, "translate", parts + [.family(.v6), .match(network, .equal(.ipv6(address))), .accept]))
        }
        parts.append(.masquerade)
        return rules + [ChainRule(Self.name, "translate", parts)]
    }

    private static let family = Field(.meta(.networkProtocol), .other(type: 2, length: 1))

    private func rule(_ chain: String, _ statements: Statement..., comment: String? = nil) -> ChainRule {
        ChainRule(Self.name, chain, statements, comment: comment)
    }
}
