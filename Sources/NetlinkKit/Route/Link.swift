import CLinux

/// A network device as the kernel reports it.
public struct Link: Hashable, Sendable {
    /// `IF_OPER_*` (RFC 2863 §3.1.14).
    public enum OperationalState: UInt8, Sendable {
        case unknown = 0
        case notPresent, down, lowerLayerDown, testing, dormant, up
    }

    public var index: UInt32
    public var name: String
    public var kind: LinkKind
    /// Bytes.
    public var mtu: UInt32
    /// `IFF_*`
    public var flags: UInt32
    public var operationalState: OperationalState
    public var carrier: Bool
    public var alias: String?
    /// Packets.
    public var txQueueLength: UInt32
    /// The hardware address; for tunnels their local address. Empty when there is none.
    public var address: [UInt8]
    public var group: UInt32
    /// The device below this one, or a veth's peer.
    public var parent: UInt32?
    /// The bridge, bond or VRF it belongs to.
    public var master: UInt32?
    /// nil when IPv4 is not active on it.
    public var ipv4: IPv4DeviceConfiguration?

    /// The administrative state.
    public var isUp: Bool { flags & 1 != 0 }

    /// Whether every setting that `settings` names is in force here. The name is not compared.
    public func matches(_ settings: LinkSettings) -> Bool {
        kind == settings.kind.readBack && (settings.mtu.map { $0 == mtu } ?? true)
            && (settings.isUp.map { $0 == isUp } ?? true) && (settings.alias.map { $0 == alias ?? "" } ?? true)
            && (settings.txQueueLength.map { $0 == txQueueLength } ?? true)
            && (settings.address.map { $0 == address } ?? true) && (settings.group.map { $0 == group } ?? true)
    }
}

extension LinkKind {
    /// As the kernel will report it.
    public var readBack: LinkKind { if case .veth = self { .veth(nil) } else { self } }
}

extension Link {
    /// Reads an `RTM_NEWLINK` or `RTM_DELLINK` message; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWLINK, RTM_DELLINK].contains(Int(message.type)), let header = message.header(ifinfomsg.self),
            header.ifi_family == UInt8(AF_UNSPEC)
        else { return nil }
        let attributes = AttributeTable(message.attributes(after: MemoryLayout<ifinfomsg>.size, of: LinkSpace.self))
        index = UInt32(bitPattern: header.ifi_index)
        flags = header.ifi_flags
        name = attributes.get(LinkSpace.name) ?? ""
        kind = LinkKind(attributes.nested(LinkSpace.info))
        mtu = attributes.get(LinkSpace.mtu) ?? 0
        operationalState = attributes.get(LinkSpace.operState).flatMap(OperationalState.init) ?? .unknown
        carrier = attributes.get(LinkSpace.carrier) != 0
        alias = attributes.get(LinkSpace.alias)?.text
        txQueueLength = attributes.get(LinkSpace.txQueueLength) ?? 0
        address = attributes.get(LinkSpace.address) ?? []
        group = attributes.get(LinkSpace.group) ?? 0
        parent = attributes.get(LinkSpace.link)
        master = attributes.get(LinkSpace.master)
        ipv4 = attributes.nested(LinkSpace.families).nested(FamilySpace.inet).get(InetSpace.values)
            .map(IPv4DeviceConfiguration.init)
    }
}

/// What a device shall be like. What is nil is left to the kernel, or as it is.
public struct LinkSettings: Hashable, Sendable {
    public var kind: LinkKind
    /// Bytes.
    public var mtu: UInt32?
    public var isUp: Bool?
    /// At most 255 bytes; empty removes it.
    public var alias: String?
    /// Packets.
    public var txQueueLength: UInt32?
    /// The hardware address.
    public var address: [UInt8]?
    public var group: UInt32?
    /// Where a new device is created.
    public var namespace: NetworkNamespace?

    public init(
        _ kind: LinkKind, mtu: UInt32? = nil, isUp: Bool? = nil, alias: String? = nil, txQueueLength: UInt32? = nil,
        address: [UInt8]? = nil, group: UInt32? = nil, namespace: NetworkNamespace? = nil
    ) {
        self.kind = kind
        self.mtu = mtu
        self.isUp = isUp
        self.alias = alias
        self.txQueueLength = txQueueLength
        self.address = address
        self.group = group
        self.namespace = namespace
    }
}
