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
