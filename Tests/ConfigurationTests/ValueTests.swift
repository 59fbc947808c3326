import Addresses
import Testing

@testable import Configuration

@Suite struct ValueTests {
    @Test(arguments: [
        ("50 Mbit/s", 50_000_000), ("800kbit/s", 800_000), ("1.5 Gbit/s", 1_500_000_000), ("7 bit/s", 7),
        ("0.000001 Mbit/s", 1), ("16.384 KBIT/S", 16384), ("18446744073709551615 bit/s", UInt64.max),
    ] as [(String, UInt64)])
    func readsRates(text: String, bits: UInt64) {
        #expect(BitRate(text)?.bitsPerSecond == bits)
    }

    @Test(arguments: [
        "", "50", "50 MB/s", "50 Mbit", ".5 Mbit/s", "5. Mbit/s", "1.2.3 Mbit/s", "-1 Mbit/s", "+1 Mbit/s", "0.5 bit/s",
        "1,5 Mbit/s", " 50 Mbit/s", "50 Mbit/s ", "18446744073709551616 bit/s", "18446744073709551615 kbit/s",
        "18446744073709551.616 kbit/s", "1e3 bit/s", "٥ bit/s", "50\tMbit/s", "0.0000000001 Gbit/s",
    ])
    func refusesRates(text: String) {
        #expect(BitRate(text) == nil)
    }

    @Test(arguments: [0, 1, 999, 1000, 1_500_000, 50_000_000, 1_500_000_000, UInt64.max])
    func ratesReadBack(bits: UInt64) {
        let rate = BitRate(bitsPerSecond: bits)
        #expect(BitRate(rate.description) == rate)
    }

    @Test func convertsRates() {
        #expect(BitRate(kilobitsPerSecond: 50_000).kilobitsPerSecond == 50_000)
        #expect(BitRate(bitsPerSecond: 1999).kilobitsPerSecond == 1)
        #expect(BitRate(bitsPerSecond: .max).kilobitsPerSecond == .max)
        #expect(BitRate(kilobitsPerSecond: .max).bitsPerSecond == .max)
        #expect(BitRate(bitsPerSecond: 8000).bytesPerSecond == 1000)
        #expect(BitRate(bitsPerSecond: 50_000_000).bytes(in: Milliseconds(4)) == 25_000)
        #expect(BitRate(bitsPerSecond: .max).bytes(in: Milliseconds(.max)) == .max)
        #expect(BitRate(bitsPerSecond: .max).bytes(in: Milliseconds(8000)) == .max)
    }

    @Test(arguments: [
        ("80 ms", 80), ("2s", 2000), ("1.5 s", 1500), ("24 h", 86_400_000), ("5 min", 300_000), ("2 d", 172_800_000),
        ("0 s", 0),
    ] as [(String, UInt64)])
    func readsTimes(text: String, milliseconds: UInt64) {
        #expect(Milliseconds(text)?.rawValue == milliseconds)
    }

    @Test(arguments: ["80", "0.5 ms", "80 msec", "-1 s", "1 m", "", "s", "99999999999999999999 s"])
    func refusesTimes(text: String) {
        #expect(Milliseconds(text) == nil)
    }

    @Test func showsTimes() {
        #expect(Milliseconds(86_400_000).description == "1 d")
        #expect(Milliseconds(90_000).description == "90 s")
        #expect(Milliseconds(0).description == "0 ms")
        #expect(Milliseconds.seconds(.max).rawValue == .max)
        #expect(Milliseconds(.max).seconds == .max)
    }

    @Test func interfaceNames() {
        #expect(InterfaceName("eth0")?.description == "eth0")
        #expect(InterfaceName("123456789012345") != nil)
        for name in ["", ".", "..", "1234567890123456", "a/b", "a:b", "a b", "bond%d", "a\u{0}", "a\n", "éééééééé"] {
            #expect(InterfaceName(name) == nil, "\(name)")
        }
    }

    @Test func aggregationPoints() {
        #expect(AggregationPointAddress("192.0.2.1") == .address(.v4(IPv4Address(192, 0, 2, 1))))
        #expect(AggregationPointAddress("2001:db8::1")?.family == .v6)
        #expect(AggregationPointAddress("HAAP.example.NET.") == .name("haap.example.net"))
        #expect(AggregationPointAddress("haap")?.family == nil)
        let bad = [
            "", ".", "0.0.0.0", "::", "224.0.0.1", "127.0.0.1", "192.0.2.256", "192.0.2", "a..b", "-a.net", "a-.net",
            "a_b.net", "a b", "ü.net", "fe80::1%eth0", String(repeating: "a", count: 64),
        ]
        for text in bad { #expect(AggregationPointAddress(text) == nil, "\(text)") }
    }

    @Test func committedRateAndBurst() {
        var colour = ColourConfiguration()
        #expect(colour.cir(of: BitRate(bitsPerSecond: 50_000_000)).bitsPerSecond == 49_500_000)
        #expect(colour.cir(of: BitRate(bitsPerSecond: 199)).bitsPerSecond == 197)
        #expect(colour.burstBytes(cir: BitRate(bitsPerSecond: 49_500_000), mtu: 1440) == 24_750)
        #expect(colour.burstBytes(cir: BitRate(bitsPerSecond: 1_000_000), mtu: 1440) == 2880)
        colour.cirShare = 100
        #expect(colour.cir(of: BitRate(bitsPerSecond: .max)).bitsPerSecond == .max)
    }

    @Test func suggestsTheKeyThatWasMeant() {
        let keys = ["interface", "gateway", "upstream", "downstream", "link_overhead", "cin"]
        #expect(Spelling.nearest(to: "interfase", among: keys) == "interface")
        #expect(Spelling.nearest(to: "LinkOverhead", among: keys) == "link_overhead")
        #expect(Spelling.nearest(to: "gatewya", among: keys) == "gateway")
        #expect(Spelling.nearest(to: "cni", among: keys) == "cin")
        #expect(Spelling.nearest(to: "colour", among: keys) == nil)
        #expect(Spelling.nearest(to: String(repeating: "x", count: 1000), among: keys) == nil)
        #expect(Spelling.distance("abc", "") == 3)
    }
}
