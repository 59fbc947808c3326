import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Leases
import Logging
import NFTables
import NetlinkKit
import Observation

// What leases bring, and where it goes.
extension HomeGateway {
    func watchLeases() {
        leases.check = { [weak self] in self?.leaseCheck() ?? LeaseCheck(networks: [], aggregators: [], canonical: []) }
        leases.changed = { [weak self] in self?.leasesChanged() }
        forgetAddresses()
    }

    var inner: InnerAddresses { InnerAddresses(settings.tunnel, leases.lease4, leases.lease6) }

    /// Six bytes by which a DHCP server may know this gateway, the same after each start where a device has them.
    static func hardwareAddress(_ settings: HomeGatewayConfiguration, _ exchange: Exchange) -> [UInt8] {
        for name in settings.lan + [settings.dsl.interface, settings.lte.interface] {
            let address = (try? exchange.link(.name(name.description)))??.address ?? []
            if address.count == 6, address.contains(where: { $0 != 0 }) { return address }
        }
        // A locally administered one, of the name (FNV-1a).
        let hash = settings.cin.bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return [0x02] + withUnsafeBytes(of: hash.bigEndian) { Array($0.prefix(5)) }
    }

    private func leasesChanged() {
        applyBase()
        applyBond(session.bond)
        writeResolver()
        tellAddresses()
        writeRecord()
        guard session.bond != nil else { return }
        if leases.hasAddress { run(session.handle(.addressed, now: Clock.now())) }
        if leases.client6 != nil {
            let prefix = leases.lease6?.prefixes.first.flatMap { AssignedIPv6Prefix($0.prefix) } ?? .none
            run(session.handle(.prefixAssigned(prefix), now: Clock.now()))
        }
    }

    /// The LAN's addresses of each prefix that is leased, or was and is still valid.
    func lanObjects() -> [KernelObject] {
        var prefixes = leases.lease6?.prefixes.map {
            LANPrefix(prefix: $0.prefix, preferredUntil: $0.preferredUntil, validUntil: $0.validUntil)
        } ?? []
        prefixes += leases.former.sorted { $0.key < $1.key }
            .map { LANPrefix(prefix: $0.key, preferredUntil: LeaseTime(nanoseconds: 0), validUntil: $0.value) }
        return prefixes.flatMap { $0.objects(settings.lan.map(\.description), protocol: settings.kernel.routeProtocol) }
    }

    /// Networks of this host that no lease may take away.
    private func leaseCheck() -> LeaseCheck {
        let exchange = common.state.route
        let own = [settings.tunnel.name.description, CanonicalDevice.name].map { common.state.index(of: $0) }
        let networks = ((try? exchange.addresses()) ?? []).map(\.address).filter {
            !own.contains($0.link) && $0.protocol != settings.kernel.routeProtocol && !$0.address.address.isLinkLocal
        }
        let kernel = settings.kernel
        return LeaseCheck(
            networks: networks.map(\.address),
            aggregators: session.aggregators + [session.bond?.aggregator].compactMap { $0 },
            canonical: [kernel.canonical, kernel.canonical6].flatMap { [$0.local, $0.remote] }.map(IPPrefix.init(host:)))
    }

    /// Addresses that a run which did not end in an orderly way left on the LAN, except those that may still come to
    /// be used again.
    private func forgetAddresses() {
        let kept = Set(
            lanObjects().compactMap { if case .address(_, let address, _) = $0 { address } else { nil } })
        for found in (try? common.state.route.addresses(.v6)) ?? []
        where found.address.protocol == settings.kernel.routeProtocol && !kept.contains(found.address.address) {
            common.state.remove(found.address.delete())
        }
    }

    /// Answers to the DHCPv4 client are read before the kernel looks at them; the kernel would send on those to an
    /// address that it does not have yet.
    static func answerTable(_ device: String) -> Ruleset {
        var set = Ruleset(Table(.ip, "spillway_dhcp", comment: "spillway: DHCP answers are read on the bond's device"))
        set.chains = [Chain(set.table.id, "receive", hook: Hook(.filter, .prerouting, .raw))]
        set.rules = [
            ChainRule(
                set.table.id, "receive", .match(.inputInterfaceName, .equal(.interfaceName(device))),
                .match(.ipProtocol, .equal(.udp)),
                .match(.destinationPort, .equal(.inetService(DHCPv4Datagram.clientPort))), .counter, .drop)
        ]
        return set
    }

