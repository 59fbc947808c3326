import Addresses
import Testing

@testable import GREBonding

@Suite struct FilterRuleTests {
    private static func prefix(_ text: String) -> IPPrefix { IPPrefix(text)! }
    private static func range(_ low: String, _ high: String) -> FilterRule.AddressRange {
        FilterRule.AddressRange(IPAddress(low)!, IPAddress(high)!)!
    }

    static let good: [(FilterItem.Kind, String, FilterRule.Match)] = [
        (.fqdn, "stun.example.net", .fqdn("stun.example.net")),
        (.fqdn, "WWW.Example.NET.", .fqdn("www.example.net")),
        (.dscp, "46", .dscp(46)), (.dscp, " 0 ", .dscp(0)), (.dscp, "63", .dscp(63)),
        (.destinationPort, "5060", .destinationPort(5060...5060)),
        (.destinationPort, "0-1023", .destinationPort(0...1023)),
        (.sourcePort, "65535", .sourcePort(65535...65535)),
        (.destinationIP, "198.51.96.0/21", .destinationIP(prefix("198.51.96.0/21"))),
        (.destinationIP, "2001:db8:2:100::202/64", .destinationIP(prefix("2001:db8:2:100::/64"))),
        (.destinationIP, "192.0.2.77/24", .destinationIP(prefix("192.0.2.0/24"))),
        (.sourceIP, "192.0.2.1", .sourceIP(prefix("192.0.2.1/32"))),
        (.sourceIP, "[2001:db8::1]", .sourceIP(prefix("2001:db8::1/128"))),
        (.destinationIPAndPort, "192.0.2.40/32:44300", .destinationIPAndPort(prefix("192.0.2.40/32"), 44300...44300)),
        (.destinationIPAndPort, "192.0.2.40:80-90", .destinationIPAndPort(prefix("192.0.2.40/32"), 80...90)),
        (.sourceIPAndPort, "[2001:db8::1]/64:443", .sourceIPAndPort(prefix("2001:db8::/64"), 443...443)),
        (.sourceIPAndPort, "[2001:db8::1/64]:443", .sourceIPAndPort(prefix("2001:db8::/64"), 443...443)),
        (.sourceIPAndPort, "2001:db8::1/64:443", .sourceIPAndPort(prefix("2001:db8::/64"), 443...443)),
        (.sourceIPAndPort, "2001:db8::1:443", .sourceIPAndPort(prefix("2001:db8::1/128"), 443...443)),
        (.sourceIPAndPort, "2001:db8:::443", .sourceIPAndPort(prefix("2001:db8::/128"), 443...443)),
        (.sourceIPAndPort, "1:2:3:4:5:6:7:8:443", .sourceIPAndPort(prefix("1:2:3:4:5:6:7:8/128"), 443...443)),
        (.sourceMAC, "02:00:5e:10:00:Ff", .sourceMAC(.init(bytes: [2, 0, 0x5e, 0x10, 0, 0xff])!)),
        (.sourceMAC, "02-00-5E-10-00-FF", .sourceMAC(.init(bytes: [2, 0, 0x5e, 0x10, 0, 0xff])!)),
        (.sourceMAC, "0200.5e10.00ff", .sourceMAC(.init(bytes: [2, 0, 0x5e, 0x10, 0, 0xff])!)),
        (.sourceMAC, "02005e1000ff", .sourceMAC(.init(bytes: [2, 0, 0x5e, 0x10, 0, 0xff])!)),
        (.protocol, "17", .protocol(17)), (.protocol, "UDP", .protocol(17)), (.protocol, "ipv6-icmp", .protocol(58)),
        (.protocol, "255", .protocol(255)),
        (.sourceIPRange, "192.0.2.1-192.0.2.9", .sourceIPRange(range("192.0.2.1", "192.0.2.9"))),
        (.destinationIPRange, "192.0.2.77/24", .destinationIPRange(range("192.0.2.0", "192.0.2.255"))),
        (.destinationIPRange, "0.0.0.0/0", .destinationIPRange(range("0.0.0.0", "255.255.255.255"))),
        (
            .destinationIPRange, "2001:db8::/65",
            .destinationIPRange(range("2001:db8::", "2001:db8::7fff:ffff:ffff:ffff"))
        ),
        (
            .destinationIPRange, "2001:db8::/32",
            .destinationIPRange(range("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"))
        ),
        (.destinationIPRange, "::1/128", .destinationIPRange(range("::1", "::1"))),
        (.destinationIPRange, "[2001:db8::1]-[2001:db8::9]", .destinationIPRange(range("2001:db8::1", "2001:db8::9"))),
        (
            .sourceIPRangeAndPort, "192.0.2.1-192.0.2.9:554",
            .sourceIPRangeAndPort(range("192.0.2.1", "192.0.2.9"), 554...554)
        ),
        (
            .destinationIPRangeAndPort, "[2001:db8::1-2001:db8::9]:80-81",
            .destinationIPRangeAndPort(range("2001:db8::1", "2001:db8::9"), 80...81)
        ),
        (
            .destinationIPRangeAndPort, "2001:db8::1-2001:db8::9:80",
            .destinationIPRangeAndPort(range("2001:db8::1", "2001:db8::9"), 80...80)
        ),
        (
            .destinationIPRangeAndPort, "198.51.100.0/24:123",
            .destinationIPRangeAndPort(range("198.51.100.0", "198.51.100.255"), 123...123)
        ),
    ]

