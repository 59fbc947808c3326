import Addresses
import NFTables

/// The nftables table that finds answers to what hosts of the LAN asked over UDP. A question leaves its client, port,
/// server and ID in a set for a while; an answer that is in it waits in a queue. So an answer is believed only where
/// the client itself would believe it, and whoever else sends answers puts nothing into the queue.
///
/// Questions are seen before and answers after any translation of addresses: the client's view of both is the same.
/// That holds for answers that are forwarded and for those of a resolver on this host alike.
enum NameRules {
    static let table = TableName(.inet, "spillway_names")

    /// How long an answer may take, in milliseconds.
    private static let patience: UInt64 = 10_000
    /// The ID of a DNS message, behind the UDP header.
    private static let identifier = Field.payload(.transport, offset: 8, length: 2)
    private static let port = Value.inetService(53)

    /// - Parameters:
    ///   - lan: the interfaces by which questions come
    ///   - queue: where answers wait
    static func ruleset(lan: [String], queue: UInt16) -> Ruleset {
        var set = Ruleset(Table(.inet, table.name, comment: "spillway: addresses of names in filter lists"))
        set.chains = [
            Chain(table, "questions", hook: Hook(.filter, .prerouting, .mangle)),
            // After source translation.
            Chain(table, "answers", hook: Hook(.filter, .postrouting, 200)),
        ]
        for family in IPFamily.allCases {
            let (source, destination): (Field, Field) =
                family == .v4 ? (.ipSaddr, .ipDaddr) : (.ip6Saddr, .ip6Daddr)
            let asked = NamedSet(
                table, family == .v4 ? "asked4" : "asked6",
                key: [source.type, .inetService, source.type, identifier.type], flags: [.dynamic, .timeout],
                size: 16_384, timeout: patience, comment: "client . port . server . ID")
            set.sets.append(asked)
            set.rules += [
                ChainRule(
                    table, "questions", .match(.inputInterfaceName, .anyOf(lan.map { .interfaceName($0) })),
                    .family(family), .match(.transportProtocol, .equal(.udp)), .match(.destinationPort, .equal(port)),
                    .update(asked.name, [source, .sourcePort, destination, identifier])),
                ChainRule(
                    table, "answers", .family(family), .match(.transportProtocol, .equal(.udp)),
                    .match(.sourcePort, .equal(port)),
                    .match([destination, .destinationPort, source, identifier], inSet: asked.name), .counter,
                    .queue(queue...queue, flags: .bypass)),
            ]
        }
        return set
    }
}
