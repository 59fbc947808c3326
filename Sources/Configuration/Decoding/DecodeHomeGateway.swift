import Addresses
import GREBonding

/// `role = "hg"`
struct HomeGatewayDecoder {
    let table: TableReader
    let context: LoadContext
    /// Every mention of an interface, in the order of the schema.
    private(set) var interfaces: [InterfaceReference] = []

    init(table: TableReader, context: LoadContext) {
        self.table = table
        self.context = context
    }

    mutating func decode() -> HomeGatewayConfiguration? {
        let haap = table.value(
            "haap", AggregationPointAddress.self, required: true, expected: "a unicast IP address or a host name")
        let lan = table.list("lan", InterfaceName.self, expected: "an interface name")
        let cin = cin()
        let dialect = table.choice("dialect", Dialect.self) ?? .rfc8157
        let family = family(haap, dialect)
        let dsl = leg("dsl", family: family)
        let lte = leg("lte", family: family)
        interfaces += lan.map { InterfaceReference(name: $0.value, key: "lan", location: $0.location, isUsed: true) }
        let tunnel = tunnel()
        let lists = (items("bypass"), items("exception"), table.pins())
        checkLegs(dsl: dsl, lte: lte)
        checkInterfaces(tunnel: tunnel)
        let shared = (table.resequencer(), table.colour(), table.kernel(), table.control(), table.log())
        let state = table.state()
        let (hooks, http) = (table.hooks(), table.http(hasSubscribers: false))
        checkCanonical(shared.2, haap: haap)
        let names = table.names(shared.2)
        let ipsec = table.ipsec(context, shared.2, names)

        guard let haap, let cin, let dsl, let lte else { return nil }
        var result = HomeGatewayConfiguration(haap: haap, cin: cin, dsl: dsl, lte: lte)
        result.family = family ?? result.family
        result.lan = lan.map(\.value)
        result.dialect = dialect
        result.tunnel = tunnel
        (result.hooks, result.http) = (hooks, http)
        result.names = names
        result.ipsec = ipsec
        result.state = state
        (result.bypass, result.exceptions, result.pins) = lists
        (result.resequencer, result.colour, result.kernel, result.control, result.log) = shared
        return result
    }

    private func items(_ key: String) -> [FilterItem] {
        let items = table.sections(key) { FilterItemDecoder($0).item(wildcards: true) }
        table.checkItems(items.count, key)
        return items
    }

    /// nil when it can't be told because `haap` is not usable.
    private func family(_ haap: AggregationPointAddress?, _ dialect: Dialect) -> IPFamily? {
        let chosen: IPFamily? = table.choice("family", FamilyName.self).map { $0 == .ipv4 ? .v4 : .v6 }
        if let haap = haap?.family {
            if let chosen, chosen != haap {
                table.report("family", "\(chosen.label), but haap is \(haap.label)")
            } else if dialect == .deployed, haap == .v4 {
                table.report("haap", "the dialect \"deployed\" runs over IPv6 only, but this is an IPv4 address")
            }
            return haap
        }
        if dialect == .deployed, chosen == .v4 {
            table.report("family", "the dialect \"deployed\" runs over IPv6 only")
        }
        guard haap != nil else { return nil }
        return chosen ?? (dialect == .deployed ? .v6 : .v4)
    }

    private enum FamilyName: String, CaseIterable {
        case ipv4, ipv6
    }

    private func cin() -> ClientIdentificationName? {
        if table.entries["cin"] != nil { return table.cin("cin", required: false) }
        _ = table.node("cin")  // so that it is a known key
        let name = context.hostName()
        guard (1...ClientIdentificationName.length).contains(name.utf8.count) else {
            table.report("cin", "not set, and the host name \"\(name)\" has \(name.utf8.count) bytes: 1…40 are allowed")
            return nil
        }
        return ClientIdentificationName(name)
    }

    private mutating func leg(_ key: String, family: IPFamily?) -> LegConfiguration? {
        var references: [InterfaceReference] = []
        let leg = table.section(key, required: true) { table -> LegConfiguration? in
            let interface = table.value(
                "interface", InterfaceName.self, required: true, expected: "an interface name")
            let gateway = table.value("gateway", IPAddress.self, expected: "an IP address")
            let dns = servers(table)
            let upstream = table.rate("upstream")
            let downstream = table.rate("downstream")
            let limit = table.rate("limit")
            let weight = table.weight("weight")
            let quota = key == "lte" && table.node("quota") != nil ? table.section("quota", Self.quota) : nil
            let overhead = table.integer("link_overhead", in: -64...256, unit: "bytes")
            let isEnabled = table.boolean("enabled")
            let setupAttributes = table.setupAttributes("setup_attributes")
            let prefix = key == "dsl" ? lanPrefix(table, "prefix") : nil
            if let gateway {
                if !gateway.isUnicast {
                    table.report("gateway", "\(gateway) is not a unicast address")
                } else if let family, gateway.family != family {
                    table.report(
                        "gateway", "\(gateway) is \(gateway.family.label), but the tunnel runs over \(family.label)")
                }
            }
            guard let interface else { return nil }
            references.append(
                InterfaceReference(
                    name: interface, key: table.name("interface"), location: table.location(of: "interface"),
                    isUsed: isEnabled ?? true))
            var leg = LegConfiguration(interface: interface)
            leg.gateway = gateway
            leg.dns = dns
            leg.upstream = upstream
            leg.downstream = downstream
            leg.limit = limit
            leg.weight = weight
            leg.quota = quota
            if let overhead { leg.linkOverhead = Int(overhead) }
            if let isEnabled { leg.isEnabled = isEnabled }
            leg.setupAttributes = setupAttributes
            leg.prefix = prefix
            return leg
        }
        interfaces += references
        return leg
    }

