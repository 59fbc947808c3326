import Addresses
import CLinux
import Glibc
import Testing

@testable import NetlinkKit

private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

extension Exchange {
    /// Creates a device that is up, and returns its index.
    func makeDummy(_ name: String) throws -> UInt32 {
        try performAll(Link.create(name, LinkSettings(.dummy, isUp: true)))
        return try #require(try link(.name(name))).index
    }
}

@Suite(.kernel) struct LinkKernelTests {
    @Test func dummyReadsBackAsItWasMade() throws {
        try inNewNamespace { exchange in
            let alias = String(repeating: "a", count: 255)
            let settings = LinkSettings(
                .dummy, mtu: 1400, isUp: true, alias: alias, txQueueLength: 77, address: [2, 0, 0, 0, 0, 9], group: 5)
            try exchange.performAll(Link.create("d0", settings))
            let link = try #require(try exchange.link(.name("d0")))
            #expect(link.matches(settings))
            #expect(try exchange.link(.index(link.index)) == link)
            #expect(try exchange.links().contains(link))
            #expect(try exchange.links(kind: "dummy").map(\.name) == ["d0"])
            let json = try JSON(from: "ip -j -d link show dev d0")[0]
            #expect(json["mtu"].int == 1400)
            #expect(json["txqlen"].int == 77)
            #expect(json["ifalias"].string == alias)
            #expect(json["address"].string == "02:00:00:00:00:09")
            #expect(json["group"].string == "5")
            #expect(json["ifindex"].int == Int(link.index))

            try exchange.perform(Link.setUp(.name("d0"), false))
            #expect(try exchange.link(.name("d0"))?.isUp == false)
            try exchange.perform(Link.setAlias(.index(link.index), ""))
            #expect(try exchange.link(.name("d0"))?.alias == nil)
            try exchange.perform(Link.setMTU(.index(link.index), 1300))
            #expect(try exchange.link(.name("d0"))?.mtu == 1300)
            try exchange.perform(Link.delete(.name("d0")))
            #expect(try exchange.link(.name("d0")) == nil)
        }
    }

    @Test func tooLongAnAliasIsRefusedWithItsAttribute() throws {
        try inNewNamespace { exchange in
            let index = try exchange.makeDummy("d0")
            let error = #expect(throws: KernelError.self) {
                try exchange.perform(Link.setAlias(.index(index), String(repeating: "a", count: 256)))
            }
            guard case .refused(let refusal) = error else { return }
            #expect(refusal.attributePath == "IFLA_IFALIAS")
            #expect(refusal.errno == .range)
        }
    }

    @Test func vethPairs() throws {
        try inNewNamespace { exchange in
            let settings = LinkSettings(.veth(VethPeer(name: "v1")), isUp: true)
            try exchange.performAll(Link.create("v0", settings))
            let first = try #require(try exchange.link(.name("v0")))
            let second = try #require(try exchange.link(.name("v1")))
            #expect(first.parent == second.index)
            #expect(first.matches(settings))
            try exchange.perform(Link.setUp(.name("v1"), true))
            #expect(try exchange.link(.name("v0"))?.carrier == true)
        }
    }

    @Test func reversePathFilter() throws {
        try inNewNamespace { exchange in
            let index = try exchange.makeDummy("d0")
            for filter in [ReversePathFilter.loose, .strict, .off] {
                try exchange.perform(Link.setReversePathFilter(.index(index), filter))
                #expect(try exchange.link(.index(index))?.ipv4?[.reversePathFilter] == filter.rawValue)
                #expect(try shell("sysctl -n net.ipv4.conf.d0.rp_filter") == "\(filter.rawValue)\n")
                #expect(try exchange.reversePathFilters().devices[index] == filter)
            }
            let loose = try exchange.makeDummy("d1")
            try exchange.perform(Link.setReversePathFilter(.index(loose), .loose))
            #expect(try !exchange.reversePathFilters().devices(with: .strict).contains(index))
            _ = try shell("sysctl -w net.ipv4.conf.all.rp_filter=1")
            let filters = try exchange.reversePathFilters()
            #expect(filters.all == .strict && filters.devices(with: .strict).contains(index))
            #expect(filters.devices(with: .loose) == [loose], "the larger one holds")
            try exchange.perform(Link.setIPv4(.name("d0"), [(.forwarding, 1), (.promoteSecondaries, 1)]))
            let link = try exchange.link(.index(index))
            #expect(link?.ipv4?[.forwarding] == 1)
            #expect(link?.ipv4?[.promoteSecondaries] == 1)
            #expect(try shell("sysctl -n net.ipv4.conf.d0.promote_secondaries") == "1\n")
        }
    }

    @Test func aBatchHasAResultForEach() throws {
        try inNewNamespace { exchange in
            let names = (0..<300).map { "d\($0 == 150 ? 149 : $0)" }
            let results = exchange.perform(names.flatMap { Link.create($0, LinkSettings(.dummy)) })
            for (i, result) in results.enumerated() {
                if i == 150 {
                    let error = #expect(throws: KernelError.self) { try result.get() }
                    #expect(error?.description.hasPrefix("create link \"d149\": EEXIST") == true)
                } else {
                    #expect(throws: Never.self) { try result.get() }
                }
            }
            let made = try exchange.links(kind: "dummy")
            #expect(made.count == 299)
            let statistics = try exchange.linkStatistics(kind: "dummy")
            #expect(statistics.count == 299)
        }
    }
}

