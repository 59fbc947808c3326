import CLinux

/// How a request names a device.
public enum LinkReference: Hashable, Sendable, CustomStringConvertible {
    case index(UInt32)
    case name(String)

    public var description: String {
        switch self {
        case .index(let index): "link \(index)"
        case .name(let name): "link \"\(name)\""
        }
    }

    var header: ifinfomsg {
        var header = ifinfomsg()
        if case .index(let index) = self { header.ifi_index = Int32(bitPattern: index) }
        return header
    }

    var name: String? { if case .name(let name) = self { name } else { nil } }
}

extension Link {
    /// The requests that create a device: the first creates it, and a second gives it its alias, which the kernel
    /// ignores at creation. An existing device of that name is an error (`EEXIST`).
    public static func create(_ name: String, _ settings: LinkSettings) -> [Request] {
        var header = ifinfomsg()
        if let isUp = settings.isUp {
            header.ifi_change = 1
            header.ifi_flags = isUp ? 1 : 0
        }
        let creation = Request(
            Operation("create", "link \"\(name)\""), type: UInt16(RTM_NEWLINK), flags: [.create, .exclusive],
            header: header, LinkSpace.self
        ) {
            $0.put(LinkSpace.name, name)
            writeCommon(settings, &$0)
            settings.namespace?.write(&$0)
            $0.nest(LinkSpace.info) { settings.kind.write(&$0) }
        }
        guard let alias = settings.alias, settings.namespace == nil else { return [creation] }
        return [creation, setAlias(.name(name), alias)]
    }

    /// Changes an existing device's parameters, those of its kind included. A GRE device keeps its sequence counter.
    public static func change(_ link: LinkReference, _ settings: LinkSettings) -> Request {
        var header = link.header
        if let isUp = settings.isUp {
            header.ifi_change = 1
            header.ifi_flags = isUp ? 1 : 0
        }
        return Request(
            Operation("change", "\(link)"), type: UInt16(RTM_NEWLINK), flags: [], header: header, LinkSpace.self
        ) {
            $0.put(LinkSpace.name, ifPresent: link.name)
            writeCommon(settings, &$0)
            $0.put(LinkSpace.alias, ifPresent: settings.alias.map(UnterminatedString.init))
            $0.nest(LinkSpace.info) { settings.kind.write(&$0) }
        }
    }

    /// Deletes the device, and with it its addresses and routes. `ENODEV` if there is none; hardware refuses it.
    public static func delete(_ link: LinkReference) -> Request {
        Request(
            Operation("delete", "\(link)"), type: UInt16(RTM_DELLINK), flags: [], header: link.header, LinkSpace.self
        ) { $0.put(LinkSpace.name, ifPresent: link.name) }
    }

    /// Deletes all devices of a group, in little more time than one of them takes. `ENODEV` if there is none,
    /// `EOPNOTSUPP` if one of them cannot be deleted: then none is. `EPERM` for group 0, in which all devices begin.
    public static func delete(group: UInt32) -> Request {
        Request(
            Operation("delete", "links of group \(group)"), type: UInt16(RTM_DELLINK), flags: [], header: ifinfomsg(),
            LinkSpace.self
        ) { $0.put(LinkSpace.group, group) }
    }

    public static func setGroup(_ link: LinkReference, _ group: UInt32) -> Request {
        set(link, "set the group of", link.header) { $0.put(LinkSpace.group, group) }
    }

    /// Sets the administrative state; false is down, which also removes routes by the device.
    public static func setUp(_ link: LinkReference, _ isUp: Bool) -> Request {
        var header = link.header
        header.ifi_change = 1
        header.ifi_flags = isUp ? 1 : 0
        return set(link, isUp ? "set up" : "set down", header) { _ in }
    }

    /// - Parameter alias: at most 255 bytes; empty removes it
    public static func setAlias(_ link: LinkReference, _ alias: String) -> Request {
        set(link, "set the alias of", link.header) { $0.put(LinkSpace.alias, UnterminatedString(alias)) }
    }

    /// Before Linux 6.2 only a device that is down takes another name (`EBUSY`).
    public static func rename(_ index: UInt32, to name: String) -> Request {
        let link = LinkReference.index(index)
        return set(link, "rename", link.header) { $0.put(LinkSpace.name, name) }
    }

    /// Takes it out of the bridge, bond or VRF it belongs to.
    public static func release(_ link: LinkReference) -> Request {
        set(link, "release", link.header) { $0.put(LinkSpace.master, 0) }
    }

