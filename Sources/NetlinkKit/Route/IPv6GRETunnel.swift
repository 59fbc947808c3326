import Addresses
import CLinux

/// The parameters of an `ip6gre` or `ip6gretap` device: GRE in IPv6.
public struct IPv6GRETunnel: Hashable, Sendable {
    /// `IP6_TNL_F_*` except the one that says whether there is an encapsulation limit (see ``encapLimit``).
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Copy the inner packet's traffic class.
        public static let inheritTrafficClass = Flags(rawValue: 0x2)
        /// Copy the inner packet's flow label.
        public static let inheritFlowLabel = Flags(rawValue: 0x4)
        /// Copy the outer packet's DSCP to the inner one on reception.
        public static let copyDSCP = Flags(rawValue: 0x10)
        /// Route by the inner packet's mark.
        public static let inheritMark = Flags(rawValue: 0x20)

        /// The kernel keeps what the addresses allow it to do in the upper half.
        static let configurable: UInt32 = 0xFFFE
        static let ignoreEncapLimit: UInt32 = 0x1
    }

    /// Must not be unspecified for the device to send.
    public var local: IPv6Address
    public var remote: IPv6Address
    public var input: GREOptions
    public var output: GREOptions
    /// The index of the interface that the tunnel's packets must leave by; 0 is any.
    public var link: UInt32 = 0
    /// 0 copies the inner packet's.
    public var hopLimit: UInt8 = 64
    /// The limit on nesting sent in a destination option (RFC 2473 §4.1.1); nil sends no option, which saves 8 bytes.
    public var encapLimit: UInt8?
    /// Traffic class (8 bits) and flow label (20 bits), the low 28 bits of the IPv6 header's first word.
    public var flowInfo: UInt32 = 0
    public var flags: Flags = []
    /// The mark of the tunnel's packets when they are routed.
    public var fwmark: UInt32 = 0
    public var encapsulation = TunnelEncapsulation.none
    /// Take endpoints and key from each packet's metadata (`external`).
    public var collectMetadata = false

    public init(
        local: IPv6Address = .any, remote: IPv6Address = .any, input: GREOptions = GREOptions(),
        output: GREOptions = GREOptions()
    ) {
        self.local = local
        self.remote = remote
        self.input = input
        self.output = output
    }

    init(_ attributes: borrowing AttributeTable<GRESpace>) {
        local = attributes.get(GRESpace.local6) ?? .any
        remote = attributes.get(GRESpace.remote6) ?? .any
        input = GREOptions(
            flags: attributes.get(GRESpace.iflags) ?? 0, key: attributes.get(GRESpace.ikey) ?? 0)
        output = GREOptions(
            flags: attributes.get(GRESpace.oflags) ?? 0, key: attributes.get(GRESpace.okey) ?? 0)
        link = attributes.get(GRESpace.link) ?? 0
        hopLimit = attributes.get(GRESpace.ttl) ?? 0
        let raw = attributes.get(GRESpace.flags) ?? 0
        encapLimit = raw & Flags.ignoreEncapLimit != 0 ? nil : attributes.get(GRESpace.encapLimit)
        flowInfo = attributes.get(GRESpace.flowInfo) ?? 0
        flags = Flags(rawValue: raw & Flags.configurable)
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
            writer.put(GRESpace.local6, local)
            writer.put(GRESpace.remote6, remote)
            writer.put(GRESpace.ttl, hopLimit)
            writer.put(GRESpace.encapLimit, encapLimit ?? 0)
            writer.put(GRESpace.flowInfo, flowInfo)
            writer.put(
                GRESpace.flags,
                flags.rawValue & Flags.configurable | (encapLimit == nil ? Flags.ignoreEncapLimit : 0))
            writer.put(GRESpace.fwmark, fwmark)
            if link != 0 { writer.put(GRESpace.link, link) }
        }
        encapsulation.write(&writer)
    }
}
