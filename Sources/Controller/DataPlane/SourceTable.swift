import Addresses
import NFTables

/// The nftables table that lets a bond send only from what is routed to it (RFC 2827, BCP 38). The routes are the
/// list: ten thousand bonds cost one look-up a packet, and nothing can disagree.
enum SourceTable {
    static let table = TableName(.inet, "spillway_source")
    static let counter = "forged"

    static func ruleset() -> Ruleset {
        var set = Ruleset(Table(.inet, table.name, comment: "spillway: bonds send from what is routed to them"))
        set.counters = [counter]
        set.chains = [Chain(table, "receive", hook: Hook(.filter, .prerouting, .raw))]
        let bonds = SegmentTable.device(.input)
        set.rules = [
            // The unspecified address, before a host has another one; it is never forwarded.
            ChainRule(
                table, "receive", bonds, .family(.v6),
                .match(.ip6Saddr, .equal(.ipv6(.any))), .accept),
            ChainRule(table, "receive", bonds, .reversePathMissing, .counter(counter), .drop),
        ]
        return set
    }
}