@Suite(.kernel) struct AddressKernelTests {
    @Test func readsBackAsAdded() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            let addresses = [
                InterfaceAddress(link: link, address: try prefix("192.0.2.1/24"), protocol: 99),
                InterfaceAddress(link: link, address: try prefix("192.0.2.9/32"), flags: .noPrefixRoute),
                InterfaceAddress(link: link, address: try prefix("10.9.0.1/32"), peer: try ip("10.9.0.2")),
                InterfaceAddress(link: link, address: try prefix("10.8.0.1/24"), scope: .link),
                InterfaceAddress(link: link, address: try prefix("2001:db8::1/64"), flags: .noDAD, protocol: 99),
                InterfaceAddress(
                    link: link, address: try prefix("2001:db8:1::1/128"), peer: try ip("2001:db8:1::2"),
                    flags: [.noDAD, .noPrefixRoute]),
                InterfaceAddress(link: link, address: try prefix("fe80::77/64"), flags: .noDAD),
            ]
            try exchange.performAll(addresses.map { $0.add() })
            let observed = try exchange.addresses(link: link).map(\.address)
            for address in addresses { #expect(observed.contains(address), "\(address)") }
            #expect(try exchange.addresses(.v4).count == 4)
            let json = try JSON(from: "ip -j -4 addr show dev d0")[0]["addr_info"]
            #expect(
                Set(json.list.compactMap { $0["local"].string }) == ["192.0.2.1", "192.0.2.9", "10.9.0.1", "10.8.0.1"])
            let error = #expect(throws: KernelError.self) { try exchange.perform(addresses[0].add()) }
            #expect(error?.errno == .exists)
            try exchange.performAll(addresses.map { $0.delete() })
            #expect(try exchange.addresses(.v4).isEmpty)
        }
    }

    @Test func lifetimesAndReplacement() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            var address = InterfaceAddress(link: link, address: try prefix("2001:db8::5/64"), flags: .noDAD)
            address.preferredLifetime = 3000
            address.validLifetime = 4000
            try exchange.perform(address.replace())
            address.preferredLifetime = 0
            try exchange.perform(address.replace())
            let observed = try #require(
                try exchange.addresses(.v6, link: link).first { $0.address.address == address.address })
            #expect(observed.address.preferredLifetime == 0)
            #expect((3900...4000).contains(observed.address.validLifetime))
            #expect(observed.state.contains(.deprecated))
            #expect(!observed.state.contains(.permanent))
        }
    }
}

