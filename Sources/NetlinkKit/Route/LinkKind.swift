import CLinux

/// What a network device is, with the parameters of that kind.
public enum LinkKind: Hashable, Sendable {
    case gre(GRETunnel)
    case gretap(GRETunnel)
    case ip6gre(IPv6GRETunnel)
    case ip6gretap(IPv6GRETunnel)
    case dummy
    case ifb
    /// The peer's settings matter at creation only; the kernel does not report them, so a veth reads back with nil.
    case veth(VethPeer?)
    /// Any other kind by the name the kernel has for it (`bridge`, `wireguard`), without parameters; empty for
    /// devices that have none: hardware and the loopback.
    case other(String)

    /// `IFLA_INFO_KIND`; empty for hardware.
    public var name: String {
        switch self {
        case .gre: "gre"
        case .gretap: "gretap"
        case .ip6gre: "ip6gre"
        case .ip6gretap: "ip6gretap"
        case .dummy: "dummy"
        case .ifb: "ifb"
        case .veth: "veth"
        case .other(let name): name
        }
    }

    init(_ info: borrowing AttributeReader<LinkInfoSpace>) {
        let name = info.get(LinkInfoSpace.kind) ?? ""
        switch name {
        case "gre": self = .gre(GRETunnel(AttributeTable(info.nested(LinkInfoSpace.gre))))
        case "gretap": self = .gretap(GRETunnel(AttributeTable(info.nested(LinkInfoSpace.gre))))
        case "ip6gre": self = .ip6gre(IPv6GRETunnel(AttributeTable(info.nested(LinkInfoSpace.gre))))
        case "ip6gretap": self = .ip6gretap(IPv6GRETunnel(AttributeTable(info.nested(LinkInfoSpace.gre))))
        case "dummy": self = .dummy
        case "ifb": self = .ifb
        case "veth": self = .veth(nil)
        default: self = .other(name)
        }
    }

    func write(_ writer: inout AttributeWriter<LinkInfoSpace>) {
        writer.put(LinkInfoSpace.kind, name)
        switch self {
        case .gre(let tunnel), .gretap(let tunnel): writer.nest(LinkInfoSpace.gre) { tunnel.write(&$0) }
        case .ip6gre(let tunnel), .ip6gretap(let tunnel): writer.nest(LinkInfoSpace.gre) { tunnel.write(&$0) }
        case .veth(let peer?):
            writer.nest(LinkInfoSpace.veth) {
                $0.nest(VethSpace.peer) { peer.write(&$0) }
            }
        case .dummy, .ifb, .veth(nil), .other: break
        }
    }
}

/// A network namespace to put a new device into.
public enum NetworkNamespace: Hashable, Sendable {
    /// An open file of the namespace (`/run/netns/x`, `/proc/…/ns/net`).
    case descriptor(Int32)
    case process(UInt32)

    func write(_ writer: inout AttributeWriter<LinkSpace>) {
        switch self {
        case .descriptor(let fd): writer.put(LinkSpace.namespaceDescriptor, UInt32(bitPattern: fd))
        case .process(let pid): writer.put(LinkSpace.namespaceProcess, pid)
        }
    }
}

/// The other end of a new veth pair.
public struct VethPeer: Hashable, Sendable {
    public var name: String
    /// nil is the namespace of the first end.
    public var namespace: NetworkNamespace?

    public init(name: String, namespace: NetworkNamespace? = nil) {
        self.name = name
        self.namespace = namespace
    }

    func write(_ writer: inout AttributeWriter<LinkSpace>) {
        writer.appendRaw(ifinfomsg())
        writer.put(LinkSpace.name, name)
        namespace?.write(&writer)
    }
}