    @Test(arguments: good)
    func reads(kind: FilterItem.Kind, value: String, match: FilterRule.Match) throws {
        let rule = try FilterRule(FilterItem(kind, enabled: false, description: "D", value: value))
        #expect(rule.match == match)
        #expect(!rule.isEnabled)
        #expect(rule.description == "D")
    }

    @Test func aWildcardIsTakenWhereItIsWanted() throws {
        func fqdn(_ value: String) -> FilterRule.Match? {
            try? FilterRule(FilterItem(.fqdn, description: "D", value: value), wildcards: true).match
        }
        #expect(fqdn("*.Example.NET.") == .fqdn("*.example.net"))
        #expect(fqdn("www.example.net") == .fqdn("www.example.net"))
        for value in ["*", "*.", "*.*.example.net", "www.*.net", "*example.net", "**.net", "*.a b"] {
            #expect(fqdn(value) == nil, "\(value)")
        }
    }

    static let bad: [(FilterItem.Kind, String, FilterRuleError.Reason)] = [
        (.fqdn, "", .invalidFQDN), (.fqdn, ".", .invalidFQDN), (.fqdn, "a..b", .invalidFQDN),
        (.fqdn, "*.example.net", .invalidFQDN), (.fqdn, "-a.example", .invalidFQDN),
        (.fqdn, "münchen.example", .invalidFQDN),
        (.fqdn, "a b", .invalidFQDN), (.fqdn, String(repeating: "a", count: 64), .invalidFQDN),
        (.dscp, "64", .invalidDSCP), (.dscp, "-1", .invalidDSCP), (.dscp, "+1", .invalidDSCP),
        (.dscp, "", .invalidDSCP),
        (.dscp, "99999999999999999999", .invalidDSCP),
        (.destinationPort, "65536", .invalidPort), (.destinationPort, "90-80", .invalidPort),
        (.destinationPort, "80-", .invalidPort), (.destinationPort, "-80", .invalidPort),
        (.destinationPort, "", .invalidPort),
        (.sourcePort, "1-2-3", .invalidPort), (.sourcePort, "http", .invalidPort),
        (.destinationIP, "192.0.2.0/33", .invalidPrefix), (.destinationIP, "192.0.2", .invalidPrefix),
        (.destinationIP, "2001:db8::/129", .invalidPrefix), (.destinationIP, "", .invalidPrefix),
        (.destinationIP, "[2001:db8::1", .invalidPrefix), (.destinationIP, "[192.0.2.1]2/24", .invalidPrefix),
        (.destinationIP, "[2001:db8::/6]4", .invalidPrefix), (.destinationIP, "[]", .invalidPrefix),
        (.sourceIPRange, "192.0.2.1]-[192.0.2.9", .invalidAddressRange), (.sourceIPRange, "[", .invalidAddressRange),
        (.destinationIPAndPort, "192.0.2.40/32", .missingPort), (.destinationIPAndPort, "192.0.2.40/32:", .invalidPort),
        (.destinationIPAndPort, "2001:db8::", .missingPort), (.destinationIPAndPort, "[2001:db8::1]/64", .missingPort),
        (.destinationIPAndPort, "1:2:3:4:5:6:7:8", .missingPort), (.destinationIPAndPort, "x:80", .invalidPrefix),
        (.destinationIPAndPort, "2001:db8::1:abcd", .invalidPort), (.destinationIPAndPort, ":", .invalidPrefix),
        (.sourceMAC, "02:00:5e:10:00", .invalidMAC), (.sourceMAC, "02:00:5e:10:00:fg", .invalidMAC),
        (.sourceMAC, "02:00-5e:10:00:ff", .invalidMAC), (.sourceMAC, "", .invalidMAC),
        (.sourceMAC, "2:0:5e:10:0:ff", .invalidMAC),
        (.protocol, "256", .unknownProtocol), (.protocol, "nonsense", .unknownProtocol),
        (.protocol, "", .unknownProtocol),
        (.sourceIPRange, "192.0.2.9-192.0.2.1", .invalidAddressRange),
        (.sourceIPRange, "192.0.2.1-2001:db8::1", .invalidAddressRange), (.sourceIPRange, "-", .invalidAddressRange),
        (.sourceIPRange, "[2001:db8::1-2001:db8::9", .invalidAddressRange),
        (.sourceIPRangeAndPort, "192.0.2.1-192.0.2.9", .missingPort),
        (.sourceIPRangeAndPort, "192.0.2.9-192.0.2.1:80", .invalidAddressRange),
    ]