@Suite(.kernel) struct RouteTableKernelTests {
    @Test func readsBackAsAdded() throws {
        try inNewNamespace { exchange in
            let a = try exchange.makeDummy("d0")
            let b = try exchange.makeDummy("d1")
            try exchange.performAll([
                InterfaceAddress(link: a, address: try prefix("192.0.2.1/24")).add(),
                InterfaceAddress(link: b, address: try prefix("198.51.100.1/24")).add(),
                InterfaceAddress(link: a, address: try prefix("2001:db8::1/64"), flags: .noDAD).add(),
                InterfaceAddress(link: b, address: try prefix("2001:db8:1::1/64"), flags: .noDAD).add(),
            ])
            let us = RouteProtocol(rawValue: 157)
            var metrics = Route(
                to: try prefix("10.1.0.0/16"), nextHops: [NextHop(gateway: try ip("192.0.2.2"), link: a)],
                table: 1000, protocol: us, priority: 5, preferredSource: try ip("192.0.2.1"))
            metrics.mtu = 1440
            metrics.advertisedMSS = 1400
            let routes = [
                metrics,
                Route(
                    to: .all(.v4), nextHops: [NextHop(gateway: try ip("192.0.2.2"), link: a)], table: 1000, protocol: us
                ),
                Route(to: try prefix("10.2.0.0/16"), nextHops: [NextHop(link: b)], table: 1000, protocol: us),
                Route(
                    to: try prefix("10.3.0.0/16"),
                    nextHops: [NextHop(gateway: try ip("203.0.113.9"), link: b, isOnLink: true)], table: 1000,
                    protocol: us),
                Route(
                    to: try prefix("10.4.0.0/16"),
                    nextHops: [
                        NextHop(gateway: try ip("192.0.2.2"), link: a, weight: 3),
                        NextHop(gateway: try ip("198.51.100.2"), link: b, weight: 256),
                    ], table: 1000, protocol: us),
                Route(
                    to: try prefix("10.5.0.0/16"), nextHops: [NextHop(gateway: try ip("2001:db8::2"), link: a)],
                    table: 1000, protocol: us),
                Route(to: try prefix("10.6.0.0/16"), type: .blackhole, table: 1000, protocol: us),
                Route(to: try prefix("10.7.0.0/16"), type: .unreachable, table: 1000, protocol: us),
                Route(to: try prefix("10.8.0.0/16"), type: .prohibit, table: 1000, protocol: us, priority: 9),
                Route(
                    to: try prefix("10.9.0.0/16"), type: .local, nextHops: [NextHop(link: a)], table: 1000, protocol: us
                ),
                Route(
                    to: try prefix("2001:db8:2::/48"), nextHops: [NextHop(gateway: try ip("2001:db8::2"), link: a)],
                    table: 1000, protocol: us),
                Route(
                    to: .all(.v6),
                    nextHops: [
                        NextHop(gateway: try ip("2001:db8::2"), link: a),
                        NextHop(gateway: try ip("2001:db8:1::2"), link: b, weight: 2),
                    ], table: 1000, protocol: us),
                Route(to: try prefix("2001:db8:3::/48"), type: .unreachable, table: 1000, protocol: us, priority: 7),
                Route(to: try prefix("2001:db8:4::/48"), type: .blackhole, table: 1000, protocol: us),
            ]
            for (route, result) in zip(routes, exchange.perform(routes.map { $0.add() })) {
                #expect(throws: Never.self, "\(route)") { try result.get() }
            }
            let observed = try exchange.routes(.v4, table: 1000, protocol: us) + exchange.routes(.v6, table: 1000)
            for route in routes { #expect(observed.contains(route), "\(route)") }
            #expect(observed.count == routes.count)
            #expect(try JSON(from: "ip -j route show table 1000").list.count == 10)
            let json = try JSON(from: "ip -j route show table 1000 10.1.0.0/16")[0]
            #expect(json["gateway"].string == "192.0.2.2")
            #expect(json["prefsrc"].string == "192.0.2.1")
            #expect(json["metric"].int == 5)

            var moved = routes[1]
            moved.nextHops = [NextHop(gateway: try ip("198.51.100.7"), link: b)]
            try exchange.perform(moved.replace())
            #expect(try exchange.routes(.v4, table: 1000).contains(moved))
            #expect(try !exchange.routes(.v4, table: 1000).contains(routes[1]))
            try exchange.performAll(([moved] + routes.filter { $0 != routes[1] }).map { $0.delete() })
            #expect(try exchange.routes(.v4, table: 1000).isEmpty)
            #expect(try exchange.routes(.v6, table: 1000).isEmpty)
        }
    }

    @Test func looksUpARoute() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            try exchange.perform(InterfaceAddress(link: link, address: try prefix("192.0.2.1/24")).add())
            let route = try exchange.route(to: try ip("192.0.2.77"))
            #expect(route.nextHops == [NextHop(link: link)])
            #expect(try route.preferredSource == ip("192.0.2.1"))
            let error = #expect(throws: KernelError.self) { try exchange.route(to: try ip("10.0.0.1")) }
            #expect(error?.errno == Errno(rawValue: ENETUNREACH))
        }
    }
}

