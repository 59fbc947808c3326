/// Something of a packet that rules compare, look up or rewrite: `ip saddr`, `meta mark & 0xf0000000`, `@th,32,32`.
public struct Field: Hashable, Sendable {
    public var source: Source
    /// How the bytes are to be read.
    public var type: FieldType
    /// Only these bits count; as many bytes as the type has.
    public var mask: [UInt8]?

    public enum Source: Hashable, Sendable {
        case payload(PayloadBase, offset: UInt32)
        case meta(MetaKey)
        case connection(ConnectionKey)
    }

    public init(_ source: Source, _ type: FieldType) {
        self.source = source
        self.type = type
    }

    /// A big-endian number in the packet; offset and length in bytes. nft writes `@th,32,32` for transport, 4, 4.
    public static func payload(_ base: PayloadBase, offset: UInt32, length: UInt32) -> Field {
        Field(.payload(base, offset: offset), .payload(base, offset: offset, length: length))
    }

    /// The same, of which only the bits of the mask count.
    public func masked(_ mask: Value) -> Field {
        var copy = self
        copy.mask = mask.bytes
        return copy
    }

    /// An IPv4 header's. In a table of family `inet` (or `bridge`, `netdev`) a rule has to say ``Statement/family(_:)``
    /// before it asks for a field of one family: nothing else keeps the bytes of an IPv6 header from being read as one.
    public static let ipSaddr = Field(.payload(.network, offset: 12), .ipv4Address)
    public static let ipDaddr = Field(.payload(.network, offset: 16), .ipv4Address)
    public static let ipProtocol = Field(.payload(.network, offset: 9), .inetProtocol)
    /// An IPv6 header's: see ``ipSaddr``.
    public static let ip6Saddr = Field(.payload(.network, offset: 8), .ipv6Address)
    public static let ip6Daddr = Field(.payload(.network, offset: 24), .ipv6Address)
    public static let ip6NextHeader = Field(.payload(.network, offset: 6), .inetProtocol)
    /// Only where the packet came by Ethernet: see ``Statement/overEthernet``.
    public static let etherSaddr = Field(.payload(.linkLayer, offset: 6), .etherAddress)
    public static let mark = Field(.meta(.mark), .mark)
    public static let inputInterfaceName = Field(.meta(.inputInterfaceName), .interfaceName)
    public static let outputInterfaceName = Field(.meta(.outputInterfaceName), .interfaceName)
    /// Do not combine it with `gre` and fields of the transport header: nft 1.0.6 aborts when it lists such a rule
    /// (`ipProtocol` and `ip6NextHeader` are safe).
    public static let transportProtocol = Field(.meta(.transportProtocol), .inetProtocol)
    public static let connectionMark = Field(.connection(.mark), .mark)
    public static let sourcePort = Field(.payload(.transport, offset: 0), .inetService)
    public static let destinationPort = Field(.payload(.transport, offset: 2), .inetService)

    /// Flags, version and protocol type of a GRE header together (RFC 2890 §2). The protocol type alone would be
    /// `@th,16,16`, which nft 1.0.6 lists as `th dport`, and drops the `ip protocol gre` before it.
    public static let greHeader = payload(.transport, offset: 0, length: 4)
    /// A GRE header's key (RFC 2890 §2): there if the header has the K flag and not the C flag.
    public static let greKey = payload(.transport, offset: 4, length: 4)
    /// A GRE header's sequence number (RFC 2890 §2): there if the header has K and S and not C.
    public static let greSequence = payload(.transport, offset: 8, length: 4)
}

extension Field {
    /// Loads the field, or several one behind the other, as keys of sets are.
    static func load(_ fields: [Field], to first: Register = .first) -> [Expression] {
        var register = first
        var expressions: [Expression] = []
        for field in fields {
            expressions += field.load(to: register)
            register = register.advanced(byBytes: field.type.length)
        }
        return expressions
    }

    func load(to register: Register = .first) -> [Expression] {
        var expressions: [Expression] =
            switch source {
            case .payload(let base, let offset):
                [.payload(PayloadLoad(base, offset: offset, length: UInt32(type.length), to: register))]
            case .meta(let key): [.meta(Meta(key, .load(to: register)))]
            case .connection(let key): [.connection(ConnectionTracking(key, .load(to: register)))]
            }
        if let mask { expressions.append(.bitwise(.and(mask, in: register))) }
        return expressions
    }

    /// Writes a register to the field, checksums included.
    func store(from register: Register = .first) -> Expression {
        switch source {
        case .meta(let key): .meta(Meta(key, .store(from: register)))
        case .connection(let key): .connection(ConnectionTracking(key, .store(from: register)))
        case .payload(let base, let offset):
            .payloadStore(
                PayloadStore(
                    from: register, base, offset: offset, length: UInt32(type.length),
                    checksumOffset: type == .ipv4Address ? 10 : nil,
                    inPseudoHeader: type == .ipv4Address || type == .ipv6Address))
        }
    }
}
