import Addresses
import NFTables

/// The nftables table that tells TCP ends how much fits the bond. Without it each new connection would lose its first
/// window to path MTU discovery, and with it its start.
enum SegmentTable {
    /// Device group of all bonds, so that one rule serves ten thousand of them.
    static let group: UInt32 = 5300
    static let table = TableName(.inet, "spillway_mss")

    /// For an aggregator, where the route back to a bond is the bond's: the kernel finds the smaller MTU of both ways.
    /// It never makes a segment larger.
    static func byRoute() -> Ruleset {
        ruleset([(.forward, .output), (.forward, .input), (.output, .output)]) { chain, group in
            [ChainRule(table, chain, group, .tcpSyn, .setMaximumSegmentToRoute)]
        }
    }

    /// For a gateway: it sends to the bond by what interface a packet came from, which a route back does not know.
    /// - Parameter mtu: bytes of an inner packet
    static func fixed(mtu: UInt32) -> Ruleset {
        ruleset([(.forward, .output), (.forward, .input), (.output, .output), (.input, .input)]) { chain, group in
            [(family: IPFamily.v4, headers: UInt32(40)), (.v6, 60)].map {
                ChainRule(
                    table, chain, group, .family($0.family), .tcpSyn,
                    .setMaximumSegment(UInt16(clamping: mtu - min(mtu, $0.headers))))
            }
        }
    }

    enum Way {
        case input, output
    }

    private static func ruleset(
        _ places: [(hook: HookPoint, way: Way)], _ rules: (String, Statement) -> [ChainRule]
    ) -> Ruleset {
        var set = Ruleset(Table(.inet, table.name, comment: "spillway: TCP segments that fit the bond"))
        for place in places {
            let name = place.hook == .forward ? "forward" : place.hook == .output ? "output" : "input"
            if !set.chains.contains(where: { $0.name == name }) {
                set.chains.append(Chain(table, name, hook: Hook(.filter, place.hook, .mangle)))
            }
            set.rules += rules(name, device(place.way))
        }
        return set
    }

    /// `iifgroup 5300`, `oifgroup 5300`
    static func device(_ way: Way) -> Statement {
        let key = MetaKey(rawValue: way == .input ? 21 : 22)
        return Statement([
            .meta(Meta(key, .load(to: .first))),
            .compare(Compare(.first, .equal, withUnsafeBytes(of: group) { Array($0) })),
        ])
    }
}
