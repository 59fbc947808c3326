// MARK: Verdicts

extension Statement {
    public static let accept = Statement(.immediate(.verdict(.accept)))
    public static let drop = Statement(.immediate(.verdict(.drop)))
    public static let `return` = Statement(.immediate(.verdict(.return)))
    public static func jump(_ chain: String) -> Statement { Statement(.immediate(.verdict(.jump(chain)))) }
    public static func goto(_ chain: String) -> Statement { Statement(.immediate(.verdict(.goto(chain)))) }

    /// `ip saddr . @th,32,32 vmap @peers`
    public static func verdict(of fields: [Field], in map: String) -> Statement {
        Statement(Field.load(fields) + [.lookup(Lookup(.named(map), .first, .verdict))])
    }

    /// `reject`, with the default code "port unreachable" of the table's family.
    public static func reject(_ reject: Reject) -> Statement { Statement(.reject(reject)) }

    /// `queue flags bypass to 100`, or to a range.
    public static func queue(_ numbers: ClosedRange<UInt16>, flags: Queue.Flags = []) -> Statement {
        let count = UInt16(clamping: numbers.count)
        return Statement(.queue(Queue(.numbers(first: numbers.lowerBound, count: count), flags: flags)))
    }

    /// `queue flags bypass to jhash @th,32,32 mod 4 offset 100`: equal fields come to the same queue.
    public static func queue(
        hashing fields: [Field], over numbers: ClosedRange<UInt16>, flags: Queue.Flags = []
    ) -> Statement {
        // The fields behind the hash's own register, as nft has them.
        let source = Register(slot: 4)
        let length = fields.count == 1 ? fields[0].type.length : fields.reduce(0) { $0 + $1.type.paddedLength }
        return Statement(
            Field.load(fields, to: source) + [
                .hash(
                    Hash(
                        source, length: UInt32(length), modulus: UInt32(numbers.count),
                        offset: UInt32(numbers.lowerBound))),
                .queue(Queue(.register(.first), flags: flags)),
            ])
    }
}

// MARK: Changes to the packet

extension Statement {
    /// `ip saddr set 192.0.0.8`, `meta mark set 1`
    public static func set(_ field: Field, to value: Value) -> Statement {
        Statement([.immediate(.data(value.bytes, to: .first)), field.store()])
    }

    /// `ct mark set ct mark & 0x0fffffff | 0x30000000`: the bits of the mask become those of the value.
    public static func set(_ field: Field, bits mask: UInt32, to value: UInt32) -> Statement {
        Statement(
            field.load() + [
                .bitwise(
                    Bitwise(length: 4, .mask((~mask).hostOrderBytes, xor: (value & mask).hostOrderBytes))),
                field.store(),
            ])
    }

    /// `ip daddr set meta mark . @th,32,32 map @legs`; where the map has no such key, the rule ends.
    ///
    /// A masked field must come first: nft 1.0.6 prints one further behind in a form it cannot read.
    public static func set(_ field: Field, to map: String, of fields: [Field]) -> Statement {
        Statement(
            Field.load(fields) + [.lookup(Lookup(.named(map), .first, .data(to: .first))), field.store()])
    }

    /// `tcp option maxseg size set 1400`
    public static func setMaximumSegment(_ size: UInt16) -> Statement {
        Statement([
            .immediate(.data(size.networkOrderBytes, to: .first)),
            .exthdr(Exthdr(.tcpOption, type: 2, offset: 2, length: 2, .store(from: .first))),
        ])
    }

    /// `tcp option maxseg size set rt mtu`
    public static let setMaximumSegmentToRoute = Statement([
        .routing(Routing(.tcpMaximumSegment)), .byteorder(Byteorder(.hostToNetwork, length: 2, size: 2)),
        .exthdr(Exthdr(.tcpOption, type: 2, offset: 2, length: 2, .store(from: .first))),
    ])

    /// `snat to 100.64.0.2`
    public static func snat(to address: Value) -> Statement { nat(.source, address) }

    /// `dnat to 192.0.2.1`
    public static func dnat(to address: Value) -> Statement { nat(.destination, address) }

    private static func nat(_ kind: Nat.Kind, _ address: Value) -> Statement {
        let family: Family = if case .ipv6 = address { .ip6 } else { .ip }
        return Statement([
            .immediate(.data(address.bytes, to: .first)), .nat(Nat(kind, family, address: Nat.Bounds(.first))),
        ])
    }

    public static let masquerade = Statement(.masquerade(Masquerade()))
    public static let notrack = Statement(.notrack(Notrack()))
}

// MARK: Accounts

extension Statement {
    /// `counter`
    public static let counter = Statement(.counter(Counter()))

    /// `counter name "invalid_source"`
    public static func counter(_ name: String) -> Statement { Statement(.object(ObjectReference(.counter, name))) }

    /// `update @overflowing { @th,32,32 timeout 2s }`; milliseconds.
    public static func update(
        _ set: String, _ fields: [Field], timeout: UInt64? = nil, with expressions: [Expression] = []
    ) -> Statement {
        Statement(
            Field.load(fields) + [.dynamicSet(DynamicSet(.update, set, timeout: timeout, expressions: expressions))])
    }

    /// `add @seen { ip saddr timeout 2s }`; milliseconds.
    public static func add(
        to set: String, _ fields: [Field], timeout: UInt64? = nil, with expressions: [Expression] = []
    ) -> Statement {
        Statement(
            Field.load(fields) + [.dynamicSet(DynamicSet(.add, set, timeout: timeout, expressions: expressions))])
    }

    public static func log(_ log: Log) -> Statement { Statement(.log(log)) }
}