    @Test(arguments: bad)
    func refuses(kind: FilterItem.Kind, value: String, reason: FilterRuleError.Reason) throws {
        let error = #expect(throws: FilterRuleError.self) {
            try FilterRule(FilterItem(kind, description: "BAD-ONE", value: value))
        }
        #expect(error?.reason == reason)
        #expect(error?.description.contains("BAD-ONE") == true)
    }

    @Test func refusesReservedNumbersAndBytesThatAreNoText() {
        func reason(_ item: FilterItem) -> FilterRuleError.Reason? {
            do throws(FilterRuleError) {
                _ = try FilterRule(item)
                return nil
            } catch {
                return error.reason
            }
        }
        let value = Array("46".utf8)
        #expect(reason(FilterItem(type: 15, descriptionBytes: [], value: value)) == .reservedType)
        #expect(reason(FilterItem(type: 0, descriptionBytes: [], value: value)) == .reservedType)
        #expect(reason(FilterItem(type: 2, enable: 2, descriptionBytes: [], value: value)) == .reservedEnable)
        #expect(reason(FilterItem(type: 2, descriptionBytes: [], value: [0xFF])) == .notUTF8)
        #expect(reason(FilterItem(type: 2, descriptionBytes: [0xFF, 0x1B], value: value)) == nil)
    }

    @Test func everyItemOfTheDeployedListIsRead() throws {
        let vector = try #require(DeployedSession.messages.first { $0.name == "lte-040-notify" })
        let message = try ControlMessage(parsing: vector.bytes, dialect: .deployed)
        let rules = try message.filterListPackages.flatMap(\.items).map { item throws in try FilterRule(item) }
        #expect(rules.count == 14)
        #expect(rules[3].match == .destinationIPAndPort(IPPrefix("192.0.2.40/32")!, 44300...44300))
        #expect(rules[6].match == .destinationIP(IPPrefix("2001:db8:2:100::/64")!))
        #expect(rules.allSatisfy { $0.isEnabled })
    }
}
