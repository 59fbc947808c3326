import Addresses
import GREBonding
import Testing

@testable import Configuration

@Suite struct AggregationPointTests {
    private let head = "role = \"haap\"\naddress = \"192.0.2.1\"\n"

    @Test func defaults() throws {
        let c = try aggregationPoint(["a.toml": head])
        #expect(c.addresses == [.v4(IPv4Address(192, 0, 2, 1))] && c.anycast.isEmpty && c.dialect == .rfc8157)
        #expect(c.addressLifetime == nil)
        #expect(c.address(.v4) != nil && c.address(.v6) == nil)
        #expect(c.session == SessionConfiguration())
        #expect(c.session.idleTimeout.seconds == 86400 && c.session.idleHelloInterval.seconds == 1800)
        #expect(c.tunnel.prefix == "bond" && c.tunnel.mtu == .automatic && c.subscribers.isEmpty)
        #expect(c.limits.bonds == 100_000 && c.limits.drainRate == 100 && !c.session.lteAlone)
        #expect(c.session.dslAttributes.isEmpty && c.session.lteAttributes.isEmpty)
        #expect(c.filterLists.isEmpty && c.defaultFilterList == nil)
    }

    @Test func everyKey() throws {
        let c = try aggregationPoint([
            "a.toml": """
            role = "haap"
            address = ["192.0.2.1", "2001:db8::1"]
            anycast = "2001:db8::53"
            address_lifetime = "5 s"
            [session]
            active_hello_interval = 5
            idle_hello_interval = "30 min"
            hello_retry_times = 10
            idle_timeout = 0
            no_traffic_monitored_interval = "2 min"
            rtt_difference_threshold = 40
            rtt_violation = 1
            rtt_compliance = 25
            bypass_check_interval = "300 s"
            lte_alone = true
            dsl_attributes = [{ type = 56, value = "00000032" }, { type = 65, value = "" }]
            lte_attributes = [{ type = 65, value = "0000000A" }]
            [limits]
            bonds = 1000000
            drain_rate = 10
            [tunnel]
            prefix = "hg-"
            mtu = 1400
            [defaults]
            dsl_upstream = "1 Mbit/s"
            lte_downstream = "20 Mbit/s"
            lte_limit = "15 Mbit/s"
            dsl_weight = 2
            lte_weight = 1
            [[subscriber]]
            cin = "one"
            address = "100.64.0.1"
            address6 = "2001:db8:1::1"
            routes = ["198.51.100.0/28", "2001:db8:2::/48"]
            dsl_downstream = "50 Mbit/s"
            lte_downstream = "100 Mbit/s"
            dsl_limit = "40 Mbit/s"
            dsl_weight = 1
            lte_weight = 7
            [[subscriber]]
            cin = "two"
            service = "none"
            [[subscriber]]
            cin = "three"
            service = "lte"
            """
        ])
        #expect(c.addresses.count == 2 && c.anycast == [IPAddress("2001:db8::53")])
        #expect(c.addressLifetime?.seconds == 5)
        #expect(c.session.activeHelloInterval.seconds == 5 && c.session.helloRetryTimes == 10)
        #expect(c.session.idleTimeout.rawValue == 0 && c.session.noTrafficMonitoredInterval.seconds == 120)
        #expect(c.session.rttDifferenceThreshold.rawValue == 40)
        #expect(c.session.rttViolation == 1 && c.session.rttCompliance == 25)
        #expect(c.session.bypassCheckInterval.seconds == 300 && c.session.idleHelloInterval.seconds == 1800)
        #expect(c.session.lteAlone && c.limits.bonds == 1_000_000 && c.limits.drainRate == 10)
        #expect(c.session.dslAttributes == [.unknown(type: 56, value: [0, 0, 0, 50]), .unknown(type: 65, value: [])])
        #expect(c.session.lteAttributes == [.unknown(type: 65, value: [0, 0, 0, 10])])
        #expect(c.tunnel.prefix == "hg-" && c.tunnel.mtu == .bytes(1400))
        let s = c.subscribers[0]
        #expect(s.cin == ClientIdentificationName("one") && s.address == IPv4Address(100, 64, 0, 1))
        #expect(s.address6 == IPv6Address("2001:db8:1::1") && s.routes.count == 2)
        #expect(s.rates.dslUpstream == BitRate("1 Mbit/s") && s.rates.dslDownstream == BitRate("50 Mbit/s"))
        #expect(s.rates.lteDownstream == BitRate("100 Mbit/s"))
        #expect(s.rates.dslLimit == BitRate("40 Mbit/s") && s.rates.lteLimit == BitRate("15 Mbit/s"))
        #expect(c.subscribers.map(\.rates.weights) == [(1, 7), (2, 1), (2, 1)].map { LegWeights(dsl: $0, lte: $1) })
        #expect(c.subscribers.map(\.service) == [.bonding, .suspended, .lte])
    }

