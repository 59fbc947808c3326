import Addresses

extension TableReader {
    /// `[state]`
    func state() -> StateConfiguration {
        section("state") { table in
            var result = StateConfiguration()
            if let path = table.value("directory", String.self, expected: "a path") {
                if !path.utf8.starts(with: "/".utf8) || path.utf8.contains(0) {
                    table.report("directory", "expected an absolute path, found \"\(path)\"")
                } else {
                    result.directory = path
                }
            }
            return result
        } ?? StateConfiguration()
    }

    /// `[dhcp]` of an aggregation point.
    func leaseServer(addresses: [IPAddress]) -> LeaseServerConfiguration {
        var result = LeaseServerConfiguration()
        for case .v4(let address) in addresses { result.server = address }
        return section("dhcp") { table in
            if let isEnabled = table.boolean("enabled") { result.isEnabled = isEnabled }
            if let server = table.value("server", IPv4Address.self, expected: "an IPv4 address") {
                if IPAddress.v4(server).isUnicast {
                    result.server = server
                } else {
                    table.report("server", "\(server) is not a unicast address")
                }
            }
            let times: ClosedRange<UInt64> = 60...31_536_000
            if let time = table.duration("lease_time", in: times, unit: .seconds) { result.leaseTime = time }
            result.preferredTime = Milliseconds(result.leaseTime.rawValue / 2)
            if let time = table.duration("preferred_time", in: times, unit: .seconds) {
                if time > result.leaseTime {
                    table.report("preferred_time", "\(time) is longer than lease_time, \(result.leaseTime)")
                }
                result.preferredTime = time
            }
            result.dns = table.nameServers()
            result.domain = table.domain("domain")
            result.mtu = table.mtu("mtu")
            return result
        } ?? result
    }

    /// `[relay]` of an aggregation point.
    func leaseRelay(addresses: [IPAddress], pools: [PoolConfiguration]) -> LeaseRelayConfiguration {
        section("relay") { table in
            var result = LeaseRelayConfiguration()
            func unicast<Address: LosslessStringConvertible>(
                _ key: String, _ type: Address.Type, _ expected: String, _ wrapped: (Address) -> IPAddress
            ) -> Address? {
                guard let address = table.value(key, type, expected: expected) else { return nil }
                if wrapped(address).isUnicast, !wrapped(address).isLinkLocal { return address }
                table.report(key, "\(wrapped(address)) is no address that a server can answer to")
                return nil
            }
            result.servers4 = table.servers("dhcp4", IPv4Address.self, "an IPv4 address", IPAddress.v4)
            result.servers6 = table.servers("dhcp6", IPv6Address.self, "an IPv6 address", IPAddress.v6)
            if let use = table.choice("servers", LeaseRelayConfiguration.ServerUse.self) { result.serverUse = use }
            result.address = unicast("address", IPv4Address.self, "an IPv4 address", IPAddress.v4)
            result.address6 = unicast("address6", IPv6Address.self, "an IPv6 address", IPAddress.v6)
            result.link = unicast("link", IPv4Address.self, "an IPv4 address", IPAddress.v4)
            result.link6 = unicast("link6", IPv6Address.self, "an IPv6 address", IPAddress.v6)
            if let overrides = table.boolean("override") { result.overridesServerIdentifier = overrides }
            if let tells = table.boolean("subscriber_id") { result.tellsSubscriber = tells }
            if table.entries["address6"] == nil {
                for case .v6(let address) in addresses { result.address6 = address }
            }
            if !result.servers6.isEmpty, result.address6 == nil, table.entries["address6"] == nil {
                table.report("dhcp6", "needs address6: this aggregation point has no IPv6 address of its own")
            }
            for pool in pools {
                let either = "either it or other servers lease them"
                if !result.servers4.isEmpty, !pool.addresses.isEmpty {
                    table.report("dhcp4", "the pool \"\(pool.name)\" has addresses: \(either)")
                }
                if !result.servers6.isEmpty, !pool.prefixes.isEmpty {
                    table.report("dhcp6", "the pool \"\(pool.name)\" has prefixes: \(either)")
                }
            }
            return result
        } ?? LeaseRelayConfiguration()
    }

    private func servers<Address: LosslessStringConvertible & Hashable>(
        _ key: String, _ type: Address.Type, _ expected: String, _ wrapped: (Address) -> IPAddress
    ) -> [Address] {
        let found = list(key, type, expected: expected)
        var result: [Address] = []
        for (address, location) in found {
            if !wrapped(address).isUnicast || wrapped(address).isLinkLocal {
                problems.add(location, "\(name(key)): \(wrapped(address)) is no address of a server")
            } else if result.contains(address) {
                problems.add(location, "\(name(key)): \(wrapped(address)) is there twice")
            } else {
                result.append(address)
            }
        }
        if found.count > LeaseRelayConfiguration.serverLimit {
            report(key, "\(found.count) servers is out of range: at most \(LeaseRelayConfiguration.serverLimit)")
        }
        return result
    }

