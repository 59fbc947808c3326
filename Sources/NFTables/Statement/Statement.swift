public import Addresses

/// A match or an action of a rule, as one would write it for nft: each becomes a few expressions.
///
///     ChainRule(table, "receive", .match(.ipProtocol, .equal(.gre)), .verdict(of: [.ipSaddr, .greKey], in: "peers"))
public struct Statement: Hashable, Sendable {
    public var expressions: [Expression]

    public init(_ expressions: [Expression]) { self.expressions = expressions }
    public init(_ expression: Expression) { expressions = [expression] }
}

extension ChainRule {
    public init(
        _ table: TableName, _ chain: String, _ statements: Statement..., comment: String? = nil,
        handle: UInt64? = nil, position: UInt64? = nil
    ) {
        self.init(table, chain, statements, comment: comment, handle: handle, position: position)
    }

    public init(
        _ table: TableName, _ chain: String, _ statements: [Statement], comment: String? = nil,
        handle: UInt64? = nil, position: UInt64? = nil
    ) {
        self.init(
            table, chain, statements.flatMap(\.expressions), comment: comment, handle: handle, position: position)
    }
}

extension Value {
    /// IP protocol 47.
    public static let gre = Value.inetProtocol(47)
    public static let tcp = Value.inetProtocol(6)
    public static let udp = Value.inetProtocol(17)
    public static let icmp = Value.inetProtocol(1)
    public static let icmpv6 = Value.inetProtocol(58)
}

// MARK: Matches

extension Statement {
    /// `ip saddr != 100.64.0.2`
    public static func match(_ field: Field, _ condition: Condition) -> Statement {
        Statement(condition.expressions(field))
    }

    /// `ip saddr . @th,32,32 @valid`
    public static func match(_ fields: [Field], inSet name: String) -> Statement {
        Statement(Field.load(fields) + [.lookup(Lookup(.named(name)))])
    }

    /// `ip saddr . @th,32,32 != @valid`
    public static func match(_ fields: [Field], notInSet name: String) -> Statement {
        Statement(Field.load(fields) + [.lookup(Lookup(.named(name), .first, .notContained))])
    }

    /// `meta nfproto ipv4`, `meta nfproto ipv6`: packets of one family in a table of both.
    public static func family(_ family: IPFamily) -> Statement {
        Statement([
            .meta(Meta(.networkProtocol, .load(to: .first))), .compare(Compare(.first, .equal, [family.protocolNumber])),
        ])
    }

    /// `meta l4proto { tcp, udp, dccp, sctp, udplite }`: protocols whose headers begin with a source and a destination
    /// port.
    public static let hasPorts = match(
        .transportProtocol, .anyOf([.tcp, .udp, .inetProtocol(33), .inetProtocol(132), .inetProtocol(136)]))

    /// `meta iiftype ether`
    public static let overEthernet = Statement([
        .meta(Meta(.inputInterfaceType, .load(to: .first))), .compare(Compare(.first, .equal, UInt16(1).hostOrderBytes)),
    ])

    /// `ip dscp @…`, `@nh,0,10 @…`. For IPv6 the set has the first ten bits of the header, version and DSCP, where they
    /// are: nft 1.0.6 shifts those of `ip6 dscp` in the wrong byte order. The set's field is `payload(.network, 0, 2)`.
    public static func dscp(_ family: IPFamily, inSet name: String) -> Statement {
        switch family {
        case .v4:
            Statement([
                .payload(PayloadLoad(.network, offset: 1, length: 1)), .bitwise(.and([0xFC])),
                .bitwise(Bitwise(length: 1, .shiftRight(2))), .lookup(Lookup(.named(name))),
            ])
        case .v6:
            Statement([
                .payload(PayloadLoad(.network, offset: 0, length: 2)), .bitwise(.and([0xFF, 0xC0])),
                .lookup(Lookup(.named(name))),
            ])
        }
    }

    /// `ct status confirmed`: not the first packet of its connection.
    public static let connectionIsConfirmed = Statement([
        .connection(ConnectionTracking(.status, .load(to: .first))), .bitwise(.and(UInt32(8).hostOrderBytes)),
        .compare(Compare(.first, .notEqual, [0, 0, 0, 0])),
    ])

    /// `tcp flags syn`: the first segment of each direction.
    public static let tcpSyn = Statement(
        Condition.equal(.tcp).expressions(.transportProtocol) + [
            .payload(PayloadLoad(.transport, offset: 13, length: 1)), .bitwise(.and([2])),
            .compare(Compare(.first, .notEqual, [0])),
        ])

    /// `icmp type … icmp code …`
    public static func icmp(type: UInt8, code: UInt8) -> Statement {
        Statement(
            Condition.equal(.icmp).expressions(.transportProtocol) + [
                .payload(PayloadLoad(.transport, offset: 0, length: 2)),
                .compare(Compare(.first, .equal, [type, code])),
            ])
    }

    /// `icmpv6 type … icmpv6 code …`
    public static func icmpv6(type: UInt8, code: UInt8) -> Statement {
        Statement(
            Condition.equal(.icmpv6).expressions(.transportProtocol) + [
                .payload(PayloadLoad(.transport, offset: 0, length: 2)),
                .compare(Compare(.first, .equal, [type, code])),
            ])
    }

    /// `tcp option maxseg size > …`: the option is there, and says more.
    public static func maximumSegment(above size: UInt16) -> Statement {
        Statement([
            .exthdr(Exthdr(.tcpOption, type: 2, offset: 2, length: 2, .load(to: .first))),
            .compare(Compare(.first, .greater, size.networkOrderBytes)),
        ])
    }

    /// `ct state …`: bits of the states to match (1 invalid, 2 established, 4 related, 8 new, 64 untracked).
    public static func connectionState(_ states: UInt32) -> Statement {
        Statement([
            .connection(ConnectionTracking(.state, .load(to: .first))), .bitwise(.and(states.hostOrderBytes)),
            .compare(Compare(.first, .notEqual, [0, 0, 0, 0])),
        ])
    }

    /// `meta secpath missing`: the packet came in the clear.
    public static let securityMissing = Statement([
        .meta(Meta(.securityPath, .load(to: .first))), .compare(Compare(.first, .equal, [0])),
    ])

    /// `ipsec in reqid != 5300`: it was decrypted, but not with one of these states.
    public static func securityIsNot(requestID: UInt32) -> Statement {
        Statement([
            .security(Security(.requestID)), .compare(Compare(.first, .notEqual, requestID.hostOrderBytes)),
        ])
    }

    /// `fib saddr . iif oif missing`: no route back by the interface it came from.
    public static let reversePathMissing = Statement([
        .fib(Fib(.outputInterface, [.sourceAddress, .inputInterface, .present])),
        .compare(Compare(.first, .equal, [0, 0, 0, 0])),
    ])

    /// `limit rate …/second burst …`, or with `over` what exceeds it.
    public static func limit(_ limit: Limit) -> Statement { Statement(.limit(limit)) }
}

extension IPFamily {
    /// `NFPROTO_*`
    public var protocolNumber: UInt8 { self == .v4 ? 2 : 10 }
}