    @Test(arguments: [
        ("anycast = \"192.0.2.1\"", 3, "anycast: 192.0.2.1 is also address"),
        ("anycast = \"2001:db8::1\"", 3, "anycast: 2001:db8::1 is IPv6, but address has no IPv6 address"),
        ("anycast = [\"10.0.0.1\", \"10.0.0.2\"]", 3, "anycast: more than one IPv4 address"),
        ("anycast = \"224.0.0.1\"", 3, "anycast: 224.0.0.1 is not a unicast address"),
        ("address_lifetime = 1", 3, "address_lifetime: 1 s is out of range: 2…300 s"),
        ("dialect = \"deployed\"", 2, "address: the dialect \"deployed\" runs over IPv6 only"),
        ("session.active_hello_interval = 101", 3, "session.active_hello_interval: 101 s is out of range: 1…100 s"),
        ("session.active_hello_interval = \"1500 ms\"", 3, "session.active_hello_interval: 1500 ms is out of range"),
        ("session.active_hello_interval = \"100999 ms\"", 3, "session.active_hello_interval: 100999 ms is out"),
        ("session.idle_hello_interval = 150", 3, "session.idle_hello_interval: 150 s is out of range: 100…86400 s in st"),
        ("session.hello_retry_times = 2", 3, "session.hello_retry_times: 2 is out of range: 3…10"),
        ("session.idle_timeout = 90", 3, "session.idle_timeout: 90 s is out of range: 0…172800 s in steps of 60"),
        ("session.idle_timeout = \"49 h\"", 3, "session.idle_timeout: 49 h is out of range"),
        ("session.idle_timeout = 9223372036854775807", 3, "session.idle_timeout: 9223372036854775807 s is out"),
        ("session.no_traffic_monitored_interval = 29", 3, "session.no_traffic_monitored_interval: 29 s is out"),
        ("session.rtt_difference_threshold = \"1001 ms\"", 3, "session.rtt_difference_threshold: 1001 ms is out"),
        ("session.rtt_violation = 0", 3, "session.rtt_violation: 0 is out of range: 1…25"),
        ("session.rtt_compliance = 26", 3, "session.rtt_compliance: 26 is out of range"),
        ("session.bypass_check_interval = 9", 3, "session.bypass_check_interval: 9 s is out of range: 10…300 s"),
        ("tunnel.prefix = \"123456789\"", 3, "tunnel.prefix: \"123456789\" is not 1…8 bytes"),
        ("session.lte_alone = 1", 3, "session.lte_alone: expected true or false, found an integer"),
        ("session.dsl_attributes = [{type = 65}]", 3, "session.dsl_attributes.value: required, but missing"),
        ("limits.bonds = 0", 3, "limits.bonds: 0 is out of range: 1…1000000"),
        ("limits.bonds = 1000001", 3, "limits.bonds: 1000001 is out of range"),
        ("limits.drain_rate = 9", 3, "limits.drain_rate: 9 bonds/s is out of range: 10…100000 bonds/s"),
        ("limits.drain_rate = 100001", 3, "limits.drain_rate: 100001 bonds/s is out of range"),
        ("tunnel.name = \"x\"", 3, "tunnel.name: unknown key"),
        ("subscriber = [1]", 3, "subscriber: expected an array of tables ([[subscriber]]), found an array"),
        ("subscriber = [{}]", 3, "subscriber.cin: required, but missing"),
        ("subscriber = [{cin = 'a', address = '2001:db8::1'}]", 3, "subscriber.address: expected an IPv4 address"),
        ("subscriber = [{cin = 'a', address6 = 'ff02::1'}]", 3, "subscriber.address6: ff02::1 is not a unicast"),
        ("subscriber = [{cin = 'a', routes = '198.51.100.1/24'}]", 3,
         "subscriber.routes: 198.51.100.1/24 has host bits set: 198.51.100.0/24 is the prefix"),
        ("subscriber = [{cin = 'a', prefix = '2001:db8::/65'}]", 3,
         "subscriber.prefix: a length of 65 is out of range: 32…64"),
        ("subscriber = [{cin = 'a', prefix = '2001:db8::1/64'}]", 3, "subscriber.prefix: 2001:db8::1/64 has host bits"),
        ("subscriber = [{cin = 'a', prefix = '10.0.0.0/8'}]", 3, "subscriber.prefix: expected an IPv6 prefix"),
        ("subscriber = [{cin = 'a', pool = 'x'}]", 3, "subscriber.pool: there is no [[pool]] with the name \"x\""),
        ("defaults.pool = 'x'", 3, "defaults.pool: there is no [[pool]] with the name \"x\""),
        ("pool = [{name = 'a'}]", 3, "pool: neither addresses nor prefixes"),
        ("pool = [{name = 'a b', addresses = '10.0.0.0/8'}]", 3, "pool.name: \"a b\" is not 1…32 letters"),
        ("pool = [{name = 'a', addresses = '10.0.0.1/8'}]", 3, "pool.addresses: 10.0.0.1/8 has host bits set"),
        ("pool = [{name = 'a', addresses = '224.0.0.0/8'}]", 3, "pool.addresses: 224.0.0.0/8 is no network of unicast"),
        ("pool = [{name = 'a', addresses = '2001:db8::/40'}]", 3, "pool.addresses: expected an IPv4 network"),
        ("pool = [{name = 'a', prefixes = '2001:db8::/60'}]", 3, "pool.prefixes: 2001:db8::/60 is longer than"),
        ("pool = [{name = 'a', prefixes = 'fe80::/48'}]", 3, "pool.prefixes: fe80::/48 is no network of unicast"),
        ("pool = [{name = 'a', prefixes = '2001:db8::/40', delegated_length = 65}]", 3,
         "pool.delegated_length: 65 bits is out of range: 32…64"),
        ("pool = [{name = 'a', addresses = ['10.0.0.0/8', '10.1.0.0/16']}]", 3,
         "pool.addresses: 10.1.0.0/16 overlaps 10.0.0.0/8 (a.toml:3)"),
        ("dhcp.server = \"224.0.0.1\"", 3, "dhcp.server: 224.0.0.1 is not a unicast address"),
        ("dhcp.lease_time = 59", 3, "dhcp.lease_time: 59 s is out of range: 60…31536000 s"),
        ("dhcp.preferred_time = \"25 h\"", 3, "dhcp.preferred_time: 25 h is longer than lease_time, 1 d"),
        ("dhcp.dns = \"fe80::1\"", 3, "dhcp.dns: fe80::1 is no address that a gateway can ask"),
        ("dhcp.dns = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']", 3,
         "dhcp.dns: 5 IPv4 servers is out of range: at most 4"),
        ("relay.dhcp4 = '224.0.0.1'", 3, "relay.dhcp4: 224.0.0.1 is no address of a server"),
        ("relay.dhcp4 = ['10.0.0.1', '10.0.0.1']", 3, "relay.dhcp4: 10.0.0.1 is there twice"),
        ("relay.dhcp6 = '10.0.0.1'", 3, "relay.dhcp6: expected an IPv6 address"),
        ("relay.dhcp6 = '2001:db8::1'", 3, "relay.dhcp6: needs address6"),
        ("relay.servers = 'some'", 3, "relay.servers: expected \"all\" or \"failover\""),
        ("relay.address = '0.0.0.0'", 3, "relay.address: 0.0.0.0 is no address that a server can answer to"),
        ("relay.link6 = 'fe80::1'", 3, "relay.link6: fe80::1 is no address that a server can answer to"),
        ("relay.dhcp4 = '10.0.0.1'\npool = [{name = 'a', addresses = '10.0.0.0/8'}]", 3,
         "relay.dhcp4: the pool \"a\" has addresses"),
        ("dhcp.domain = \"-\"", 3, "dhcp.domain: \"-\" is not a domain name"),
        ("dhcp.mtu = 575", 3, "dhcp.mtu: 575 bytes is out of range: 576…9000"),
        ("state.directory = \"var\"", 3, "state.directory: expected an absolute path, found \"var\""),
        ("subscriber = [{cin = 'a', service = 'dsl'}]", 3,
         "subscriber.service: expected \"bonding\" or \"lte\" or \"none\", found \"dsl\""),
        ("subscriber = [{cin = 'a', lte_limit = 5}]", 3, "subscriber.lte_limit: 5 bit/s is out of range"),
        ("subscriber = [{cin = 'a', lte_weight = 5}]", 3, "subscriber.lte_weight: a weight of one leg needs one of the ot"),
        ("defaults.dsl_weight = 1", 3, "defaults.dsl_weight: a weight of one leg needs one of the other"),
        ("colour = { overflow = \"police\", distribution = \"per-flow\" }", 3,
         "colour.distribution: \"per-flow\" takes overflow = \"queue\""),
        ("defaults.dsl_upstream = \"fast\"", 3, "defaults.dsl_upstream: expected a rate"),
        ("subscribers_file = \"none.toml\"", 3, "subscribers_file: none.toml: no such file"),
    ] as [(String, Int, String)])
    func refuses(line text: String, at line: Int, reason: String) {
        let found = problems(head + text)
        #expect(found.count == 1, "\(found)")
        let prefix = "a.toml:\(line): \(reason)"
        #expect(found.first?.hasPrefix(prefix) == true, "\(found) does not begin with \(prefix)")
    }