@Suite(.kernel) struct RuleKernelTests {
    @Test func readsBackAsAdded() throws {
        try inNewNamespace { exchange in
            let us = RouteProtocol(rawValue: 157)
            var ports = Rule(.v4, priority: 103, .lookup(table: 70_000), protocol: us)
            ports.ipProtocol = 17
            ports.destinationPorts = 4500...4501
            ports.sourcePorts = 500...500
            var suppress = Rule(.v6, priority: 104, .lookup(table: 254), protocol: us)
            suppress.suppressPrefixLength = 0
            var inverted = Rule(.v4, priority: 105, .lookup(table: 10), mark: .init(7), protocol: us)
            inverted.isInverted = true
            let rules = [
                Rule(.v4, priority: 100, .lookup(table: 1000), from: try prefix("192.0.2.1/32"), protocol: us),
                Rule(.v4, priority: 101, .lookup(table: 5), mark: .init(0x100, mask: 0xFF00), protocol: us),
                Rule(.v4, priority: 102, .lookup(table: 5), inputLink: "eth9", outputLink: "lo", protocol: us),
                ports, suppress, inverted,
                Rule(.v6, priority: 106, .unreachable, to: try prefix("2001:db8::/32"), protocol: us),
                Rule(.v4, priority: 107, .goto(priority: 200), protocol: us),
                Rule(.v4, priority: 108, .prohibit, protocol: us),
                Rule(.v4, priority: 109, .blackhole, protocol: us),
                Rule(.v4, priority: 110, .nop, protocol: us),
            ]
            for (rule, result) in zip(rules, exchange.perform(rules.map { $0.add() })) {
                #expect(throws: Never.self, "\(rule)") { try result.get() }
            }
            let observed = try exchange.rules(.v4) + exchange.rules(.v6)
            for rule in rules { #expect(observed.contains(rule), "\(rule)") }
            let json = try JSON(from: "ip -j rule show").list.first { $0["priority"].int == 101 }
            #expect(json?["fwmark"].string == "0x100")
            #expect(json?["fwmask"].string == "0xff00")
            #expect(json?["table"].string == "5")
            let error = #expect(throws: KernelError.self) { try exchange.perform(rules[0].add()) }
            #expect(error?.errno == .exists)
            try exchange.performAll(rules.map { $0.delete() })
            #expect(try exchange.rules(.v4).count == 3)
        }
    }
}

@Suite(.kernel) struct NeighbourKernelTests {
    @Test func readsBackAsAdded() throws {
        try inNewNamespace { exchange in
            try exchange.performAll(Link.create("v0", LinkSettings(.veth(VethPeer(name: "v1")), isUp: true)))
            try exchange.perform(Link.setUp(.name("v1"), true))
            let link = try #require(try exchange.link(.name("v0"))).index
            let neighbours = [
                Neighbour(link: link, address: try ip("192.0.2.2"), hardwareAddress: [2, 0, 0, 0, 0, 1]),
                Neighbour(
                    link: link, address: try ip("2001:db8::2"), hardwareAddress: [2, 0, 0, 0, 0, 2],
                    protocol: RouteProtocol(rawValue: 157)),
            ]
            try exchange.performAll(neighbours.map { $0.add() })
            for neighbour in neighbours { #expect(try exchange.neighbours(link: link).contains(neighbour)) }
            try exchange.performAll(neighbours.map { $0.delete() })
            let left = try exchange.neighbours(link: link).filter { $0.state == .permanent }
            #expect(left.isEmpty)
        }
    }
}

@Suite(.kernel) struct GREKernelTests {
    private func roundTrip(_ exchange: Exchange, _ name: String, _ kind: LinkKind) throws {
        try exchange.performAll(Link.create(name, LinkSettings(kind, mtu: 1400, alias: "an alias")))
        let link = try #require(try exchange.link(.name(name)))
        #expect(link.kind == kind)
        #expect(link.mtu == 1400)
        #expect(link.alias == "an alias")
    }

    @Test func greWithKeyAndOutputSequenceOnly() throws {
        try inNewNamespace { exchange in
            var tunnel = GRETunnel(
                local: IPv4Address(192, 0, 0, 8), remote: IPv4Address(192, 0, 0, 9),
                input: GREOptions(key: 0xDEAD_BEEF),
                output: GREOptions(key: 0xDEAD_BEEF, sequence: true))
            tunnel.ttl = 64
            tunnel.fwmark = 3
            try roundTrip(exchange, "g0", .gre(tunnel))
            let data = try JSON(from: "ip -j -d link show dev g0")[0]["linkinfo"]["info_data"]
            #expect(data["remote"].string == "192.0.0.9")
            #expect(data["local"].string == "192.0.0.8")
            #expect(data["ttl"].int == 64)
            #expect(data["ikey"].string == "222.173.190.239")
            #expect(data["okey"].string == "222.173.190.239")
            #expect(data["oseq"].bool == true)
            #expect(data["iseq"].value == nil)
            #expect(data["pmtudisc"].bool == true)

            tunnel.ttl = 10
            tunnel.output.key = 9
            try exchange.perform(Link.change(.name("g0"), LinkSettings(.gre(tunnel))))
            #expect(try exchange.link(.name("g0"))?.kind == .gre(tunnel))
            #expect(try exchange.links(kind: "gre").contains { $0.name == "g0" })
        }
    }

