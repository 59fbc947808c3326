import Addresses
import Configuration
import EventLog
import GREBonding
import Logging
import NetlinkKit

// The addresses by which gateways and the operator's routing find this machine, where the settings leave them to this
// program (`address_lifetime`). They have lifetimes in the kernel: when this program dies or hangs, nobody else need do
// anything for routing to lead elsewhere.
extension Aggregator {
    /// Whether an address is put on a device here, with its lifetime.
    func keeps(_ address: IPAddress) -> Bool {
        settings.addressLifetime != nil && (settings.addresses + settings.anycast).contains(address)
    }

    /// Renews the addresses when that is due. If they have lapsed, other machines may have the bonds: what lives of
    /// them here would divert their traffic. So they are ended (RFC 8157 §5.5); gateways that are still here come back.
    /// - Returns: when to call again; nil: they are the operator's
    func keepAddresses(_ now: Instant) -> Instant? {
        guard settings.addressLifetime != nil else { return nil }
        guard addressesDue <= now else { return addressesDue }
        let late = now - addressesUntil
        // First: what is sent needs them.
        putAddresses(now, takesBonds: !point.isDraining)
        if late > .zero {
            common.log(
                .warning, "addresses-lapsed", "it stood still for longer than address_lifetime: starting anew",
                ["late_ms": late.milliseconds, "bonds": point.sessions.count])
            for id in point.sessions.keys.sorted() { hear(.tearDown(sessionID: id, .maintenance)) }
        }
        return addressesDue
    }

    /// Puts H on a device of ours, and G as long as new bonds are taken (RFC 8157 §6.2): a lifetime from now on.
    func putAddresses(_ now: Instant, takesBonds: Bool) {
        guard let setting = settings.addressLifetime else { return }
        let lifetime = Duration.milliseconds(Int64(setting.rawValue))
        // The kernel takes whole seconds; a moment more, and none is lost by the time that passes until it is told.
        addressesUntil = now + lifetime + .milliseconds(500)
        let lease = LeasedAddress(
            preferredUntil: addressesUntil, validUntil: addressesUntil, protocol: settings.kernel.routeProtocol)
        let wanted = settings.addresses + (takesBonds ? settings.anycast : [])
        common.state.apply(
            wanted.map { .address(link: CanonicalDevice.name, IPPrefix(host: $0), lease) }, for: .addresses)
        addressesDue = now + lifetime / 4
    }

    /// Says which addresses that gateways call are on no device: what is sent to them does not arrive. The device of
    /// the canonical addresses does not count: it has the DHCP server's, which may be one of them.
    func warnOfMissingAddresses() {
        let inside = common.state.index(of: CanonicalDevice.name)
        for address in Set(settings.addresses + settings.anycast).sorted() where !keeps(address) {
            guard let present = try? common.state.route.addresses(address.family).map(\.address),
                !present.contains(where: { $0.address.address == address && $0.link != inside })
            else { continue }
            common.log(
                .warning, "address-missing", "it is on no device of this host: gateways that call it are not heard",
                ["address": address])
        }
    }

    /// Whether the kernel has taken the addresses of the run before away. Its bonds may be at another machine since.
    func haveAddressesLapsed() -> Bool {
        guard settings.addressLifetime != nil else { return false }
        let link = common.state.index(of: CanonicalDevice.name)
        let present = (try? common.state.route.addresses(link: link))?.map(\.address) ?? []
        return !settings.addresses.allSatisfy { own in
            present.contains { $0.link == link && $0.address.address == own }
        }
    }
}
