public import Addresses
import CLinux

/// A connection that the kernel tracks, as far as it is asked for here.
public struct TrackedConnection: Hashable, Sendable {
    public var mark: UInt32
    /// `IPS_*`: bit 3 says that it is confirmed, which it is from its first packet's leaving on.
    public var status: UInt32
    /// Where its answers go: its source as others see it.
    public var replyDestination: IPAddress?
}

/// What connections are told apart by.
public struct ConnectionTuple: Hashable, Sendable {
    public var source: IPAddress
    /// Of the same family as `source`.
    public var destination: IPAddress
    public var ipProtocol: UInt8
    /// 0 for protocols without ports.
    public var sourcePort: UInt16
    public var destinationPort: UInt16

    public init(
        from source: IPAddress, to destination: IPAddress, ipProtocol: UInt8, sourcePort: UInt16 = 0,
        destinationPort: UInt16 = 0
    ) {
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }
}

/// `CTA_TUPLE_*`
private enum TupleSpace {
    static let addresses = Nest<TupleSpace, TupleAddressSpace>(CTA_TUPLE_IP, "CTA_TUPLE_IP")
    static let `protocol` = Nest<TupleSpace, TupleProtocolSpace>(CTA_TUPLE_PROTO, "CTA_TUPLE_PROTO")
}

/// `CTA_IP_*`
private enum TupleAddressSpace {
    static func source(_ family: IPFamily) -> Attribute<TupleAddressSpace, IPAddress> {
        Attribute(family == .v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, "CTA_IP_SRC")
    }

    static func destination(_ family: IPFamily) -> Attribute<TupleAddressSpace, IPAddress> {
        Attribute(family == .v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, "CTA_IP_DST")
    }
}

/// `CTA_PROTO_*`
private enum TupleProtocolSpace {
    static let number = Attribute<TupleProtocolSpace, UInt8>(CTA_PROTO_NUM, "CTA_PROTO_NUM")
    static let sourcePort = Attribute<TupleProtocolSpace, BigEndian<UInt16>>(CTA_PROTO_SRC_PORT, "CTA_PROTO_SRC_PORT")
    static let destinationPort = Attribute<TupleProtocolSpace, BigEndian<UInt16>>(
        CTA_PROTO_DST_PORT, "CTA_PROTO_DST_PORT")
}

extension ConnectionSpace {
    fileprivate static let original = Nest<ConnectionSpace, TupleSpace>(CTA_TUPLE_ORIG, "CTA_TUPLE_ORIG")
    fileprivate static let reply = Nest<ConnectionSpace, TupleSpace>(CTA_TUPLE_REPLY, "CTA_TUPLE_REPLY")
    fileprivate static let status = Attribute<ConnectionSpace, BigEndian<UInt32>>(CTA_STATUS, "CTA_STATUS")
}

extension Exchange {
    /// The connection that a packet of this tuple belongs to, whichever way it goes; nil: none. Needs a socket of
    /// netfilter. Not for ICMP, whose tuples have an identifier instead of ports.
    public func connection(_ tuple: ConnectionTuple) throws(KernelError) -> TrackedConnection? {
        let family = tuple.source.family
        var header = nfgenmsg()
        header.nfgen_family = family.number
        let request = Request(
            Operation("look up", "connection from \(tuple.source) to \(tuple.destination)"),
            type: UInt16(NFNL_SUBSYS_CTNETLINK) << 8 | UInt16(IPCTNL_MSG_CT_GET.rawValue), flags: [], header: header,
            ConnectionSpace.self
        ) {
            $0.nest(ConnectionSpace.original) {
                $0.nest(TupleSpace.addresses) {
                    $0.put(TupleAddressSpace.source(family), tuple.source)
                    $0.put(TupleAddressSpace.destination(family), tuple.destination)
                }
                $0.nest(TupleSpace.protocol) {
                    $0.put(TupleProtocolSpace.number, tuple.ipProtocol)
                    $0.put(TupleProtocolSpace.sourcePort, tuple.sourcePort)
                    $0.put(TupleProtocolSpace.destinationPort, tuple.destinationPort)
                }
            }
        }
        do throws(KernelError) {
            for bytes in try ask(request) {
                guard let message = Message(bytes.span.bytes, at: 0) else { continue }
                let attributes = message.attributes(after: MemoryLayout<nfgenmsg>.size, of: ConnectionSpace.self)
                let reply = attributes.nested(ConnectionSpace.reply).nested(TupleSpace.addresses)
                return TrackedConnection(
                    mark: attributes.get(ConnectionSpace.mark) ?? 0,
                    status: attributes.get(ConnectionSpace.status) ?? 0,
                    replyDestination: reply.get(TupleAddressSpace.destination(family)))
            }
            throw KernelError.malformed(request.operation, "no connection in it")
        } catch where error.errno == .noEntry {
            return nil
        }
    }
}
