import Glibc
import Testing

@testable import Addresses

@Suite struct AddressesTests {
    @Test(arguments: ["0.0.0.0", "192.0.2.1", "255.255.255.255"])
    func ipv4RoundTrip(_ text: String) throws {
        let a = try #require(IPv4Address(text))
        #expect(a.description == text)
        #expect(IPv4Address(bytes: a.bytes) == a)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "+1.2.3.4", "1.2.3.", "a.b.c.d", "1.2.3.4 "])
    func ipv4Refused(_ text: String) { #expect(IPv4Address(text) == nil) }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("2001:db8::1", "2001:db8::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("::ffff:192.0.2.1", "::ffff:c000:201"), ("fe80::", "fe80::"),
        ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func ipv6RoundTrip(_ text: String, _ canonical: String) throws {
        let a = try #require(IPv6Address(text))
        #expect(a.description == canonical)
        #expect(IPv6Address(canonical) == a)
        #expect(IPv6Address(bytes: a.bytes) == a)
    }

    @Test(arguments: [
        "", ":", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "g::",
        "::1%eth0", "1.2.3.4::", "+1::", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:",
    ])
    func ipv6Refused(_ text: String) { #expect(IPv6Address(text) == nil) }

    /// Each byte of some texts made another one, left out or doubled.
    @Test func whatIsTakenIsWhatTheSystemTakes() {
        let samples = [
            "192.0.2.1", "255.255.255.255", "0.0.0.0", "10.9.80.100", "::", "::1", "1::", "2001:db8::1",
            "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1",
            "1:2:3:4:5::192.0.2.1", "fe80:0:0:ABCD::00f0", "1:2:3:4:5:6:7:8:9", "1::2::3",
            "0000:0000:0000:0000:0000:ffff:255.255.255.255",
        ]
        func check(_ bytes: [UInt8]) {
            let text = String(decoding: bytes, as: UTF8.self)
            var v4 = in_addr(), v6 = in6_addr()
            let is4 = inet_pton(AF_INET, text, &v4) == 1, is6 = inet_pton(AF_INET6, text, &v6) == 1
            #expect(IPv4Address(text)?.bytes == (is4 ? withUnsafeBytes(of: v4) { Array($0) } : nil), "\(text)")
            #expect(IPv6Address(text)?.bytes == (is6 ? withUnsafeBytes(of: v6) { Array($0) } : nil), "\(text)")
        }
        for sample in samples.map({ Array($0.utf8) }) {
            check(sample)
            for at in sample.indices {
                check(Array(sample[..<at] + sample[(at + 1)...]))
                check(Array(sample[...at] + sample[at...]))
                for other in "0129afAFg:. %+-é".utf8 {
                    check(Array(sample[..<at] + [other] + sample[(at + 1)...]))
                    check(Array(sample[..<at] + [other] + sample[at...]))
                }
            }
        }
    }

    @Test func prefixes() throws {
        let p = try #require(IPPrefix("2001:db8:2:100::202/64"))
        #expect(p.masked.description == "2001:db8:2:100::/64")
        #expect(p.contains(try #require(IPAddress("2001:db8:2:100:ffff::1"))))
        #expect(!p.contains(try #require(IPAddress("2001:db8:2:101::1"))))
        #expect(!p.contains(try #require(IPAddress("192.0.2.1"))))
        #expect(try #require(IPPrefix("198.51.100.77/20")).masked.description == "198.51.96.0/20")
        #expect(IPPrefix("192.0.2.1")?.length == 32)
        for bad in [
            "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "/8", "192.0.2.0/8/8", "::/129", "::/256", "::/0064",
            "::/+8", "::/8 ",
        ] {
            #expect(IPPrefix(bad) == nil, "\(bad)")
        }
        #expect(IPPrefix.all(.v6).contains(try #require(IPAddress("::1"))))
    }
}