    @Test func everyOtherParameter() throws {
        try inNewNamespace { exchange in
            let under = try exchange.makeDummy("d0")
            var tunnel = GRETunnel(
                local: IPv4Address(192, 0, 2, 1), remote: IPv4Address(192, 0, 2, 2),
                input: GREOptions(key: 1, sequence: true, checksum: true), output: GREOptions(checksum: true))
            tunnel.link = under
            tunnel.tos = 1
            tunnel.pmtuDiscovery = false
            tunnel.ignoreDF = true
            try roundTrip(exchange, "g0", .gre(tunnel))
            try roundTrip(exchange, "g1", .gretap(tunnel))
            var external = GRETunnel()
            external.collectMetadata = true
            external.pmtuDiscovery = false
            try exchange.performAll(Link.create("g2", LinkSettings(.gretap(external))))
            guard case .gretap(let read) = try exchange.link(.name("g2"))?.kind else {
                Issue.record("not a gretap")
                return
            }
            #expect(read.collectMetadata)
        }
    }

    @Test func ip6gre() throws {
        try inNewNamespace { exchange in
            var tunnel = IPv6GRETunnel(
                local: try #require(IPv6Address("2001:db8::1")), remote: try #require(IPv6Address("2001:db8::2")),
                input: GREOptions(key: 5), output: GREOptions(key: 5, sequence: true))
            try roundTrip(exchange, "g0", .ip6gre(tunnel))
            let json = try JSON(from: "ip -j -d link show dev g0")[0]["linkinfo"]["info_data"]
            #expect(json["oseq"].bool == true)
            #expect(json["ttl"].int == 64)
            #expect(json["encap_limit"].value == nil)
            tunnel.encapLimit = 6
            tunnel.flags = [.inheritFlowLabel, .copyDSCP]
            tunnel.hopLimit = 9
            tunnel.fwmark = 8
            tunnel.flowInfo = 0x0123_4567
            tunnel.remote = try #require(IPv6Address("2001:db8::3"))
            try roundTrip(exchange, "g1", .ip6gretap(tunnel))
            try exchange.perform(Link.change(.name("g0"), LinkSettings(.ip6gre(tunnel))))
            #expect(try exchange.link(.name("g0"))?.kind == .ip6gre(tunnel))
        }
    }

    @Test func ipMakesWhatIsRead() throws {
        try inNewNamespace { exchange in
            try shell("ip link add g0 type gre local 10.0.0.1 remote 10.0.0.2 key 7 oseq ttl 64")
            var tunnel = GRETunnel(
                local: IPv4Address(10, 0, 0, 1), remote: IPv4Address(10, 0, 0, 2), input: GREOptions(key: 7),
                output: GREOptions(key: 7, sequence: true))
            tunnel.ttl = 64
            #expect(try exchange.link(.name("g0"))?.kind == .gre(tunnel))
            try shell("ip link add g1 type ip6gre local 2001:db8::1 remote 2001:db8::2 key 7 oseq encaplimit none")
            let tunnel6 = IPv6GRETunnel(
                local: try #require(IPv6Address("2001:db8::1")), remote: try #require(IPv6Address("2001:db8::2")),
                input: GREOptions(key: 7), output: GREOptions(key: 7, sequence: true))
            let read = try exchange.link(.name("g1"))?.kind
            #expect(read == .ip6gre(tunnel6))
        }
    }

    @Test func aSecondTunnelOfTheSameKeyIsRefused() throws {
        try inNewNamespace { exchange in
            let tunnel = GRETunnel(
                local: IPv4Address(10, 0, 0, 1), remote: IPv4Address(10, 0, 0, 2), input: GREOptions(key: 7),
                output: GREOptions(key: 7))
            try exchange.performAll(Link.create("bond-1", LinkSettings(.gre(tunnel))))
            let error = #expect(throws: KernelError.self) {
                try exchange.performAll(Link.create("bond-2", LinkSettings(.gre(tunnel))))
            }
            #expect(error?.description.hasPrefix("create link \"bond-2\": EEXIST") == true)
        }
    }
}