    /// So that who manages the rest of the host knows them, too.
    private func tellAddresses() {
        var event = Event(.addresses)
        event.add(.device, settings.tunnel.name)
        if let address = inner.ipv4 { event.add(.inner, address.address) }
        let prefixes = leases.lease6?.prefixes.map(\.prefix.description) ?? []
        if !prefixes.isEmpty { event.add(.prefix, prefixes.joined(separator: " ")) }
        if !nameServers.isEmpty { event.add(.servers, nameServers.map(\.description).joined(separator: " ")) }
        if let domain = leases.lease4?.domainName { event.add(.domain, domain) }
        guard event != toldAddresses else { return }
        toldAddresses = event
        common.events.publish(event)
    }

    // MARK: Name servers

    /// `resolv.conf` beside the control socket, for a resolver on this host or for /etc/resolv.conf to point to.
    private func writeResolver() {
        let servers = nameServers.map { "nameserver \($0)\n" }.joined()
        let text = servers + (leases.lease4?.domainName.map { "search \($0)\n" } ?? "")
        guard text != resolverText else { return }
        resolverText = text
        let socket = settings.control.socket
        let file = StateFile(
            directory: String(socket[..<(socket.lastIndex(of: "/") ?? socket.endIndex)]), name: "resolv.conf")
        if text.isEmpty { return file.remove() }
        do throws(SystemError) {
            try file.replace("# What was leased inside the bond \(settings.tunnel.name).\n" + text, mode: 0o644)
        } catch {
            common.log(.warning, "resolver-file", "\(error)")
        }
    }

    private var nameServers: [IPAddress] {
        (leases.lease4?.nameServers ?? []).map(IPAddress.v4) + (leases.lease6?.nameServers ?? []).map(IPAddress.v6)
    }

    // MARK: Status

    var addressesJSON: JSONObject {
        let now = LeaseTime.now
        func list(_ values: [some CustomStringConvertible]) -> String {
            "[\(values.map { JSONText.quoted($0.description) }.joined(separator: ","))]"
        }
        var object = JSONObject()
        if let address = inner.ipv4 { object.add("address", address.address.description) }
        if let address = inner.ipv6 { object.add("address6", address.address.description) }
        object.addRaw("dns", list(nameServers))
        if let domain = leases.lease4?.domainName { object.add("domain", domain) }
        if let client = leases.client4 {
            var dhcp = JSONObject()
            dhcp.add("state", client.state.rawValue)
            if let lease = leases.lease4 {
                dhcp.add("address", lease.address.description)
                dhcp.add("server", lease.server.description)
                if let mtu = lease.interfaceMTU { dhcp.add("mtu", mtu) }
                dhcp.add("renews_in_s", lease.renewal.secondsLeft(at: now))
                dhcp.add("expires_in_s", lease.expiry.secondsLeft(at: now))
            }
            object.add("dhcp4", dhcp)
        }
        if let client = leases.client6 {
            var dhcp = JSONObject()
            dhcp.add("state", client.state.rawValue)
            if let lease = leases.lease6 {
                dhcp.addRaw("prefixes", list(lease.prefixes.map(\.prefix)))
                dhcp.add("renews_in_s", lease.renewal.secondsLeft(at: now))
                dhcp.add("expires_in_s", lease.expiry.secondsLeft(at: now))
            }
            dhcp.addRaw("former", list(leases.former.keys.sorted()))
            object.add("dhcp6", dhcp)
        }
        var refused = JSONObject()
        for reason in LeaseRefusal.allCases {
            if let count = leases.refused[reason] { refused.add(reason.rawValue, count) }
        }
        object.add("refused", refused)
        var discarded = JSONObject()
        if leases.malformed > 0 { discarded.add("malformed", leases.malformed) }
        for reason in Leases.DiscardReason.allCases {
            if let count = leases.discarded[reason] { discarded.add(reason.rawValue, count) }
        }
        object.add("discarded", discarded)
        object.add("unsent", leases.unsent)
        return object
    }
}