    private func nameServers() -> [IPAddress] {
        let found = list("dns", IPAddress.self, expected: "an IP address")
        for (address, location) in found where !address.isUnicast || address.isLinkLocal {
            problems.add(location, "\(name("dns")): \(address) is no address that a gateway can ask")
        }
        for family in IPFamily.allCases {
            let count = found.count { $0.value.family == family }
            if count > LeaseServerConfiguration.dnsLimit {
                report(
                    "dns",
                    "\(count) \(family.label) servers is out of range: at most \(LeaseServerConfiguration.dnsLimit)")
            }
        }
        return found.map(\.value)
    }

    private func domain(_ key: String) -> String? {
        guard let name = value(key, String.self, expected: "a domain name") else { return nil }
        guard case .name(let domain)? = AggregationPointAddress(name) else {
            report(key, "\"\(name)\" is not a domain name")
            return nil
        }
        return domain
    }
}

/// `[[pool]]`, and the names that refer to one.
final class PoolDecoder {
    private let problems: ProblemCollector
    private var locations: [String: SourceLocation] = [:]
    private var networks: [(prefix: IPPrefix, location: SourceLocation)] = []
    private(set) var pools: [PoolConfiguration] = []

    init(_ table: TableReader) {
        problems = table.problems
        pools = table.sections("pool") { decodeOne($0) }
    }

    /// The name of a pool that there is.
    func reference(_ key: String, in table: TableReader) -> String? {
        guard let name = table.value(key, String.self, expected: "the name of a pool") else { return nil }
        if locations[name] != nil { return name }
        table.report(key, "there is no [[pool]] with the name \"\(name)\"")
        return nil
    }

    private func decodeOne(_ table: TableReader) -> PoolConfiguration? {
        let name = name(table)
        var result = PoolConfiguration(name: name ?? "")
        if let length = table.integer("delegated_length", in: 32...64, unit: "bits") {
            result.delegatedLength = UInt8(length)
        }
        result.addresses = prefixes("addresses", .v4, "an IPv4 network such as 100.64.0.0/16", table)
        result.prefixes = prefixes("prefixes", .v6, "an IPv6 prefix such as 2001:db8:100::/40", table)
        for prefix in result.prefixes where prefix.length > result.delegatedLength {
            table.report("prefixes", "\(prefix) is longer than delegated_length, \(result.delegatedLength)")
        }
        if result.addresses.isEmpty, result.prefixes.isEmpty, table.entries["addresses"] == nil,
            table.entries["prefixes"] == nil
        {
            problems.add(table.location, "\(table.path): neither addresses nor prefixes: there is nothing to lease")
        }
        return name == nil ? nil : result
    }

    private func name(_ table: TableReader) -> String? {
        guard let name = table.value("name", String.self, required: true, expected: "a name") else { return nil }
        let isPlain = name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) || [0x2D, 0x2E, 0x5F].contains($0)
        }
        guard isPlain, (1...32).contains(name.utf8.count) else {
            table.report("name", "\"\(name)\" is not 1…32 letters, digits, \"-\", \"_\" or \".\"")
            return nil
        }
        if let earlier = locations[name] {
            table.report("name", "\"\(name)\" is already that of another pool (\(earlier.file):\(earlier.line))")
            return nil
        }
        locations[name] = table.location(of: "name")
        return name
    }

    private func prefixes(_ key: String, _ family: IPFamily, _ expected: String, _ table: TableReader) -> [IPPrefix] {
        table.list(key, IPPrefix.self, expected: expected).compactMap { prefix, location in
            func problem(_ reason: String) { problems.add(location, "\(table.name(key)): \(reason)") }
            guard prefix.address.family == family else {
                problem("expected \(expected), found \"\(prefix)\"")
                return nil
            }
            if prefix.masked != prefix {
                problem("\(prefix) has host bits set: \(prefix.masked) is the prefix")
            } else if !prefix.address.isUnicast || prefix.address.isLinkLocal || prefix.length < 8 {
                problem("\(prefix) is no network of unicast addresses")
            } else if let other = networks.first(where: { $0.prefix.overlaps(prefix) }) {
                problem("\(prefix) overlaps \(other.prefix) (\(other.location.file):\(other.location.line))")
            } else {
                networks.append((prefix, location))
                return prefix
            }
            return nil
        }
    }
}
