import NFTables

/// The nftables table that tells TCP ends how much fits the bond. Without it each new connection would lose its first
/// window to path MTU discovery, and with it its start.
enum SegmentTable {
    /// Device group of all bonds, so that one rule serves ten thousand of them.
    static let group: UInt32 = 5300

    static func ruleset() -> Ruleset {
        var set = Ruleset(Table(.inet, "spillway_mss", comment: "spillway: TCP segments that fit the bond"))
        set.chains = [Chain(set.table.id, "clamp", hook: Hook(.filter, .forward, .mangle))]
        // The kernel looks at the way back too, and never makes a segment larger.
        set.rules = [
            ChainRule(
                set.table.id, "clamp", toBond, .tcpSyn, .setMaximumSegmentToRoute, comment: "what goes to a bond")
        ]
        return set
    }

    /// `oifgroup 5300`
    private static var toBond: Statement {
        let outputInterfaceGroup = MetaKey(rawValue: 22)
        return Statement([
            .meta(Meta(outputInterfaceGroup, .load(to: .first))),
            .compare(Compare(.first, .equal, withUnsafeBytes(of: group) { Array($0) })),
        ])
    }
}
