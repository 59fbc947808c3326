import Addresses
import Configuration
import Leases
import NetlinkKit

/// What the gateway has inside its bond, by its settings or by lease.
struct InnerAddresses: Hashable, Sendable {
    var ipv4: IPPrefix?
    var ipv6: IPPrefix?
    /// Delegated to the LAN.
    var prefixes: [IPPrefix] = []
    /// Bytes of an inner packet that the aggregator takes; nil: it did not say.
    var mtu: UInt32?

    init(_ settings: TunnelConfiguration, _ lease4: DHCPv4Lease?, _ lease6: DHCPv6Lease?) {
        ipv4 = settings.address ?? lease4.map { IPPrefix(host: .v4($0.address)) }
        ipv6 = settings.address6
        prefixes = lease6?.prefixes.map(\.prefix) ?? []
        // With less the device would lose IPv6, or IPv4 what every host must take.
        let least = settings.address6 != nil || settings.dhcp6 ? PathMTU.leastIPv6 : PathMTU.leastIPv4
        mtu = lease4?.interfaceMTU.map { UInt32($0) }.flatMap { $0 >= least ? $0 : nil }
    }

    func own(_ family: IPFamily) -> IPPrefix? { family == .v4 ? ipv4 : ipv6 }

    /// Sources that this host and its LAN use through the bond, beside what comes from the LAN's devices.
    func sources(_ family: IPFamily) -> [IPPrefix] {
        (own(family).map { [IPPrefix(host: $0.address)] } ?? []) + (family == .v6 ? prefixes : [])
    }
}

/// A delegated prefix on its way to the LAN: a /64 on each of its devices, and nothing else of it anywhere.
struct LANPrefix {
    var prefix: IPPrefix
    var preferredUntil: LeaseTime
    var validUntil: LeaseTime

    /// The objects, for LAN devices in the order of the settings. A device for which no /64 is left gets none.
    func objects(_ lan: [String], protocol number: UInt8) -> [KernelObject] {
        let lifetimes = LeasedAddress(
            preferredUntil: preferredUntil.instant, validUntil: validUntil.instant, protocol: number)
        // A packet to a network of the prefix that no device has would go back to the aggregator, and so on.
        var objects: [KernelObject] = [
            .route(.unreachable(prefix, protocol: RouteProtocol(rawValue: number)))
        ]
        for (place, device) in lan.enumerated() {
            guard let address = address(place) else { break }
            objects.append(.address(link: device, address, lifetimes))
        }
        return objects
    }

    /// The first host of the prefix's /64 with this number.
    func address(_ place: Int) -> IPPrefix? {
        guard case .v6(let base) = prefix.masked.address, prefix.length <= 64, let place = UInt64(exactly: place),
            prefix.length == 0 || place >> UInt64(64 - prefix.length) == 0
        else { return nil }
        return IPPrefix(.v6(IPv6Address(high: base.high | place, low: 1)), length: 64)
    }
}
