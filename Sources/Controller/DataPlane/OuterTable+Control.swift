import Addresses
import NFTables

// Which control messages may come to the daemon, and how many. What is known of bonds passes whatever others send: a
// flood from spoofed sources must not fill the socket in which Hellos wait, nor keep a new gateway out. Nothing else
// here has to remember a source before its gateway is authorized.
extension OuterTable {
    /// Counts control messages beyond these limits.
    static let floodCounter = "flood"

    /// How many control messages pass, a second and at once.
    private enum Rate {
        /// Of one bond's leg.
        static let bond = Limit(rate: 200, burst: 400, isOver: true)
        /// Of one other source.
        static let stranger = Limit(rate: 20, burst: 40, isOver: true)
        /// Of all other sources together: what the daemon reads without falling behind.
        static let strangers = Limit(rate: 4000, burst: 1000)
    }

    /// Milliseconds.
    private enum Memory {
        /// Of a source's rate.
        static let rate: UInt64 = 10_000
        /// Of a source beyond the common rate: gateways ask again after a second, spoofed sources rarely come twice.
        static let asked: UInt64 = 4_000
    }

    /// outer source . key of a bond
    var known: NamedSet {
        NamedSet(table, "known", key: [address, Field.greKey.type], comment: "outer source . key of a bond's control messages")
    }

    var controlSets: [NamedSet] {
        func sources(_ name: String, _ size: UInt32, _ timeout: UInt64, _ comment: String) -> NamedSet {
            NamedSet(
                table, name, key: [address], flags: [.dynamic, .timeout], size: size, timeout: timeout, comment: comment)
        }
        return [
            known, sources("known_rates", 131_072, Memory.rate, "how much control a bond's leg sends"),
            sources("other_rates", 65_536, Memory.rate, "how much control other sources send"),
            sources("asked", 524_288, Memory.asked, "other sources that were told nothing while there were too many"),
        ]
    }

    func controlRules() -> [ChainRule] {
        let isKnown = Statement.match([saddr, .greKey], inSet: known.name)
        let common = Statement.limit(Rate.strangers)
        func over(_ set: String, _ limit: Limit) -> [Statement] {
            [.update(set, [saddr], timeout: Memory.rate, with: [.limit(limit)]), .counter(Self.floodCounter), .drop]
        }
        return [
            ChainRule(table, "control", [isKnown] + over("known_rates", Rate.bond)),
            ChainRule(table, "control", [isKnown, .accept]),
            ChainRule(table, "control", over("other_rates", Rate.stranger)),
            ChainRule(table, "control", [common, .accept]),
            ChainRule(
                table, "control", [.match([saddr], inSet: "asked"), common, .accept],
                comment: "asks again, which spoofed sources do not"),
            ChainRule(table, "control", [.add(to: "asked", [saddr], timeout: Memory.asked)]),
            ChainRule(table, "control", [.counter(Self.floodCounter), .drop]),
        ]
    }
}
