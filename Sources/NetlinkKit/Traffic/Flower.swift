import Addresses
import CLinux

/// What the `flower` classifier compares. A field that is nil may be anything. The packet's EtherType is the filter's
/// protocol, which must not be `all` when there is anything to compare.
public struct Flower: Hashable, Sendable {
    public var ipProtocol: UInt8?
    public var source: IPPrefix?
    public var destination: IPPrefix?
    /// TCP, UDP or SCTP, as ``ipProtocol`` says.
    public var sourcePort: UInt16?
    public var destinationPort: UInt16?
    /// Under a mask: the DSCP is the mask 0xFC.
    public var tos: Masked?
    public var ttl: Masked?

    /// A byte of which only the bits in `mask` are compared.
    public struct Masked: Hashable, Sendable {
        public var value: UInt8
        public var mask: UInt8

        public init(_ value: UInt8, mask: UInt8 = .max) {
            self.value = value
            self.mask = mask
        }
    }

    public init(
        ipProtocol: UInt8? = nil, source: IPPrefix? = nil, destination: IPPrefix? = nil,
        sourcePort: UInt16? = nil, destinationPort: UInt16? = nil, tos: Masked? = nil, ttl: Masked? = nil
    ) {
        self.ipProtocol = ipProtocol
        self.source = source?.masked
        self.destination = destination?.masked
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.tos = tos
        self.ttl = ttl
    }
}

/// `TCA_FLOWER_*`
enum FlowerSpace {
    typealias Port = Attribute<FlowerSpace, BigEndian<UInt16>>
    typealias Address = Attribute<FlowerSpace, IPAddress>
    typealias Byte = Attribute<FlowerSpace, UInt8>

    static let classID = Attribute<FlowerSpace, UInt32>(TCA_FLOWER_CLASSID, "TCA_FLOWER_CLASSID")
    static let actions = Nest<FlowerSpace, ActionListSpace>(TCA_FLOWER_ACT, "TCA_FLOWER_ACT")
    static let etherType = Port(TCA_FLOWER_KEY_ETH_TYPE, "TCA_FLOWER_KEY_ETH_TYPE")
    static let ipProtocol = Byte(TCA_FLOWER_KEY_IP_PROTO, "TCA_FLOWER_KEY_IP_PROTO")
    static let tos = Byte(TCA_FLOWER_KEY_IP_TOS, "TCA_FLOWER_KEY_IP_TOS")
    static let tosMask = Byte(TCA_FLOWER_KEY_IP_TOS_MASK, "TCA_FLOWER_KEY_IP_TOS_MASK")
    static let ttl = Byte(TCA_FLOWER_KEY_IP_TTL, "TCA_FLOWER_KEY_IP_TTL")
    static let ttlMask = Byte(TCA_FLOWER_KEY_IP_TTL_MASK, "TCA_FLOWER_KEY_IP_TTL_MASK")

    /// Address and mask of a side.
    static func source(_ family: IPFamily) -> (Address, Address) {
        family == .v4
            ? (Address(TCA_FLOWER_KEY_IPV4_SRC, "TCA_FLOWER_KEY_IPV4_SRC"),
                Address(TCA_FLOWER_KEY_IPV4_SRC_MASK, "TCA_FLOWER_KEY_IPV4_SRC_MASK"))
            : (Address(TCA_FLOWER_KEY_IPV6_SRC, "TCA_FLOWER_KEY_IPV6_SRC"),
                Address(TCA_FLOWER_KEY_IPV6_SRC_MASK, "TCA_FLOWER_KEY_IPV6_SRC_MASK"))
    }

    static func destination(_ family: IPFamily) -> (Address, Address) {
        family == .v4
            ? (Address(TCA_FLOWER_KEY_IPV4_DST, "TCA_FLOWER_KEY_IPV4_DST"),
                Address(TCA_FLOWER_KEY_IPV4_DST_MASK, "TCA_FLOWER_KEY_IPV4_DST_MASK"))
            : (Address(TCA_FLOWER_KEY_IPV6_DST, "TCA_FLOWER_KEY_IPV6_DST"),
                Address(TCA_FLOWER_KEY_IPV6_DST_MASK, "TCA_FLOWER_KEY_IPV6_DST_MASK"))
    }

