import Addresses

@testable import NFTables

/// A table as an aggregation point would have it: every kind of thing the controller installs.
struct Sample {
    var table: Table
    var chains: [Chain] = []
    var rules: [ChainRule] = []
    var sets: [(NamedSet, [Element])] = []
    var objects: [StatefulObject] = []

    static let key: Value = 0x5A5A_2A36

    /// GRE headers with a key and no checksum, with and without a sequence number, that carry IPv4 or IPv6.
    static let keyedHeaders: Condition = .anyOf([0x2000_0800, 0x2000_86DD, 0x3000_0800, 0x3000_86DD])

    private static func ip(_ text: String) -> IPv4Address { IPv4Address(text) ?? .any }
    private static func v4(_ text: String) -> Value { .ipv4(ip(text)) }
    private static func v6(_ text: String) -> Value { .ipv6(IPv6Address(text) ?? .any) }

    /// - Parameter queue: the statements that hand packets over, or none where the kernel has no nft_queue
    static func ipv4(queue: [Statement]) -> Sample {
        let table = TableName(.ip, "spillway")
        var sample = Sample(table: Table(.ip, "spillway", comment: "made for the tests"))
        sample.sets = [
            (
                NamedSet(table, "peers", key: [.ipv4Address, Field.greKey.type], data: .verdict),
                [
                    Element(v4("10.1.0.2"), key, data: .verdict(.goto("primary"))),
                    Element(v4("10.2.0.2"), key, data: .verdict(.goto("secondary")), comment: "bond 17"),
                ]
            ),
            (
                NamedSet(table, "legs", key: [.mark, Field.greKey.type], data: .field(.ipv4Address)),
                [
                    Element(.mark(0x1000_0000), key, data: .value(v4("10.1.0.2"))),
                    Element(.mark(0x2000_0000), key, data: .value(v4("10.2.0.2"))),
                ]
            ),
            (
                NamedSet(
                    table, "overflowing", key: [Field.greKey.type], flags: [.dynamic, .timeout], size: 65536,
                    timeout: 2000, comment: "bonds whose second leg is in use"), []
            ),
            (
                NamedSet(table, "locals", key: [.ipv4Address], flags: .interval),
                [
                    Element(v4("192.0.2.1")), Element(v4("10.0.0.0"), through: [v4("10.255.255.255")]),
                    Element(v4("11.0.0.0"), through: [v4("11.0.0.255")]),
                    Element(v4("255.255.255.0"), through: [v4("255.255.255.255")]),
                ]
            ),
            (
                NamedSet(table, "places", key: [.ipv4Address, .inetService], flags: .interval),
                [
                    Element(v4("10.0.0.0"), .inetService(80), through: [v4("10.0.0.255"), .inetService(90)]),
                    Element(v4("10.0.1.1"), .inetService(443)),
                ]
            ),
            (NamedSet(table, "marks", key: [.mark]), [Element(.mark(5)), Element(.mark(0x1000_0000))]),
        ]
        sample.objects = [StatefulObject(table, "invalid_source", .counter(Counter()))]
        sample.chains = [
            Chain(table, "primary"), Chain(table, "secondary", comment: "the leg that may be late"),
            Chain(table, "receive", hook: Hook(.filter, .prerouting, .raw)),
            Chain(table, "send", hook: Hook(.route, .output, .mangle)),
            Chain(table, "translate", hook: Hook(.nat, .postrouting, .sourceNat)),
            Chain(table, "errors", hook: Hook(.filter, .output, .filter)),
            Chain(table, "arrive", hook: Hook(.filter, .input, .filter)),
            Chain(table, "pass", hook: Hook(.filter, .forward, .filter, policy: .drop)),
        ]
        let inward: [Statement] = [.set(.ipSaddr, to: v4("192.0.0.8")), .set(.ipDaddr, to: v4("192.0.0.9"))]
        let local: [Statement] = [
            .match(.ipDaddr, .inSet("locals")), .match(.ipProtocol, .equal(.gre)), .match(.greHeader, keyedHeaders),
        ]
        sample.rules = [
            ChainRule(table, "primary", inward + [.match(.greKey, .inSet("overflowing")), .counter] + queue),
            ChainRule(table, "primary", .accept),
            ChainRule(table, "primary", .securityMissing, .drop),
            ChainRule(table, "primary", .securityIsNot(requestID: 5300), .drop),
            ChainRule(
                table, "secondary", inward + [.update("overflowing", [.greKey], timeout: 2000), .counter] + queue),
            ChainRule(table, "receive", local + [.notrack, .verdict(of: [.ipSaddr, .greKey], in: "peers")]),
            ChainRule(table, "receive", local + [.counter("invalid_source"), .drop], comment: "a foreign address"),
            ChainRule(
                table, "send", .match(.ipSaddr, .equal(v4("192.0.0.9"))), .match(.ipProtocol, .equal(.gre)),
                .set(.ipDaddr, to: "legs", of: [.mark.masked(.mark(0xF000_0000)), .greKey]),
                .set(.ipSaddr, to: v4("10.9.0.1")), .counter),
            ChainRule(
                table, "translate", .match(.outputInterfaceName, .equal(.interfaceName("bond0"))),
                .match(.ipSaddr, .notEqual(v4("100.64.0.2"))), .snat(to: v4("100.64.0.2"))),
            ChainRule(table, "translate", .match(.mark, .inSet("marks")), .masquerade),
            ChainRule(
                table, "errors", .icmp(type: 3, code: 3),
                .match(.payload(.transport, offset: 17, length: 1), .equal(.integer(47, length: 1))), .drop),
            ChainRule(table, "pass", .tcpSyn, .setMaximumSegmentToRoute),
            ChainRule(table, "pass", .tcpSyn, .maximumSegment(above: 1400), .setMaximumSegment(1400)),
            ChainRule(table, "pass", .connectionState(2 | 4), .accept),
            ChainRule(table, "pass", .match(.mark, .greater(.mark(7))), .limit(Limit(rate: 10)), .accept),
            ChainRule(table, "pass", .set(.mark, to: .mark(3)), .set(.connectionMark, to: .mark(4)), .return),
            ChainRule(
                table, "arrive", .reversePathMissing, .log(Log(prefix: "spoofed ")), .reject(.icmp(code: 3)),
                comment: "no way back"),
        ]
        return sample
    }

