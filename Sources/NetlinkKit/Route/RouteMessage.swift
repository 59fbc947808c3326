import Addresses
import CLinux

/// `RTA_*`
enum RouteSpace {
    static let destination = Attribute<RouteSpace, IPAddress>(RTA_DST, "RTA_DST")
    static let source = Attribute<RouteSpace, IPAddress>(RTA_SRC, "RTA_SRC")
    static let inputLink = Attribute<RouteSpace, UInt32>(RTA_IIF, "RTA_IIF")
    static let outputLink = Attribute<RouteSpace, UInt32>(RTA_OIF, "RTA_OIF")
    static let gateway = Attribute<RouteSpace, IPAddress>(RTA_GATEWAY, "RTA_GATEWAY")
    static let priority = Attribute<RouteSpace, UInt32>(RTA_PRIORITY, "RTA_PRIORITY")
    static let preferredSource = Attribute<RouteSpace, IPAddress>(RTA_PREFSRC, "RTA_PREFSRC")
    static let metrics = Nest<RouteSpace, MetricSpace>(RTA_METRICS, "RTA_METRICS")
    static let multipath = Nest<RouteSpace, RouteSpace>(RTA_MULTIPATH, "RTA_MULTIPATH")
    static let table = Attribute<RouteSpace, UInt32>(RTA_TABLE, "RTA_TABLE")
    static let mark = Attribute<RouteSpace, UInt32>(RTA_MARK, "RTA_MARK")
    static let via = Attribute<RouteSpace, Via>(RTA_VIA, "RTA_VIA")
    static let ipProtocol = Attribute<RouteSpace, UInt8>(RTA_IP_PROTO, "RTA_IP_PROTO")
    static let sourcePort = Attribute<RouteSpace, BigEndian<UInt16>>(RTA_SPORT, "RTA_SPORT")
    static let destinationPort = Attribute<RouteSpace, BigEndian<UInt16>>(RTA_DPORT, "RTA_DPORT")
}

/// `RTAX_*`
enum MetricSpace {
    static let mtu = Attribute<MetricSpace, UInt32>(RTAX_MTU, "RTAX_MTU")
    static let advertisedMSS = Attribute<MetricSpace, UInt32>(RTAX_ADVMSS, "RTAX_ADVMSS")
}

/// A gateway of another family: the family's number and the address (`rtvia`).
struct Via: AttributeValue {
    var address: IPAddress

    init(_ address: IPAddress) { self.address = address }

    func append(to bytes: inout [UInt8]) {
        bytes.appendBytes(of: UInt16(address.family.number))
        address.append(to: &bytes)
    }

    init?(payload: RawSpan) {
        guard let family = payload.load(UInt16.self, at: 0),
            let address = IPAddress(payload: payload.extracting(2..<payload.byteCount)),
            IPFamily(family) == address.family
        else { return nil }
        self.address = address
    }
}

extension NextHop {
    static let onLinkFlag: UInt32 = 4  // RTNH_F_ONLINK

    fileprivate func writeGateway(_ family: IPFamily, _ writer: inout AttributeWriter<RouteSpace>) {
        guard let gateway else { return }
        if gateway.family == family {
            writer.put(RouteSpace.gateway, gateway)
        } else {
            writer.put(RouteSpace.via, Via(gateway))
        }
    }

    fileprivate static func gateway(_ attributes: borrowing AttributeReader<RouteSpace>) -> IPAddress? {
        attributes.get(RouteSpace.gateway) ?? attributes.get(RouteSpace.via)?.address
    }

    /// The list in `RTA_MULTIPATH`: each an `rtnexthop`, whose length covers the attributes behind it.
    fileprivate static func list(_ bytes: RawSpan) -> [NextHop] {
        var hops: [NextHop] = []
        var offset = 0
        while let header = bytes.load(rtnexthop.self, at: offset), header.rtnh_len >= 8,
            Int(header.rtnh_len) <= bytes.byteCount - offset
        {
            let end = offset + Int(header.rtnh_len)
            let attributes = AttributeReader<RouteSpace>(bytes.extracting((offset + 8)..<end))
            hops.append(
                NextHop(
                    gateway: gateway(attributes), link: UInt32(bitPattern: header.rtnh_ifindex),
                    weight: UInt16(header.rtnh_hops) + 1, isOnLink: header.rtnh_flags & UInt8(onLinkFlag) != 0))
            offset = (end + 3) & ~3
        }
        return hops
    }

    fileprivate func writeListed(_ family: IPFamily, _ writer: inout AttributeWriter<RouteSpace>) {
        let start = writer.count
        var header = rtnexthop()
        header.rtnh_flags = isOnLink ? UInt8(Self.onLinkFlag) : 0
        header.rtnh_hops = UInt8(clamping: Int(weight) - 1)
        header.rtnh_ifindex = Int32(bitPattern: link)
        writer.appendRaw(header)
        writeGateway(family, &writer)
        writer.store(UInt16(truncatingIfNeeded: writer.count - start), at: start)
    }
}

