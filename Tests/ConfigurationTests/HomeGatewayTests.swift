import Addresses
import GREBonding
import Testing

@testable import Configuration

@Suite struct HomeGatewayTests {
    @Test func defaults() throws {
        let c = try homeGateway(gateway())
        #expect(c.cin.text == "gateway")
        #expect(c.dialect == .rfc8157 && c.lan.isEmpty)
        #expect(c.dsl.interface.description == "dsl0" && c.dsl.linkOverhead == 14 && c.dsl.isEnabled)
        #expect(c.dsl.gateway == nil && c.dsl.upstream == nil && c.dsl.dns.isEmpty)
        #expect(c.family == .v4)
        #expect(c.tunnel.name.description == "bond0" && c.tunnel.mtu == .automatic)
        #expect(c.tunnel.masquerade && c.tunnel.defaultRoute && c.tunnel.prefix == nil)
        #expect(c.tunnel.dhcp && c.tunnel.dhcp6 && c.state.directory == "/var/lib/spillway")
        #expect(c.dsl.setupAttributes.isEmpty)
        #expect(c.names == NamesConfiguration() && c.names.servers.isEmpty && !c.names.takesPrivate)
        #expect(c.resequencer.buffer == 4096 && c.resequencer.timer == .automatic)
        #expect(c.resequencer.overflowHold == .seconds(2))
        #expect(c.kernel.markMask == 0xF000_0000 && c.kernel.table == 5300 && c.kernel.routeProtocol == 157)
        #expect(c.kernel.canonical(.v4).local.description == "192.0.0.8")
        #expect(c.kernel.canonical(.v6).remote.description == "fd53:7069:6c6c:7761:79::9")
        #expect(c.control.socket == "/run/spillway/control.sock")
        #expect(c.http.listen.isEmpty)
        #expect(c.hooks.command == nil && c.hooks.timeout == .seconds(10))
        #expect(c.log.level == .info && c.log.format == .text)
    }

