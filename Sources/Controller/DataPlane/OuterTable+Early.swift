import Addresses
import NFTables

// ESP packets that come before their keys wait in a queue (see EarlyPackets).
extension OuterTable {
    /// As many packets a second, at once, of states that are not known to have keys: forged ones must not keep the daemon
    /// busy. What is beyond passes.
    private static let rate = Limit(rate: 4000, burst: 1000)
    /// Milliseconds, longer than keys hold. What is forgotten is put in again.
    private static let memory: UInt64 = 86_400_000

    private var spi: Field { .payload(.transport, offset: 0, length: 4) }

    /// destination . SPI
    var keyed: NamedSet {
        NamedSet(
            table, "keyed", key: [address, spi.type], flags: [.dynamic, .timeout], size: 262_144,
            timeout: Self.memory, comment: "destination . SPI of IPsec states that have keys")
    }

    /// Only from where bonds come, or to where they go: what others send through this host is theirs.
    func earlyRules(_ proto: Field, _ daddr: Field) -> [ChainRule] {
        guard let earlyQueue else { return [] }
        let esp = Statement.match(proto, .equal(.inetProtocol(50)))
        let ofBonds: Statement =
            switch source {
            case .perLeg: .match([saddr], inSet: guarded.name)
            case .fixed(let h): .match(daddr, .equal(value(h)))
            }
        return [
            ChainRule(table, "receive", [esp, .match([daddr, spi], inSet: keyed.name), .accept]),
            ChainRule(
                table, "receive",
                [esp, ofBonds, .limit(Self.rate), .counter, .queue(earlyQueue...earlyQueue, flags: .bypass)],
                comment: "its keys may be on their way"),
        ]
    }
}