    @Test func leases() throws {
        let c = try aggregationPoint(["a.toml": head + """
            [dhcp]
            lease_time = "2 h"
            dns = ["192.0.2.53", "2001:db8::53"]
            domain = "Example.net."
            mtu = "auto"
            [[pool]]
            name = "homes"
            addresses = ["100.64.0.0/16", "100.80.0.0/24"]
            prefixes = "2001:db8:100::/40"
            delegated_length = 60
            [defaults]
            pool = "homes"
            [[subscriber]]
            cin = "a"
            [[subscriber]]
            cin = "b"
            prefix = "2001:db8:1::/56"
            """])
        #expect(c.dhcp.server == IPv4Address(192, 0, 2, 1), "that of the aggregation point")
        #expect(c.dhcp.leaseTime == .seconds(7200) && c.dhcp.preferredTime == .seconds(3600))
        #expect(c.dhcp.dns.count == 2 && c.dhcp.domain == "example.net" && c.dhcp.mtu == .automatic)
        #expect(c.pools.map(\.name) == ["homes"] && c.pools[0].addresses.count == 2)
        #expect(c.pools[0].prefixes.count == 1 && c.pools[0].delegatedLength == 60)
        #expect(c.subscribers.map(\.pool) == ["homes", "homes"])
        #expect(c.subscribers[1].prefix == IPPrefix("2001:db8:1::/56"))
        #expect(c.state.directory == "/var/lib/spillway")
    }