    static func ipv6(queue: [Statement]) -> Sample {
        let table = TableName(.ip6, "spillway")
        var sample = Sample(table: Table(.ip6, "spillway"))
        sample.sets = [
            (
                NamedSet(table, "peers", key: [.ipv6Address, Field.greKey.type], data: .verdict),
                [Element(v6("2001:db8:e::2"), key, data: .verdict(.goto("primary")))]
            ),
            (
                NamedSet(table, "legs", key: [.mark, Field.greKey.type], data: .field(.ipv6Address)),
                [Element(.mark(1), key, data: .value(v6("2001:db8:e::2")))]
            ),
            (NamedSet(table, "overflowing", key: [Field.greKey.type], flags: [.dynamic, .timeout], timeout: 2000), []),
            (NamedSet(table, "valid", key: [.ipv6Address, Field.greKey.type]), [Element(v6("2001:db8::7"), 5)]),
        ]
        sample.chains = [
            Chain(table, "primary"), Chain(table, "receive", hook: Hook(.filter, .prerouting, .raw)),
            Chain(table, "send", hook: Hook(.route, .output, .mangle)),
            Chain(table, "errors", hook: Hook(.filter, .output, .filter)),
        ]
        let gre = Statement.match(.ip6NextHeader, .equal(.gre))
        sample.rules = [
            ChainRule(
                table, "primary",
                [
                    .set(.ip6Saddr, to: v6("2001:db8::8")), .set(.ip6Daddr, to: v6("2001:db8::9")),
                    .match(.greKey, .inSet("overflowing")), .counter,
                ] + queue),
            ChainRule(
                table, "receive", gre, .match(.greHeader, keyedHeaders),
                .match([.ip6Saddr, .greKey], notInSet: "valid"), .notrack,
                .verdict(of: [.ip6Saddr, .greKey], in: "peers")),
            ChainRule(
                table, "send", .match(.ip6Saddr, .equal(v6("2001:db8::9"))), gre,
                .set(.ip6Daddr, to: "legs", of: [.mark, .greKey]), .update("overflowing", [.greKey])),
            ChainRule(
                table, "errors", .icmpv6(type: 1, code: 4),
                .match(.payload(.transport, offset: 14, length: 1), .equal(.integer(47, length: 1))), .drop),
        ]
        return sample
    }

    var transaction: Transaction {
        var transaction = Transaction()
        transaction.deleteIfPresent(table.id)
        transaction.create(table)
        for object in objects { transaction.add(object) }
        for (set, _) in sets { transaction.add(set) }
        for chain in chains { transaction.add(chain) }
        for (set, elements) in sets { transaction.add(elements, to: set) }
        for rule in rules { transaction.add(rule) }
        return transaction
    }
}