extension Route {
    /// Reads an `RTM_NEWROUTE` or `RTM_DELROUTE` message of IPv4 or IPv6; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWROUTE, RTM_DELROUTE].contains(Int(message.type)), let header = message.header(rtmsg.self),
            let family = IPFamily(header.rtm_family), let type = RouteType(rawValue: header.rtm_type)
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<rtmsg>.size, of: RouteSpace.self)
        let target = attributes.get(RouteSpace.destination) ?? .any(family)
        guard target.family == family, let prefix = IPPrefix(target, length: header.rtm_dst_len) else { return nil }
        var hops: [NextHop] = []
        attributes.forEach { type, payload in
            if type == RouteSpace.multipath.type { hops = NextHop.list(payload) }
        }
        if hops.isEmpty {
            let hop = NextHop(
                gateway: NextHop.gateway(attributes), link: attributes.get(RouteSpace.outputLink) ?? 0,
                isOnLink: header.rtm_flags & NextHop.onLinkFlag != 0)
            if hop.gateway != nil || hop.link != 0 { hops = [hop] }
        }
        self.init(
            to: prefix, type: type,
            // IPv6 reports the loopback device for routes that end here.
            nextHops: type.isReject ? [] : hops,
            table: attributes.get(RouteSpace.table) ?? UInt32(header.rtm_table),
            protocol: RouteProtocol(rawValue: header.rtm_protocol), priority: 0,
            scope: Scope(rawValue: header.rtm_scope), preferredSource: attributes.get(RouteSpace.preferredSource))
        // The kernel's own IPv6 routes may have metric 0.
        priority = attributes.get(RouteSpace.priority) ?? 0
        tos = header.rtm_tos
        let metrics = attributes.nested(RouteSpace.metrics)
        mtu = metrics.get(MetricSpace.mtu)
        advertisedMSS = metrics.get(MetricSpace.advertisedMSS)
    }

    /// A route that exists already is an error (`EEXIST`).
    public func add() -> Request { request("add", RTM_NEWROUTE, [.create, .exclusive]) }

    /// Adds the route in place of one with the same destination, table and metric.
    public func replace() -> Request { request("replace", RTM_NEWROUTE, [.create, .replace]) }

    /// Deletes exactly this route.
    public func delete() -> Request { request("delete", RTM_DELROUTE, []) }

    private func request(_ verb: String, _ messageType: Int, _ flags: MessageFlags) -> Request {
        let family = destination.address.family
        let single = nextHops.count == 1 ? nextHops[0] : nil
        var header = rtmsg()
        header.rtm_family = family.number
        header.rtm_dst_len = destination.length
        header.rtm_tos = tos
        header.rtm_table = table < 256 ? UInt8(table) : UInt8(RT_TABLE_UNSPEC.rawValue)
        header.rtm_protocol = `protocol`.rawValue
        header.rtm_scope = scope.rawValue
        header.rtm_type = type.rawValue
        header.rtm_flags = single?.isOnLink == true ? NextHop.onLinkFlag : 0
        return Request(
            Operation(verb, "route \(self)"), type: UInt16(messageType), flags: flags, header: header, RouteSpace.self
        ) {
            if destination.length > 0 { $0.put(RouteSpace.destination, destination.address) }
            $0.put(RouteSpace.table, table)
            if priority != 0 { $0.put(RouteSpace.priority, priority) }
            $0.put(RouteSpace.preferredSource, ifPresent: preferredSource)
            if mtu != nil || advertisedMSS != nil {
                $0.nest(RouteSpace.metrics) {
                    $0.put(MetricSpace.mtu, ifPresent: mtu)
                    $0.put(MetricSpace.advertisedMSS, ifPresent: advertisedMSS)
                }
            }
            if let single {
                single.writeGateway(family, &$0)
                if single.link != 0 { $0.put(RouteSpace.outputLink, single.link) }
            } else if !nextHops.isEmpty {
                $0.nest(RouteSpace.multipath) { for hop in nextHops { hop.writeListed(family, &$0) } }
            }
        }
    }
}

extension Exchange {
    /// The routes of a family; the kernel filters by table and protocol when they are given.
    public func routes(
        _ family: IPFamily, table: UInt32? = nil, protocol: RouteProtocol? = nil
    ) throws(KernelError) -> [Route] {
        var header = rtmsg()
        header.rtm_family = family.number
        header.rtm_protocol = `protocol`?.rawValue ?? 0
        let request = Request(
            Operation("list", "routes"), type: UInt16(RTM_GETROUTE), flags: .dump, header: header, RouteSpace.self
        ) { $0.put(RouteSpace.table, ifPresent: table) }
        do throws(KernelError) {
            return try dump(request) { Route($0) }
        } catch where table != nil && error.errno == .noEntry {
            // A table without routes does not exist.
            return []
        }
    }

    /// The route that the kernel would take.
    public func route(
        to destination: IPAddress, from source: IPAddress? = nil, mark: UInt32? = nil, outputLink: UInt32? = nil
    ) throws(KernelError) -> Route {
        var header = rtmsg()
        header.rtm_family = destination.family.number
        header.rtm_dst_len = destination.family.bits
        header.rtm_src_len = source == nil ? 0 : destination.family.bits
        let request = Request(
            Operation("look up", "route to \(destination)"), type: UInt16(RTM_GETROUTE), flags: [], header: header,
            RouteSpace.self
        ) {
            $0.put(RouteSpace.destination, destination)
            $0.put(RouteSpace.source, ifPresent: source)
            $0.put(RouteSpace.mark, ifPresent: mark)
            $0.put(RouteSpace.outputLink, ifPresent: outputLink)
        }
        for bytes in try ask(request) {
            if let message = Message(bytes.span.bytes, at: 0), let route = Route(message) { return route }
        }
        throw .malformed(request.operation, "no route in it")
    }
}
