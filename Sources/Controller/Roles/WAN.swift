import Addresses
import CLinux
import Configuration
import Glibc
import NetlinkKit

/// An access link as the kernel has it now; nil where it has no carrier.
struct WAN: Hashable {
    var index: UInt32
    /// Bytes of an outer packet.
    var mtu: UInt32
    /// Bytes of link header that the link's counters count with each packet.
    var headerLength: UInt64
    /// The link's address in the family of the aggregator; nil: none that can be used.
    var address: IPAddress?
    /// The next hop; nil: the aggregator is asked for on the link itself.
    var gateway: IPAddress?

    /// IFF_LOWER_UP: the link has carrier.
    private static let lowerUp: UInt32 = 0x10000

    static func read(
        _ exchange: Exchange, _ name: String, _ family: IPFamily, _ configured: IPAddress?,
        _ kernel: KernelConfiguration
    ) throws(KernelError) -> WAN? {
        // A bond ends with its last leg: that a device is gone is believed when it is not in the list of all either.
        var found = try exchange.link(.name(name))
        if found == nil { found = try exchange.links().first { $0.name == name } }
        guard let link = found, link.isUp, link.flags & lowerUp != 0 else { return nil }
        let addresses = try exchange.addresses(family, link: link.index)
        let usable = addresses.filter {
            $0.address.link == link.index && $0.address.scope == .universe
                && $0.state.isDisjoint(with: [.tentative, .duplicate, .deprecated])
        }
        var gateway = configured
        if gateway == nil {
            let routes = try exchange.routes(family)
            gateway =
                routes.filter { $0.destination.length == 0 && $0.protocol.rawValue != kernel.routeProtocol }
                .sorted { $0.priority < $1.priority }
                .compactMap { $0.nextHops.first { $0.link == link.index }?.gateway }.first
        }
        // Devices with Ethernet addresses have Ethernet headers.
        let header: UInt64 = link.address.count == 6 ? 14 : 0
        return WAN(
            index: link.index, mtu: link.mtu, headerLength: header, address: usable.first?.address.address.address,
            gateway: gateway)
    }
}