    private static func quota(_ table: TableReader) -> QuotaConfiguration? {
        let volume = table.volume("volume", required: true)
        let day = table.integer("reset_day", in: 1...31)
        let warnings = table.percentages("warn_at")
        guard let volume else { return nil }
        var result = QuotaConfiguration(volume: volume)
        if let day { result.resetDay = Int(day) }
        if let warnings { result.warnings = warnings }
        return result
    }

    private func servers(_ table: TableReader) -> [IPAddress] {
        let limit = LegConfiguration.dnsServerLimit
        let found = table.list("dns", IPAddress.self, expected: "an IP address")
        if found.count > limit { table.report("dns", "\(found.count) servers are out of range: at most \(limit)") }
        for (address, location) in found where !address.isUnicast || address.isLinkLocal {
            let what = address.isLinkLocal ? "a link-local address, which is" : "not a unicast address:"
            table.problems.add(location, "\(table.name("dns")): \(address) is \(what) no server that can be asked")
        }
        return found.map(\.value)
    }

    private func tunnel() -> TunnelConfiguration {
        table.section("tunnel") { table in
            var result = TunnelConfiguration()
            if let name = table.value("name", InterfaceName.self, expected: "an interface name of 1…15 bytes") {
                result.name = name
            }
            result.address = tunnelAddress(table, "address", family: .v4)
            result.address6 = tunnelAddress(table, "address6", family: .v6)
            result.prefix = lanPrefix(table, "prefix")
            if let mtu = table.mtu("mtu") { result.mtu = mtu }
            dhcp(table, &result)
            if let masquerade = table.boolean("masquerade") { result.masquerade = masquerade }
            if let defaultRoute = table.boolean("default_route") { result.defaultRoute = defaultRoute }
            if case .bytes(let mtu) = result.mtu, mtu < 1280, result.address6 != nil || result.dhcp6 {
                let why = result.address6 == nil ? "dhcp6" : "address6"
                table.report("mtu", "\(mtu) bytes is less than the 1280 that IPv6 needs for \(why)")
            }
            return result
        } ?? TunnelConfiguration()
    }

    /// Addresses come from the settings or by DHCP, not from both.
    private func dhcp(_ table: TableReader, _ result: inout TunnelConfiguration) {
        let (dhcp, dhcp6) = (table.boolean("dhcp"), table.boolean("dhcp6"))
        if dhcp == true, result.address != nil { table.report("dhcp", "true, but address is given: leave one out") }
        if dhcp6 == true, result.prefix != nil { table.report("dhcp6", "true, but prefix is given: leave one out") }
        result.dhcp = dhcp ?? (result.address == nil)
        result.dhcp6 = dhcp6 ?? (result.address6 == nil && result.prefix == nil)
    }

    private func tunnelAddress(_ table: TableReader, _ key: String, family: IPFamily) -> IPPrefix? {
        let expected = "an \(family.label) address, with or without a prefix length"
        guard let prefix = table.value(key, IPPrefix.self, expected: expected) else { return nil }
        guard prefix.address.family == family, prefix.address.isUnicast else {
            table.report(key, "expected \(expected), found \"\(prefix.address)\"")
            return nil
        }
        return prefix
    }

    private func lanPrefix(_ table: TableReader, _ key: String) -> IPPrefix? {
        let expected = "an IPv6 prefix such as 2001:db8:1::/56"
        guard let prefix = table.value(key, IPPrefix.self, expected: expected) else { return nil }
        guard prefix.address.family == .v6, prefix.address.isUnicast, !prefix.address.isLinkLocal else {
            table.report(key, "expected \(expected), found \"\(prefix)\"")
            return nil
        }
        guard (1...64).contains(prefix.length) else {
            table.report(key, "a length of \(prefix.length) is out of range: 1…64")
            return nil
        }
        guard prefix.masked == prefix else {
            table.report(key, "\(prefix) has host bits set: \(prefix.masked) is the prefix")
            return nil
        }
        return prefix
    }

    // MARK: what no key can tell alone

    private func checkLegs(dsl: LegConfiguration?, lte: LegConfiguration?) {
        guard let dsl, let lte else { return }
        if !dsl.isEnabled && !lte.isEnabled {
            table.report("dsl", "neither [dsl] nor [lte] is enabled: there is nothing to bond")
        }
        if (dsl.weight == nil) != (lte.weight == nil) {
            table.report(dsl.weight == nil ? "lte" : "dsl", "a weight of one leg needs one of the other")
        }
        if let gateway = dsl.gateway, gateway == lte.gateway, !gateway.isLinkLocal {
            table.report("lte", "gateway \(gateway) is that of [dsl] too: the legs need different next hops")
        }
    }

    private func checkInterfaces(tunnel: TunnelConfiguration) {
        var first: [InterfaceName: InterfaceReference] = [:]
        for reference in interfaces {
            if let earlier = first[reference.name] {
                table.problems.add(
                    reference.location,
                    "\(reference.key): interface \"\(reference.name)\" is already \(earlier.key)")
            } else {
                first[reference.name] = reference
            }
        }
        if let clash = first[tunnel.name] {
            table.problems.add(
                clash.location, "\(clash.key): interface \"\(tunnel.name)\" has the tunnel's name (tunnel.name)")
        }
    }

    private func checkCanonical(_ kernel: KernelConfiguration, haap: AggregationPointAddress?) {
        guard case .address(let address) = haap else { return }
        let pair = kernel.canonical(address.family)
        if address == pair.local || address == pair.remote {
            table.report("haap", "\(address) is one of the canonical addresses of [kernel], which never leave the host")
        }
    }
}