    /// - Parameter mtu: bytes
    public static func setMTU(_ link: LinkReference, _ mtu: UInt32) -> Request {
        set(link, "set the MTU of", link.header) { $0.put(LinkSpace.mtu, mtu) }
    }

    /// Sets items of `/proc/sys/net/ipv4/conf` for the device, several at once.
    public static func setIPv4(
        _ link: LinkReference, _ values: [(IPv4DeviceConfiguration.Item, UInt32)]
    ) -> Request {
        set(link, "set IPv4 parameters of", link.header) {
            $0.nest(LinkSpace.families) {
                $0.nest(FamilySpace.inet) {
                    $0.nest(InetSpace.configuration) {
                        for (item, value) in values { $0.put(ConfigurationSpace.key(item), value) }
                    }
                }
            }
        }
    }

    /// Sets the device's `rp_filter`; in force is the larger one of this and that of `all`.
    public static func setReversePathFilter(_ link: LinkReference, _ filter: ReversePathFilter) -> Request {
        setIPv4(link, [(.reversePathFilter, filter.rawValue)])
    }

    private static func set(
        _ link: LinkReference, _ verb: String, _ header: ifinfomsg, _ body: (inout AttributeWriter<LinkSpace>) -> Void
    ) -> Request {
        Request(Operation(verb, "\(link)"), type: UInt16(RTM_SETLINK), flags: [], header: header, LinkSpace.self) {
            $0.put(LinkSpace.name, ifPresent: link.name)
            body(&$0)
        }
    }

    private static func writeCommon(_ settings: LinkSettings, _ writer: inout AttributeWriter<LinkSpace>) {
        writer.put(LinkSpace.mtu, ifPresent: settings.mtu)
        writer.put(LinkSpace.txQueueLength, ifPresent: settings.txQueueLength)
        writer.put(LinkSpace.address, ifPresent: settings.address)
        writer.put(LinkSpace.group, ifPresent: settings.group)
    }
}

extension Exchange {
    /// All devices, or those of one kind (such as `gre`; filtered by the kernel).
    public func links(kind: String? = nil) throws(KernelError) -> [Link] {
        try dump(Self.linkDump(kind, Self.noCounters)) { Link($0) }
    }

    /// The counters of all devices by index.
    public func linkStatistics(kind: String? = nil) throws(KernelError) -> [UInt32: LinkStatistics] {
        let list = try dump(Self.linkDump(kind)) { LinkStatistics.read($0) }
        return Dictionary(list, uniquingKeysWith: { $1 })
    }

    /// - Returns: nil when there is no such device
    public func link(_ link: LinkReference) throws(KernelError) -> Link? { try read(link, Self.noCounters) { Link($0) } }

    /// - Returns: nil when there is no such device
    public func linkStatistics(_ link: LinkReference) throws(KernelError) -> LinkStatistics? {
        try read(link) { LinkStatistics.read($0)?.statistics }
    }

    /// Counters are the larger part of what the kernel would tell of a device, and of what that costs it (Linux 4.6).
    private static let noCounters = UInt32(RTEXT_FILTER_SKIP_STATS)

    private func read<Value>(
        _ link: LinkReference, _ filter: UInt32? = nil, _ parse: (borrowing Message) -> Value?
    ) throws(KernelError) -> Value? {
        let request = Request(
            Operation("read", "\(link)"), type: UInt16(RTM_GETLINK), flags: [], header: link.header, LinkSpace.self
        ) {
            $0.put(LinkSpace.name, ifPresent: link.name)
            $0.put(LinkSpace.extensionMask, ifPresent: filter)
        }
        do throws(KernelError) {
            for bytes in try ask(request) {
                if let message = Message(bytes.span.bytes, at: 0), let value = parse(message) { return value }
            }
            throw KernelError.malformed(request.operation, "no link in it")
        } catch where error.errno == .noDevice {
            return nil
        }
    }

    private static func linkDump(_ kind: String?, _ filter: UInt32? = nil) -> Request {
        Request(
            Operation("list", "links"), type: UInt16(RTM_GETLINK), flags: .dump, header: ifinfomsg(), LinkSpace.self
        ) { writer in
            writer.put(LinkSpace.extensionMask, ifPresent: filter)
            if let kind { writer.nest(LinkSpace.info) { $0.put(LinkInfoSpace.kind, kind) } }
        }
    }
}