    @Test func addressIsRequired() {
        #expect(problems("role = \"haap\"") == ["a.toml:1: address: required, but missing"])
        #expect(problems("role = \"haap\"\naddress = []") == ["a.toml:2: address: required, but empty"])
    }

    @Test func subscribersShareNothing() {
        let text = head + """
            [[subscriber]]
            cin = "a"
            address = "100.64.0.1"
            [[subscriber]]
            cin = "a"
            address = "100.64.0.2"
            routes = ["100.64.0.1/32", "10.0.0.0/8", "10.0.0.0/8"]
            """
        #expect(problems(text) == [
            "a.toml:7: subscriber.cin: \"a\" is already that of another subscriber (a.toml:4)",
            "a.toml:9: subscriber.routes: 100.64.0.1/32 is already routed to a subscriber (a.toml:5)",
            "a.toml:9: subscriber.routes: 10.0.0.0/8 is already routed to a subscriber (a.toml:9)",
        ])
    }

    @Test func noSubscriberHasAPrefixThatHoldsTheOwnAddress() {
        let text = """
            role = "haap"
            address = ["192.0.2.1", "2001:db8:1::9"]
            [[subscriber]]
            cin = "a"
            prefix = "2001:db8:1::/56"
            [[subscriber]]
            cin = "b"
            prefix = "2001:db8:1:100::/56"
            """
        #expect(problems(text) == [
            "a.toml:5: subscriber.prefix: 2001:db8:1::/56 holds 2001:db8:1::9, this aggregation point's own address"
        ])
    }

    @Test func subscribersFile() throws {
        let main = "role='haap'\naddress='192.0.2.1'\nsubscribers_file='big.toml'\n[[subscriber]]\ncin='a'\n"
        let c = try aggregationPoint([
            "a.toml": main, "big.toml": (0..<500).map { "[[subscriber]]\ncin = \"s\($0)\"\n" }.joined(),
        ])
        #expect(c.subscribers.count == 501 && c.subscribers[500].cin.text == "s499")

        let bad = Machine(files: ["a.toml": main, "big.toml": "role = 'hg'\n[[subscriber]]\ncin='a'\nadress='x'\n"])
        #expect(bad.problems() == [
            "big.toml:1: role: unknown key",
            "big.toml:3: subscriber.cin: \"a\" is already that of another subscriber (a.toml:5)",
            "big.toml:4: subscriber.adress: unknown key; did you mean \"address\"?",
        ])
        #expect(Machine(files: ["a.toml": main, "big.toml": "[["]).problems().first?.hasPrefix("big.toml:1: not TOML") == true)
    }

    @Test func pathsAreSeenFromTheFileThatNamesThem() {
        let context = LoadContext.system
        #expect(context.resolve("s.toml", relativeTo: "/etc/spillway/a.toml") == "/etc/spillway/s.toml")
        #expect(context.resolve("/s.toml", relativeTo: "/etc/spillway/a.toml") == "/s.toml")
        #expect(context.resolve("s.toml", relativeTo: "a.toml") == "s.toml")
    }

    @Test func pins() throws {
        let c = try aggregationPoint([
            "a.toml": head + """
                [[pin]]
                leg = "dsl"
                description = "calls"
                destination_ip = "203.0.113.0/28"
                [[pin]]
                leg = "lte"
                source_port = "7300-7310"
                """
        ])
        #expect(c.pins.map(\.leg) == [.dsl, .lte])
        #expect(c.pins.map(\.item.kind) == [.destinationIP, .sourcePort] && c.pins[0].item.description == "calls")
        for key in ["fqdn = \"a.example\"", "source_mac = \"02:00:00:00:00:01\""] {
            let found = problems(head + "[[pin]]\nleg = \"dsl\"\n" + key)
            #expect(found.count == 1 && found[0].contains("packets on their way to gateways do not tell it"), "\(found)")
        }
        #expect(problems(head + "[[pin]]\ndscp = 46").map { $0.hasSuffix("pin.leg: required, but missing") } == [true])
    }
}