    /// The keys of source and destination port; nil for a protocol that flower finds no ports in.
    static func ports(_ ipProtocol: UInt8?) -> (source: Port, destination: Port)? {
        switch ipProtocol {
        case 6:
            (Port(TCA_FLOWER_KEY_TCP_SRC, "TCA_FLOWER_KEY_TCP_SRC"),
                Port(TCA_FLOWER_KEY_TCP_DST, "TCA_FLOWER_KEY_TCP_DST"))
        case 17:
            (Port(TCA_FLOWER_KEY_UDP_SRC, "TCA_FLOWER_KEY_UDP_SRC"),
                Port(TCA_FLOWER_KEY_UDP_DST, "TCA_FLOWER_KEY_UDP_DST"))
        case 132:
            (Port(TCA_FLOWER_KEY_SCTP_SRC, "TCA_FLOWER_KEY_SCTP_SRC"),
                Port(TCA_FLOWER_KEY_SCTP_DST, "TCA_FLOWER_KEY_SCTP_DST"))
        default: nil
        }
    }
}

extension Flower {
    init(_ attributes: borrowing AttributeReader<FlowerSpace>) {
        ipProtocol = attributes.get(FlowerSpace.ipProtocol)
        for family in IPFamily.allCases {
            let source = FlowerSpace.source(family)
            if let address = attributes.get(source.0) {
                self.source = IPPrefix(address, length: Self.length(attributes.get(source.1), family))
            }
            let destination = FlowerSpace.destination(family)
            if let address = attributes.get(destination.0) {
                self.destination = IPPrefix(address, length: Self.length(attributes.get(destination.1), family))
            }
        }
        if let ports = FlowerSpace.ports(ipProtocol) {
            sourcePort = attributes.get(ports.source)
            destinationPort = attributes.get(ports.destination)
        }
        tos = attributes.get(FlowerSpace.tos).map { Masked($0, mask: attributes.get(FlowerSpace.tosMask) ?? .max) }
        ttl = attributes.get(FlowerSpace.ttl).map { Masked($0, mask: attributes.get(FlowerSpace.ttlMask) ?? .max) }
    }

    /// The leading ones of a mask; masks with gaps read as their leading part.
    private static func length(_ mask: IPAddress?, _ family: IPFamily) -> UInt8 {
        switch mask {
        case .v4(let mask): UInt8((~mask.rawValue).leadingZeroBitCount)
        case .v6(let mask):
            UInt8(mask.high == .max ? 64 + (~mask.low).leadingZeroBitCount : (~mask.high).leadingZeroBitCount)
        case nil: family.bits
        }
    }

    private static func mask(_ prefix: IPPrefix) -> IPAddress {
        let ones: IPAddress =
            prefix.address.family == .v4
            ? .v4(IPv4Address(rawValue: .max)) : .v6(IPv6Address(high: .max, low: .max))
        return IPPrefix(ones, length: prefix.length)?.masked.address ?? ones
    }

    func write(_ writer: inout AttributeWriter<FlowerSpace>, _ filterProtocol: EtherType) {
        if filterProtocol != .all { writer.put(FlowerSpace.etherType, filterProtocol.rawValue) }
        writer.put(FlowerSpace.ipProtocol, ifPresent: ipProtocol)
        for (prefix, keys) in [(source, FlowerSpace.source), (destination, FlowerSpace.destination)] {
            guard let prefix else { continue }
            let (address, mask) = keys(prefix.address.family)
            writer.put(address, prefix.address)
            writer.put(mask, Self.mask(prefix))
        }
        if let ports = FlowerSpace.ports(ipProtocol) {
            writer.put(ports.source, ifPresent: sourcePort.map { BigEndian($0) })
            writer.put(ports.destination, ifPresent: destinationPort.map { BigEndian($0) })
        }
        if let tos {
            writer.put(FlowerSpace.tos, tos.value)
            writer.put(FlowerSpace.tosMask, tos.mask)
        }
        if let ttl {
            writer.put(FlowerSpace.ttl, ttl.value)
            writer.put(FlowerSpace.ttlMask, ttl.mask)
        }
    }
}
