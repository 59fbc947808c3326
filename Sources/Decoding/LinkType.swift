/// What the packets of a capture begin with. The raw values are libpcap's link-layer header types (DLT) on Linux.
public enum LinkType: Int32, Hashable, Sendable, CaseIterable {
    /// Four bytes of address family in the byte order of the machine that captured.
    case null = 0
    case ethernet = 1
    /// With or without the HDLC address and control bytes: RFC 1661, RFC 1662 §3.1.
    case ppp = 9
    /// IPv4 or IPv6 without anything before it.
    case rawIP = 12
    /// As ``ppp``.
    case pppSerial = 50
    /// A PPPoE session header without Ethernet: RFC 2516 §4.
    case pppoe = 51
    /// As ``null``, in network byte order.
    case loop = 108
    /// Linux "cooked" capture, version 1: what `-i any` or a device without link layer gives.
    case linuxSLL = 113
    case rawIPv4 = 228
    case rawIPv6 = 229
    /// Linux "cooked" capture, version 2.
    case linuxSLL2 = 276

    /// As in the JSON output. Stable.
    public var name: String {
        switch self {
        case .null: "null"
        case .ethernet: "ethernet"
        case .ppp: "ppp"
        case .rawIP: "raw_ip"
        case .pppSerial: "ppp_serial"
        case .pppoe: "pppoe"
        case .loop: "loop"
        case .linuxSLL: "linux_sll"
        case .rawIPv4: "raw_ipv4"
        case .rawIPv6: "raw_ipv6"
        case .linuxSLL2: "linux_sll2"
        }
    }
}
