import CLinux

/// The IPv4 settings of one device, as under `/proc/sys/net/ipv4/conf`.
public struct IPv4DeviceConfiguration: Hashable, Sendable {
    /// `IPV4_DEVCONF_*`
    public enum Item: UInt16, Sendable, CaseIterable {
        case forwarding = 1
        case proxyARP = 3
        case acceptRedirects = 4
        case sendRedirects = 6
        case reversePathFilter = 8
        case acceptSourceRoute = 9
        case arpFilter = 13
        case arpAnnounce = 18
        case arpIgnore = 19
        case promoteSecondaries = 20
        case acceptLocal = 23
    }

    private var values: [UInt32]

    init(payload: [UInt8]) {
        values = (0..<payload.count / 4).map { payload.span.bytes.load(UInt32.self, at: $0 * 4) ?? 0 }
    }

    /// nil when this kernel does not have the setting.
    public subscript(_ item: Item) -> UInt32? {
        let index = Int(item.rawValue) - 1
        return values.indices.contains(index) ? values[index] : nil
    }
}

/// `rp_filter`: whether a packet's source must be reachable through the interface it came by (RFC 3704).
public enum ReversePathFilter: UInt32, Sendable {
    case off = 0
    /// By this interface.
    case strict = 1
    /// By any interface.
    case loose = 2
}

/// The reverse path filters of this network. What holds for a device is the larger one of its own and that for all.
public struct ReversePathFilters: Hashable, Sendable {
    public var all = ReversePathFilter.off
    /// By the device's index.
    public var devices: [UInt32: ReversePathFilter] = [:]

    /// Devices for which this holds.
    public func devices(with filter: ReversePathFilter) -> [UInt32] {
        devices.filter { max($0.value.rawValue, all.rawValue) == filter.rawValue }.keys.sorted()
    }
}

/// `NETCONFA_*`
private enum NetworkConfigurationSpace {
    static let link = Attribute<NetworkConfigurationSpace, Int32>(NETCONFA_IFINDEX, "NETCONFA_IFINDEX")
    static let reversePathFilter = Attribute<NetworkConfigurationSpace, UInt32>(NETCONFA_RP_FILTER, "NETCONFA_RP_FILTER")
}

extension Exchange {
    /// Lists a few numbers of each device, where a list of devices has all that is known of them.
    public func reversePathFilters() throws(KernelError) -> ReversePathFilters {
        let request = Request(
            Operation("list", "IPv4 settings"), type: UInt16(RTM_GETNETCONF), flags: .dump,
            header: netconfmsg(ncm_family: UInt8(AF_INET)), NetworkConfigurationSpace.self
        ) { _ in }
        let list = try dump(request) { message -> (link: Int32, filter: ReversePathFilter)? in
            guard message.type == UInt16(RTM_NEWNETCONF) else { return nil }
            let attributes = message.attributes(
                after: MemoryLayout<netconfmsg>.size, of: NetworkConfigurationSpace.self)
            guard let link = attributes.get(NetworkConfigurationSpace.link),
                let filter = attributes.get(NetworkConfigurationSpace.reversePathFilter)
            else { return nil }
            return ReversePathFilter(rawValue: filter).map { (link, $0) }
        }
        var filters = ReversePathFilters()
        for (link, filter) in list {
            // What a new device begins with says nothing of those that there are.
            if link > 0 { filters.devices[UInt32(link)] = filter } else if link == NETCONFA_IFINDEX_ALL { filters.all = filter }
        }
        return filters
    }
}
