import Addresses
import GREBonding
import NFTables
import NetlinkKit

/// The nftables table that joins the legs to the bonds' devices, for one family of the outer packets.
///
/// A device knows only canonical addresses, which never leave the host. What a leg delivers is admitted by (outer
/// source, key) and rewritten to them; what a device sends is rewritten to the addresses of the leg of its colour. So
/// the legs are equals, and a leg that moves is one element that changes.
struct OuterTable {
    /// A leg as the rules see it.
    struct Leg: Hashable {
        var id: LegID
        /// Names sets and chains: "dsl", "lte".
        var label: String
        /// The only interface it may arrive by (gateway); nil: any (aggregator).
        var interface: String?
        /// Of the IPsec states that have to protect what it brings; nil: nothing has to.
        var requestID: UInt32?
    }

    /// Where the outer source of what is sent comes from.
    enum Source: Hashable {
        /// One per leg and bond: the gateway's address on the leg.
        case perLeg
        /// One for all: H.
        case fixed(IPAddress)
    }

    var family: IPFamily
    var name = "spillway"
    var canonical: IPAddress
    var legs: [Leg]
    var source: Source
    var markMask: UInt32
    var queues: ClosedRange<UInt16>
    var controlProtocol: UInt16
    /// Milliseconds for which a bond is resequenced after its last packet on another than the first leg.
    var overflowHold: UInt64
    /// Where ESP packets wait whose keys an IKE daemon is making; nil: nowhere.
    var earlyQueue: UInt16?
    /// Counts what came without the protection that a leg has to have.
    static let clearCounter = "clear"

    var table: TableName { TableName(family == .v4 ? .ip : .ip6, name) }

    /// The packet mark of a leg: 1 for the first, 2 for the second …, in the lowest place of the mask.
    func mark(_ leg: LegID) -> UInt32 { Self.mark(leg, markMask) }

    static func mark(_ leg: LegID, _ mask: UInt32) -> UInt32 {
        (UInt32(leg.rawValue) &+ 1) << UInt32(mask.trailingZeroBitCount) & mask
    }

    // MARK: Sets, with an element a bond

    /// outer source . key → canonical address of the bond
    func peers(_ leg: Leg) -> NamedSet {
        NamedSet(
            table, Self.peersName(leg.label), key: [address, Field.greKey.type], data: .field(address),
            hasCounters: true, comment: "outer source . key of a bond : its address on this host")
    }

    /// canonical address of the bond → outer destination
    func destinations(_ leg: Leg) -> NamedSet {
        NamedSet(table, Self.destinationsName(leg.label), key: [address], data: .field(address), hasCounters: true)
    }

    static func peersName(_ label: String) -> String { "\(label)_peers" }
    static func destinationsName(_ label: String) -> String { "\(label)_to" }

    /// canonical address of the bond → outer source
    func sources(_ leg: Leg) -> NamedSet {
        NamedSet(table, "\(leg.label)_from", key: [address], data: .field(address))
    }

    /// Bonds that use several legs: only these are resequenced.
    var bonded: NamedSet { NamedSet(table, "bonded", key: [address]) }

    /// Outer sources from which nothing but a valid bond may come.
    var guarded: NamedSet { NamedSet(table, "guarded", key: [address]) }

    /// Those in which a bond has elements.
    struct BondSets {
        struct OfLeg {
            var id: LegID
            var peers: SharedSet
            var destinations: SharedSet
            /// nil: one source for all.
            var sources: SharedSet?
        }

        var legs: [OfLeg]
        var known: SharedSet
        var bonded: SharedSet
        var guarded: SharedSet
    }

    /// Made once for all bonds.
    func bondSets() -> BondSets {
        BondSets(
            legs: legs.map {
                .init(
                    id: $0.id, peers: SharedSet(peers($0)), destinations: SharedSet(destinations($0)),
                    sources: source == .perLeg ? SharedSet(sources($0)) : nil)
            }, known: SharedSet(known), bonded: SharedSet(bonded), guarded: SharedSet(guarded))
    }

    private var overflowing: NamedSet {
        NamedSet(
            table, "overflowing", key: [address], flags: [.dynamic, .timeout], size: 65_536, timeout: overflowHold,
            comment: "bonds with packets on a further leg just now")
    }

    // MARK: Rules

    func ruleset() -> Ruleset {
        var set = Ruleset(Table(table.family, table.name, comment: "spillway: outer packets of bonds"))
        set.counters = ["invalid", "forged", Self.floodCounter] + (legs.allSatisfy { $0.requestID == nil } ? [] : [Self.clearCounter])
        set.sets = [bonded, guarded, overflowing] + controlSets + (earlyQueue == nil ? [] : [keyed])
        for leg in legs {
            set.sets += [peers(leg), destinations(leg)]
            if source == .perLeg { set.sets.append(sources(leg)) }
        }
        set.chains = legs.map { Chain(table, "from_\($0.label)") }
        set.chains += [
            Chain(table, "control"),
            Chain(table, "receive", hook: Hook(.filter, .prerouting, .raw)),
            Chain(table, "untrack", hook: Hook(.filter, .output, .raw)),
            Chain(table, "send", hook: Hook(.route, .output, .mangle)),
            Chain(table, "answer", hook: Hook(.filter, .output, .filter)),
        ]
        set.rules = controlRules() + receiveRules() + legs.flatMap(legRules) + sendRules() + [answerRule()]
        return set
    }

