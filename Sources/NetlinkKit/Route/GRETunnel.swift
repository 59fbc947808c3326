import Addresses
import CLinux

/// What an end of a GRE tunnel puts into the header it sends, or expects in the one it receives (RFC 2890 §2).
public struct GREOptions: Hashable, Sendable {
    /// Send, or require, this key.
    public var key: UInt32?
    /// Number what is sent; or require numbers in ascending order. The kernel *drops* what arrives late.
    public var sequence: Bool
    public var checksum: Bool

    public init(key: UInt32? = nil, sequence: Bool = false, checksum: Bool = false) {
        self.key = key
        self.sequence = sequence
        self.checksum = checksum
    }

    /// `GRE_CSUM`, `GRE_KEY` and `GRE_SEQ`, as in the first bits of the header.
    var flags: UInt16 { (checksum ? 0x8000 : 0) | (key == nil ? 0 : 0x2000) | (sequence ? 0x1000 : 0) }

    init(flags: UInt16, key: UInt32) {
        self.init(key: flags & 0x2000 == 0 ? nil : key, sequence: flags & 0x1000 != 0, checksum: flags & 0x8000 != 0)
    }
}

/// A second encapsulation, in UDP, around a tunnel's packets.
public struct TunnelEncapsulation: Hashable, Sendable {
    public enum Kind: UInt16, Sendable {
        case none = 0
        case fou = 1
        case gue = 2
    }

    /// A kind this version does not know reads as `none`.
    public var kind: Kind
    /// `TUNNEL_ENCAP_FLAG_*`
    public var flags: UInt16
    /// 0 lets the kernel choose by flow.
    public var sourcePort: UInt16
    public var destinationPort: UInt16

    public static let none = TunnelEncapsulation(kind: .none)

    public init(kind: Kind, flags: UInt16 = 0, sourcePort: UInt16 = 0, destinationPort: UInt16 = 0) {
        self.kind = kind
        self.flags = flags
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    init(_ attributes: borrowing AttributeTable<GRESpace>) {
        kind = attributes.get(GRESpace.encapType).flatMap(Kind.init) ?? .none
        guard kind != .none else {
            // Some tools set flags although there is no encapsulation; they mean nothing then.
            self = .none
            return
        }
        flags = attributes.get(GRESpace.encapFlags) ?? 0
        sourcePort = attributes.get(GRESpace.encapSourcePort) ?? 0
        destinationPort = attributes.get(GRESpace.encapDestinationPort) ?? 0
    }

    func write(_ writer: inout AttributeWriter<GRESpace>) {
        writer.put(GRESpace.encapType, kind.rawValue)
        writer.put(GRESpace.encapFlags, flags)
        writer.put(GRESpace.encapSourcePort, sourcePort)
        writer.put(GRESpace.encapDestinationPort, destinationPort)
    }
}

/// The parameters of a `gre` or `gretap` device: GRE in IPv4.
public struct GRETunnel: Hashable, Sendable {
    public var local: IPv4Address
    public var remote: IPv4Address
    public var input: GREOptions
    public var output: GREOptions
    /// The index of the interface that the tunnel's packets must leave by; 0 is any.
    public var link: UInt32 = 0
    /// 0 copies the inner packet's.
    public var ttl: UInt8 = 0
    /// 1 copies the inner packet's.
    public var tos: UInt8 = 0
    /// Set the don't-fragment bit on the outer packet. Excludes ``ignoreDF``.
    public var pmtuDiscovery = true
    /// Fragment even inner packets that forbid it.
    public var ignoreDF = false
    /// The mark of the tunnel's packets when they are routed; 0 keeps the inner packet's.
    public var fwmark: UInt32 = 0
    public var encapsulation = TunnelEncapsulation.none
    /// Take endpoints and key from each packet's metadata (`external`).
    public var collectMetadata = false

    public init(
        local: IPv4Address = .any, remote: IPv4Address = .any, input: GREOptions = GREOptions(),
        output: GREOptions = GREOptions()
    ) {
        self.local = local
        self.remote = remote
        self.input = input
        self.output = output
    }

    init(_ attributes: borrowing AttributeTable<GRESpace>) {
        local = attributes.get(GRESpace.local4) ?? .any
        remote = attributes.get(GRESpace.remote4) ?? .any
        input = GREOptions(
            flags: attributes.get(GRESpace.iflags) ?? 0, key: attributes.get(GRESpace.ikey) ?? 0)
        output = GREOptions(
            flags: attributes.get(GRESpace.oflags) ?? 0, key: attributes.get(GRESpace.okey) ?? 0)
        link = attributes.get(GRESpace.link) ?? 0
        ttl = attributes.get(GRESpace.ttl) ?? 0
        tos = attributes.get(GRESpace.tos) ?? 0
        pmtuDiscovery = (attributes.get(GRESpace.pmtuDiscovery) ?? 0) != 0
        ignoreDF = (attributes.get(GRESpace.ignoreDF) ?? 0) != 0
        fwmark = attributes.get(GRESpace.fwmark) ?? 0
        encapsulation = TunnelEncapsulation(attributes)
        collectMetadata = attributes.has(GRESpace.collectMetadata)
    }

    /// Everything is written each time: in a change, what is absent counts as zero.
    func write(_ writer: inout AttributeWriter<GRESpace>) {
        if collectMetadata {
            writer.put(GRESpace.collectMetadata)
        } else {
            writer.put(GRESpace.ikey, input.key ?? 0)
            writer.put(GRESpace.okey, output.key ?? 0)
            writer.put(GRESpace.iflags, input.flags)
            writer.put(GRESpace.oflags, output.flags)
            writer.put(GRESpace.local4, local)
            writer.put(GRESpace.remote4, remote)
            writer.put(GRESpace.pmtuDiscovery, pmtuDiscovery ? 1 : 0)
            writer.put(GRESpace.tos, tos)
            writer.put(GRESpace.ttl, ttl)
            writer.put(GRESpace.fwmark, fwmark)
            if link != 0 { writer.put(GRESpace.link, link) }
            if ignoreDF { writer.put(GRESpace.ignoreDF, 1) }
        }
        encapsulation.write(&writer)
    }
}