    @Test func ownLists() throws {
        let c = try homeGateway(
            gateway(
                dsl: "prefix = '2001:db8:aa::/56'",
                more: """
                    [[bypass]]
                    description = "television"
                    destination_ip = "203.0.113.0/24"
                    [[exception]]
                    destination_ip_port = "203.0.113.1:443"
                    [[exception]]
                    fqdn = "*.example.net"
                    [[pin]]
                    leg = "dsl"
                    dscp = 46
                    [[pin]]
                    leg = "lte"
                    enabled = false
                    protocol = "esp"
                    """))
        #expect(c.dsl.prefix?.description == "2001:db8:aa::/56")
        #expect(c.bypass == [FilterItem(.destinationIP, description: "television", value: "203.0.113.0/24")])
        #expect(
            c.exceptions == [
                FilterItem(.destinationIPAndPort, description: "", value: "203.0.113.1:443"),
                FilterItem(.fqdn, description: "", value: "*.example.net"),
            ])
        #expect(
            c.pins == [
                Pin(FilterItem(.dscp, description: "", value: "46"), .dsl),
                Pin(FilterItem(.protocol, enabled: false, description: "", value: "esp"), .lte),
            ])
    }

    @Test(arguments: [
        ("[[pin]]\ndscp = 46", "pin.leg: required, but missing"),
        ("[[pin]]\nleg = 'umts'\ndscp = 1", "pin.leg: expected \"dsl\" or \"lte\", found \"umts\""),
        ("[[bypass]]\ndestination_port = 70000", "bypass.destination_port: gateways would ignore"),
        ("[[exception]]\nleg = 'dsl'\ndscp = 1", "exception.leg: unknown key"),
        ("[[bypass]]\nfqdn = \"www.*.net\"", "bypass.fqdn: gateways would ignore"),
        ("[bypass]\ndscp = 1", "bypass: expected an array of tables"),
    ])
    func refusesOwnList(text: String, reason: String) {
        let found = problems(gateway(more: text))
        #expect(found.count == 1 && found[0].contains(reason), "\(found)")
    }

    @Test func everyKey() throws {
        let c = try homeGateway(
            """
            role = "hg"
            haap = "haap.example.net"
            lan = ["lan0", "lan1"]
            cin = "näme"
            dialect = "deployed"
            family = "ipv6"
            [dsl]
            interface = "dsl0"
            gateway = "2001:db8::1"
            dns = ["192.0.2.53", "2001:db8::53"]
            upstream = "10 Mbit/s"
            downstream = 50000000
            limit = "9 Mbit/s"
            weight = 1
            link_overhead = -12
            enabled = false
            setup_attributes = [{ type = 53, value = "00000003" }, { type = 31, value = "00000064" }]
            [lte]
            interface = "lte0"
            gateway = "fe80::1"
            setup_attributes = [{ value = "0aFf", type = 255 }]
            weight = 1000
            quota = { volume = "1.5 TB", reset_day = 31, warn_at = [95, 50] }
            dns = "198.51.100.53"
            [tunnel]
            name = "bond"
            address = "100.64.0.2"
            address6 = "2001:db8:1::1/64"
            prefix = "2001:db8:1:100::/56"
            mtu = 1280
            masquerade = false
            default_route = false
            [names]
            servers = ["127.0.0.1", "2001:db8::53"]
            ttl_floor = 0
            ttl_ceiling = "1 h"
            grace = "5 min"
            addresses = 16
            private = true
            queue = 7
            [resequencer]
            buffer = 64
            timer = "80 ms"
            overflow_hold = 500
            [colour]
            cir_share = 90
            burst = 10
            overflow = "queue"
            distribution = "per-flow"
            [kernel]
            mark_mask = 0x00ff0000
            table = 1000
            rule_priority = 100
            protocol = 200
            queue = 65520
            queues = 16
            canonical = ["10.0.0.1", "10.0.0.2"]
            canonical6 = ["fd00::1", "fd00::2"]
            [control]
            socket = "/tmp/s"
            [hooks]
            command = "/bin/hook"
            timeout = "300 s"
            [http]
            listen = ["[::1]:9157", 80]
            [log]
            level = "debug"
            format = "json"
            """)
        #expect(c.haap == .name("haap.example.net") && c.family == .v6)
        #expect(c.dsl.dns == ["192.0.2.53", "2001:db8::53"].map { IPAddress($0) })
        #expect(c.lte.dns == [IPAddress("198.51.100.53")])
        #expect(c.lan.map(\.description) == ["lan0", "lan1"])
        #expect(c.cin.text == "näme" && c.dialect == .deployed)
        #expect(c.dsl.gateway == IPAddress("2001:db8::1") && c.dsl.linkOverhead == -12 && !c.dsl.isEnabled)
        #expect(c.dsl.upstream == BitRate("10 Mbit/s") && c.dsl.downstream == BitRate("50 Mbit/s"))
        #expect(c.tunnel.name.description == "bond" && c.tunnel.mtu == .bytes(1280))
        #expect(!c.tunnel.dhcp && !c.tunnel.dhcp6, "what is given is not asked for")
        #expect(c.tunnel.address == IPPrefix("100.64.0.2/32") && c.tunnel.address6 == IPPrefix("2001:db8:1::1/64"))
        #expect(c.tunnel.prefix == IPPrefix("2001:db8:1:100::/56"))
        #expect(c.dsl.setupAttributes == [.unknown(type: 53, value: [0, 0, 0, 3]), .idleHelloInterval(100)])
        #expect(c.lte.setupAttributes == [.unknown(type: 255, value: [0x0A, 0xFF])])
        #expect(!c.tunnel.masquerade && !c.tunnel.defaultRoute)
        #expect(c.names.servers == ["127.0.0.1", "2001:db8::53"].map { IPAddress($0) })
        #expect(c.names.timeToLiveFloor == .seconds(0) && c.names.timeToLiveCeiling == .seconds(3600))
        #expect(c.names.grace == .seconds(300) && c.names.addresses == 16 && c.names.takesPrivate)
        #expect(c.names.queue == 7)
        #expect(c.resequencer.buffer == 64 && c.resequencer.timer == .fixed(Milliseconds(80)))
        #expect(c.resequencer.overflowHold == Milliseconds(500))
        #expect(c.colour.cirShare == 90 && c.colour.burst == Milliseconds(10))
        #expect(c.colour.overflow == .queue && c.colour.distribution == .perFlow)
        #expect(c.dsl.limit == BitRate("9 Mbit/s") && c.dsl.weight == 1 && c.lte.limit == nil && c.lte.weight == 1000)
        #expect(c.lte.quota?.volume.bytes == 1_500_000_000_000 && c.lte.quota?.resetDay == 31)
        #expect(c.lte.quota?.warnings == [50, 95] && c.dsl.quota == nil)
        #expect(c.kernel.markMask == 0xFF0000 && c.kernel.table == 1000 && c.kernel.rulePriority == 100)
        #expect(c.kernel.routeProtocol == 200 && c.kernel.queue == 65520 && c.kernel.queues == 16)
        #expect(c.kernel.canonical.remote == IPAddress("10.0.0.2") && c.kernel.canonical6.local == IPAddress("fd00::1"))
        #expect(c.http.listen.map(\.description) == ["[::1]:9157", "127.0.0.1:80"])
        #expect(c.hooks.command == "/bin/hook" && c.hooks.timeout == .seconds(300))
        #expect(c.control.socket == "/tmp/s" && c.log.level == .debug && c.log.format == .json)
    }

    @Test(arguments: [
        ("volume = '999 kB'", "volume: 999 kB is out of range: 1 MB…1 PB"), ("volume = -1", "volume: 0 B is out of range"),
        ("volume = '50 GiB'", "volume: expected an amount of data such as"), ("reset_day = 1", "volume: required, but missing"),
        ("volume = true", "volume: expected an amount of data such as"),
        ("volume = '2 PB'", "volume: expected an amount of data"), ("volume = 2e9", "volume: expected an amount of data"),
        ("volume = '50 GB', reset_day = 32", "reset_day: 32 is out of range: 1…31"),
        ("volume = '50 GB', warn_at = 100", "warn_at: 100 % is out of range: 1…99 %"),
        ("volume = '50 GB', warn_at = ['80 %']", "warn_at: expected whole percentages, found a string"),
        ("volume = '50 GB', warn_at = [1,2,3,4,5,6,7,8,9,10,11]", "warn_at: 11 percentages are out of range: at most 10"),
        ("volume = '50 GB', period = '1 d'", "period: unknown key"),
    ])
    func refusesInQuota(line: String, reason: String) {
        let text = "role='hg'\nhaap='192.0.2.1'\ncin='a'\ndsl.interface='dsl0'\n[lte]\ninterface='lte0'\nquota = {\(line)}"
        let found = problems(text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix("a.toml:7: lte.quota.\(reason)") == true, "\(found)")
    }

    @Test func quotasHaveDefaults() throws {
        let text = "role='hg'\nhaap='192.0.2.1'\ncin='a'\ndsl.interface='dsl0'\n[lte]\ninterface='lte0'\nquota.volume = '50 GB'"
        let quota = try #require(try homeGateway(text).lte.quota)
        #expect(quota.volume == DataVolume("50 GB") && quota.volume.description == "50 GB")
        #expect(quota.resetDay == 1 && quota.warnings == [80])
    }

    @Test func weightsComeInPairs() {
        #expect(problems(gateway(dsl: "weight = 2")) == ["a.toml:3: dsl: a weight of one leg needs one of the other"])
    }

    /// One bad line at a time: its line number, the start of its reason.
    @Test(arguments: [
        ("lan = 5", 3, "lan: expected an interface name, found an integer"),
        ("lan = [\"a\", \"dsl0\"]", 3, "lan: interface \"dsl0\" is already dsl.interface"),
        ("lan = [\"a\", \"a\"]", 3, "lan: interface \"a\" is already lan"),
        ("lan = \"bond0\"", 3, "lan: interface \"bond0\" has the tunnel's name"),
        ("cin = \"\"", 3, "cin: 0 bytes is out of range: 1…40"),
        ("cin = \"éééééééééééééééééééééé\"", 3, "cin: 44 bytes is out of range"),
        ("cin = \"a\\u0000\"", 3, "cin: holds a control character"),
        ("dialect = \"rfc8156\"", 3, "dialect: expected \"rfc8157\" or \"deployed\", found \"rfc8156\""),
        ("dialect = \"deployed\"", 2, "haap: the dialect \"deployed\" runs over IPv6 only"),
        ("family = \"ipv5\"", 3, "family: expected \"ipv4\" or \"ipv6\", found \"ipv5\""),
        ("family = \"ipv6\"", 3, "family: IPv6, but haap is IPv4"),
        ("family = 4", 3, "family: expected \"ipv4\" or \"ipv6\", found an integer"),
        ("resequencer = 1", 3, "resequencer: expected a table, found an integer"),
        ("subscriber = []", 3, "subscriber: unknown key"),
        ("roll = 1", 3, "roll: unknown key; did you mean \"role\"?"),
        ("tunnel.name = \"a b\"", 3, "tunnel.name: expected an interface name"),
        ("tunnel.address = \"2001:db8::1\"", 3, "tunnel.address: expected an IPv4 address"),
        ("tunnel.address6 = \"192.0.2.1\"", 3, "tunnel.address6: expected an IPv6 address"),
        ("tunnel.prefix = \"192.0.2.0/24\"", 3, "tunnel.prefix: expected an IPv6 prefix such as"),
        ("tunnel.prefix = \"fe80::/10\"", 3, "tunnel.prefix: expected an IPv6 prefix such as"),
        ("tunnel.prefix = \"ff00::/8\"", 3, "tunnel.prefix: expected an IPv6 prefix such as"),
        ("tunnel.prefix = \"2001:db8:1::\"", 3, "tunnel.prefix: a length of 128 is out of range: 1…64"),
        ("tunnel.prefix = \"2001:db8::/65\"", 3, "tunnel.prefix: a length of 65 is out of range"),
        ("tunnel.prefix = \"2001:db8::/0\"", 3, "tunnel.prefix: a length of 0 is out of range"),
        ("tunnel.prefix = \"2001:db8::1/64\"", 3,
         "tunnel.prefix: 2001:db8::1/64 has host bits set: 2001:db8::/64 is the prefix"),
        ("tunnel = { dhcp = true, address = \"100.64.0.2\" }", 3, "tunnel.dhcp: true, but address is given"),
        ("tunnel = { dhcp6 = true, prefix = \"2001:db8::/56\" }", 3, "tunnel.dhcp6: true, but prefix is given"),
        ("tunnel.mtu = 1279", 3, "tunnel.mtu: 1279 bytes is less than the 1280 that IPv6 needs for dhcp6"),
        ("tunnel.mtu = 575", 3, "tunnel.mtu: 575 bytes is out of range: 576…9000"),
        ("tunnel.mtu = \"big\"", 3, "tunnel.mtu: expected 576…9000 bytes or \"auto\", found \"big\""),
        ("tunnel = { mtu = 1200, address6 = \"2001:db8::1\" }", 3, "tunnel.mtu: 1200 bytes is less than the 1280"),
        ("tunnel.masquerade = 1", 3, "tunnel.masquerade: expected true or false, found an integer"),
        ("names.servers = \"fe80::1\"", 3, "names.servers: fe80::1 is no server that can be asked"),
        ("names.ttl_floor = \"2 h\"", 3, "names.ttl_floor: 2 h is out of range: 0…3600 s"),
        ("names.ttl_ceiling = 59", 3, "names.ttl_ceiling: 59 s is out of range: 60…604800 s"),
        ("names = { ttl_floor = \"1 h\", ttl_ceiling = 60 }", 3, "names.ttl_floor: 1 h is more than ttl_ceiling"),
        ("names.addresses = 0", 3, "names.addresses: 0 addresses is out of range: 1…4096 addresses"),
        ("names.queue = 5300", 3, "names: queue 5300 is one of [kernel]'s"),
        ("kernel.queue = 5316", 1, "names: queue 5316 is one of [kernel]'s"),
        ("resequencer.buffer = 63", 3, "resequencer.buffer: 63 packets is out of range: 64…65536 packets"),
        ("resequencer.timer = \"1001 ms\"", 3, "resequencer.timer: 1001 ms is out of range: 5…1000 ms"),
        ("resequencer.timer = \"soon\"", 3, "resequencer.timer: expected \"auto\", a time such as"),
        ("resequencer.timer = -9223372036854775808", 3, "resequencer.timer: -9223372036854775808 ms is out"),
        ("resequencer.overflow_hold = \"1.5 min\"", 3, "resequencer.overflow_hold: 1.5 min is out of range"),
        ("colour.cir_share = 49", 3, "colour.cir_share: 49 % is out of range: 50…100 %"),
        ("colour.distribution = \"even\"", 3,
         "colour.distribution: expected \"overflow\" or \"weighted\" or \"per-flow\", found \"even\""),
        ("colour = { overflow = \"police\", distribution = \"per-flow\" }", 3,
         "colour.distribution: \"per-flow\" takes overflow = \"queue\""),
        ("colour = { distribution = \"weighted\", overflow = \"police\" }", 3,
         "colour.distribution: \"weighted\" takes overflow = \"queue\""),
        ("colour.burst = 1.5", 3, "colour.burst: expected a time such as"),
        ("kernel.mark_mask = 0x80000000", 3, "kernel.mark_mask: 0x80000000 is not at least two adjacent bits"),
        ("kernel.mark_mask = 0xa0", 3, "kernel.mark_mask: 0xa0 is not at least two adjacent bits"),
        ("kernel.mark_mask = 0x1ffffffff", 3, "kernel.mark_mask: 8589934591 is out of range"),
        ("kernel.table = 254", 3, "kernel.table: 254 to 269 meet the kernel's own tables"),
        ("kernel.table = 238", 3, "kernel.table: 238 to 253 meet"),
        ("kernel.rule_priority = 32766", 3, "kernel.rule_priority: 32766 is out of range"),
        ("kernel.protocol = 186", 3, "kernel.protocol: 186 belongs to another routing daemon"),
        ("kernel.queue = 65536", 3, "kernel.queue: 65536 is out of range"),
        ("kernel = { queue = 65535, queues = 2 }", 3, "kernel.queue: 65535 and 2 queues go beyond"),
        ("kernel.canonical = [\"10.0.0.1\", \"10.0.0.1\"]", 3, "kernel.canonical: local and remote are both 10.0.0.1"),
        ("kernel.canonical = [\"fd00::1\", \"fd00::2\"]", 3, "kernel.canonical: expected two IPv4 addresses"),
        ("kernel.canonical = [\"192.0.2.1\", \"192.0.2.2\"]", 2, "haap: 192.0.2.1 is one of the canonical addresses"),
        ("control.socket = \"run/s\"", 3, "control.socket: expected an absolute path"),
        ("control.socket = \"/\(String(repeating: "x", count: 107))\"", 3, "control.socket: 108 bytes is out"),
        ("hooks.command = \"hook\"", 3, "hooks.command: expected an absolute path, found \"hook\""),
        ("hooks.command = \"/hook\\u0000\"", 3, "hooks.command: expected an absolute path"),
        ("hooks.timeout = 301", 3, "hooks.timeout: 301 s is out of range: 1…300 s"),
        ("http.listen = \"localhost:9157\"", 3, "http.listen: expected \"127.0.0.1:9157\", "),
        ("http.listen = \"::1:9157\"", 3, "http.listen: expected \"127.0.0.1:9157\", "),
        ("http.listen = \"127.0.0.1:+1\"", 3, "http.listen: expected \"127.0.0.1:9157\", "),
        ("http.listen = [9157, 65536]", 3, "http.listen: expected \"127.0.0.1:9157\", "),
        ("http.listen = [1, 2, 3, 4, 5]", 3, "http.listen: 5 addresses are out of range: at most 4"),
        ("http.subscriber_labels = true", 3, "http.subscriber_labels: unknown key"),
        ("log.level = \"verbose\"", 3, "log.level: expected \"trace\" or "),
        ("log.format = true", 3, "log.format: expected \"text\" or \"json\", found true or false"),
    ] as [(String, Int, String)])
    func refuses(line text: String, at line: Int, reason: String) {
        let found = problems(gateway(top: text))
        #expect(found.count == 1, "\(found)")
        let prefix = "a.toml:\(line): \(reason)"
        #expect(found.first?.hasPrefix(prefix) == true, "\(found) does not begin with \(prefix)")
    }

    @Test(arguments: [
        ("gateway = \"2001:db8::1\"", "dsl.gateway: 2001:db8::1 is IPv6, but the tunnel runs over IPv4"),
        ("gateway = \"0.0.0.0\"", "dsl.gateway: 0.0.0.0 is not a unicast address"),
        ("gateway = \"192.0.2\"", "dsl.gateway: expected an IP address, found \"192.0.2\""),
        ("dns = \"resolver.example\"", "dsl.dns: expected an IP address, found \"resolver.example\""),
        ("dns = 53", "dsl.dns: expected an IP address, found an integer"),
        ("dns = [\"192.0.2.53\", true]", "dsl.dns: expected an IP address, found true or false"),
        ("dns = \"127.0.0.53\"", "dsl.dns: 127.0.0.53 is not a unicast address"),
        ("dns = [\"fe80::1\"]", "dsl.dns: fe80::1 is a link-local address"),
        ("dns = [\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\", \"192.0.2.5\"]",
            "dsl.dns: 5 servers are out of range: at most 4"),
        ("upstream = \"50 MB/s\"", "dsl.upstream: expected a rate such as"),
        ("upstream = 0", "dsl.upstream: 0 bit/s is out of range: 1 kbit/s…100 Gbit/s"),
        ("upstream = -5", "dsl.upstream: -5 bit/s is out of range"),
        ("downstream = \"101 Gbit/s\"", "dsl.downstream: 101 Gbit/s is out of range"),
        ("downstream = 2.5", "dsl.downstream: expected a rate such as"),
        ("quota = { volume = 1 }", "dsl.quota: unknown key"),
        ("limit = 999", "dsl.limit: 999 bit/s is out of range: 1 kbit/s…100 Gbit/s"),
        ("weight = 0", "dsl.weight: 0 is out of range: 1…1000"),
        ("weight = 1001", "dsl.weight: 1001 is out of range: 1…1000"),
        ("link_overhead = 257", "dsl.link_overhead: 257 bytes is out of range: -64…256 bytes"),
        ("enabled = \"yes\"", "dsl.enabled: expected true or false, found a string"),
        ("setup_attributes = 1", "dsl.setup_attributes: expected an array of tables ([[dsl.setup_attributes]]), foun"),
        ("setup_attributes = [{value = ''}]", "dsl.setup_attributes.type: required, but missing"),
        ("setup_attributes = [{type = 256, value = ''}]", "dsl.setup_attributes.type: 256 is out of range: 0…255"),
        ("setup_attributes = [{type = 53, value = 3}]", "dsl.setup_attributes.value: expected hexadecimal digits in"),
        ("setup_attributes = [{type = 53, value = '0a0'}]", "dsl.setup_attributes.value: expected hexadecimal digits"),
        ("setup_attributes = [{type = 53, value = '0x0a'}]", "dsl.setup_attributes.value: expected hexadecimal digits"),
        ("setup_attributes = [{type = 53, value = '\(String(repeating: "00", count: 1001))'}]",
         "dsl.setup_attributes.value: 1001 bytes is out of range: at most 1000 bytes"),
        ("setup_attributes = [{type = 255, value = ''}]", "dsl.setup_attributes.value: attribute 255 without a value"),
        ("setup_attributes = [{type = 31, value = '0a0b'}]",
         "dsl.setup_attributes.value: not a value of attribute 31 (Idle Hello Interval): attribute_length"),
        ("setup_attributes = [{type = 31, value = '00000001'}]",
         "dsl.setup_attributes.value: Idle Hello Interval 1 is not in 100–86400 in steps of 100"),
        ("setup_attributes = [{type = 8, value = '000000010001000100'}]",
         "dsl.setup_attributes.value: 1 bytes after the last whole filter item"),
        ("setup_attributes = [\(Array(repeating: "{type=53,value=''}", count: 17).joined(separator: ","))]",
         "dsl.setup_attributes: 17 attributes is out of range: at most 16"),
        ("up_stream = 1", "dsl.up_stream: unknown key; did you mean \"upstream\"?"),
    ])
    func refusesInLeg(line text: String, reason: String) {
        let found = problems(gateway(dsl: text))
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("a.toml:5: \(reason)") == true, "\(found)")
    }

    /// The family of a name has to be known before the name is resolved.
    @Test func familyOfAName() throws {
        func family(_ top: String) throws -> IPFamily {
            try homeGateway(gateway(top: top).replacing("192.0.2.1", with: "haap.example.net")).family
        }
        #expect(try family("") == .v4)
        #expect(try family("family = \"ipv6\"") == .v6)
        #expect(try family("dialect = \"deployed\"") == .v6)
        let deployed = gateway(top: "dialect = \"deployed\"\nfamily = \"ipv4\"")
        #expect(problems(deployed.replacing("192.0.2.1", with: "haap.example.net"))
            == ["a.toml:4: family: the dialect \"deployed\" runs over IPv6 only"])
    }

    @Test func reportsAllAtOnce() {
        #expect(problems("role = \"hg\"\nlan = [1, \"a\", 2]\n[dsl]\ninterfase = \"x\"\nenabled = 1") == [
            "a.toml:1: haap: required, but missing",
            "a.toml:1: lte: required, but missing",
            "a.toml:2: lan: expected an interface name, found an integer",
            "a.toml:2: lan: expected an interface name, found an integer",
            "a.toml:3: dsl.interface: required, but missing",
            "a.toml:4: dsl.interfase: unknown key; did you mean \"interface\"?",
            "a.toml:5: dsl.enabled: expected true or false, found an integer",
        ])
    }

    @Test func roleIsNeeded() {
        #expect(problems("haap = \"192.0.2.1\"") == ["a.toml:1: role: required, but missing"])
        #expect(problems("role = \"gateway\"") == ["a.toml:1: role: expected \"hg\" or \"haap\", found \"gateway\""])
    }

    @Test func contradictions() {
        #expect(problems("role='hg'\nhaap='192.0.2.1'\n[dsl]\ninterface='a'\nenabled=false\n[lte]\ninterface='b'\nenabled=false")
            == ["a.toml:3: dsl: neither [dsl] nor [lte] is enabled: there is nothing to bond"])
        #expect(problems("role='hg'\nhaap='192.0.2.1'\n[dsl]\ninterface='a'\n[lte]\ninterface='a'")
            == ["a.toml:6: lte.interface: interface \"a\" is already dsl.interface"])
        #expect(problems("role='hg'\nhaap='192.0.2.1'\ndsl={interface='a',gateway='10.0.0.1'}\nlte={interface='b',gateway='10.0.0.1'}")
            == ["a.toml:4: lte: gateway 10.0.0.1 is that of [dsl] too: the legs need different next hops"])
    }

    @Test func hostNameServesAsCIN() {
        let long = Machine(files: ["a.toml": gateway()], hostName: String(repeating: "h", count: 41))
        #expect(long.problems().first?.hasPrefix("a.toml:1: cin: not set, and the host name") == true)
        #expect(Machine(files: ["a.toml": gateway(top: "cin = \"x\"")], hostName: "").problems().isEmpty)
    }

    @Test func missingInterfaces() {
        let machine = Machine(files: ["a.toml": gateway(top: "lan = [\"lan0\",\n\"lan1\"]")])
        #expect(machine.problems(interfaces: ["dsl0", "lan0"]) == [
            "a.toml:4: lan: there is no interface \"lan1\" on this machine",
            "a.toml:8: lte.interface: there is no interface \"lte0\" on this machine",
        ])
        let disabled = Machine(files: ["a.toml": gateway(dsl: "enabled = false")])
        #expect(disabled.problems(interfaces: ["lte0"]).isEmpty)
    }
}