    private func receiveRules() -> [ChainRule] {
        let control = UInt32(0x2000_0000) | UInt32(controlProtocol)
        var rules = [
            rule("receive", .match(daddr, .equal(value(canonical))), .counter("forged"), .drop,
                comment: "this address never comes from outside")
        ]
        rules += earlyRules(proto, daddr)
        rules.append(rule("receive", .match(proto, .notEqual(.gre)), .accept))
        for leg in legs {
            // One rule is enough where legs are not told apart by their devices.
            if leg.interface == nil, leg != legs.first { continue }
            let device = leg.interface.map { [Statement.match(.inputInterfaceName, .equal(.interfaceName($0)))] } ?? []
            rules += unprotected(leg, "receive", device + [.match(.greHeader, .equal(.integer(control)))])
        }
        rules.append(
            rule("receive", .match(.greHeader, .equal(.integer(control))), .goto("control")))
        for leg in legs {
            var parts: [Statement] = []
            if let interface = leg.interface {
                parts.append(.match(.inputInterfaceName, .equal(.interfaceName(interface))))
            }
            parts += [
                .set(saddr, to: peers(leg).name, of: [saddr, .greKey]), .goto("from_\(leg.label)"),
            ]
            rules.append(ChainRule(table, "receive", parts))
        }
        switch source {
        case .perLeg:
            rules.append(rule("receive", .match([saddr], inSet: guarded.name), .counter("invalid"), .drop))
        case .fixed(let h):
            rules.append(rule("receive", .match(daddr, .equal(value(h))), .counter("invalid"), .drop))
        }
        return rules
    }

    /// What came by this leg, the source rewritten already.
    private func legRules(_ leg: Leg) -> [ChainRule] {
        let chain = "from_\(leg.label)"
        let enqueue: Statement =
            queues.count == 1
            ? .queue(queues, flags: .bypass) : .queue(hashing: [saddr], over: queues, flags: .bypass)
        var rules = unprotected(leg, chain, [])
        rules += [
            rule(chain, .set(daddr, to: value(canonical)), .notrack),
            rule(
                chain, .match(.greHeader.masked(.integer(0x1000_0000)), .equal(.integer(0))), .accept,
                comment: "without a number there is no order"),
        ]
        if leg.id == legs.map(\.id).min() {
            rules.append(rule(chain, .match([saddr], inSet: overflowing.name), .counter, enqueue))
        } else {
            rules.append(
                rule(
                    chain, .match([saddr], inSet: bonded.name),
                    .update(overflowing.name, [saddr], timeout: overflowHold), .set(.mark, to: .mark(mark(leg.id))),
                    .counter, enqueue))
        }
        return rules
    }

    /// Drops what came in the clear, or was protected by others' states. Policies would, too: they do not count by leg
    /// and reason.
    private func unprotected(_ leg: Leg, _ chain: String, _ which: [Statement]) -> [ChainRule] {
        guard let requestID = leg.requestID else { return [] }
        return [.securityMissing, .securityIsNot(requestID: requestID)].map {
            ChainRule(table, chain, which + [$0, .counter(Self.clearCounter), .drop])
        }
    }

    private func sendRules() -> [ChainRule] {
        var rules = [
            rule("untrack", .match(saddr, .equal(value(canonical))), .match(proto, .equal(.gre)), .notrack),
            rule("send", .match(saddr, .notEqual(value(canonical))), .accept),
            rule("send", .match(proto, .notEqual(.gre)), .accept),
        ]
        func rewriting(_ leg: Leg) -> [Statement] {
            let rewriteSource: Statement =
                switch source {
                case .perLeg: .set(saddr, to: sources(leg).name, of: [daddr])
                case .fixed(let h): .set(saddr, to: value(h))
                }
            return [rewriteSource, .set(daddr, to: destinations(leg).name, of: [daddr]), .counter, .accept]
        }
        for leg in legs {
            let ofLeg = Statement.match(.mark.masked(.mark(markMask)), .equal(.mark(mark(leg.id))))
            rules.append(ChainRule(table, "send", [ofLeg] + rewriting(leg)))
        }
        // What waited in the queue for a leg that is gone.
        for leg in legs {
            rules.append(ChainRule(table, "send", rewriting(leg), comment: "its leg is gone"))
        }
        rules.append(rule("send", .counter, .drop, comment: "no leg for it"))
        return rules
    }

    /// The kernel's GRE receiver knows no control messages and would answer each with an ICMP error.
    private func answerRule() -> ChainRule {
        let embedded: (protocolAt: UInt32, typeAt: UInt32) = family == .v4 ? (17, 30) : (14, 50)
        let what: Statement = family == .v4 ? .icmp(type: 3, code: 3) : .icmpv6(type: 1, code: 4)
        return rule(
            "answer", what,
            .match(.payload(.transport, offset: embedded.protocolAt, length: 1), .equal(.integer(47, length: 1))),
            .match(
                .payload(.transport, offset: embedded.typeAt, length: 2),
                .equal(.integer(UInt32(controlProtocol), length: 2))),
            .drop, comment: "control messages were received")
    }

    // MARK: -

    var address: FieldType { family == .v4 ? .ipv4Address : .ipv6Address }
    var saddr: Field { family == .v4 ? .ipSaddr : .ip6Saddr }
    private var daddr: Field { family == .v4 ? .ipDaddr : .ip6Daddr }
    private var proto: Field { family == .v4 ? .ipProtocol : .ip6NextHeader }

    func value(_ address: IPAddress) -> Value {
        switch address {
        case .v4(let a): .ipv4(a)
        case .v6(let a): .ipv6(a)
        }
    }

    private func rule(_ chain: String, _ statements: Statement..., comment: String? = nil) -> ChainRule {
        ChainRule(table, chain, statements, comment: comment)
    }
}
