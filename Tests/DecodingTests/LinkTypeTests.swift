import Addresses
import GREBonding
import Testing

@testable import Decoding

@Suite struct LinkTypeTests {
    private static let gre = Samples.hello.serialized(dialect: .rfc8157)
    private static let v4 = Build.ipv4(gre)
    private static let v6 = Build.ipv6(gre)

    /// For every link type: what it begins with when it carries IPv4, and when it carries IPv6.
    static let headers: [(LinkType, v4: String?, v6: String?)] = [
        (.null, "02000000", "0a000000"),
        (.null, "00000002", "0000001e"),
        (.loop, "00000002", "00000018"),
        (.ethernet, "020000000001 020000000002 0800", "020000000001 020000000002 86dd"),
        (.ppp, "ff03 0021", "ff03 0057"),
        (.ppp, "0021", "0057"),
        (.pppSerial, "ff03 0021", "ff03 0057"),
        (.pppSerial, "ff03 21", "57"),
        (.rawIP, "", ""),
        (.rawIPv4, "", nil),
        (.rawIPv6, nil, ""),
        (.linuxSLL, "0004 0001 0006 020000000001 0000 0800", "0004 0200 0000 0000000000000000 86dd"),
        (
            .linuxSLL2, "0800 0000 00000003 0001 04 06 020000000001 0000",
            "86dd 0000 00000003 0200 00 00 0000000000000000"
        ),
    ]

    @Test func everyLinkTypeCarriesBothFamilies() throws {
        #expect(Set(Self.headers.map(\.0)).union([.pppoe]) == Set(LinkType.allCases))
        for (type, v4, v6) in Self.headers {
            if let v4 { try check([UInt8](hex: v4) + Self.v4, type, "192.0.2.1", "192.0.2.2") }
            if let v6 { try check([UInt8](hex: v6) + Self.v6, type, "2001:db8::1", "2001:db8::2") }
        }
    }

    private func check(_ frame: [UInt8], _ type: LinkType, _ source: String, _ destination: String) throws {
        let packet = try #require(control(frame, type), "\(type)")
        #expect(packet.linkType == type)
        #expect(packet.source.description == source)
        #expect(packet.destination.description == destination)
        #expect(packet.message.attributes.map(\.attribute) == Samples.hello.attributes)
        #expect(packet.problems.isEmpty)
        #expect(packet.vlans.isEmpty && packet.pppoeSession == nil)
    }

    @Test func tagsAndSessions() throws {
        let ppp = [0x00, 0x21] + Self.v4
        let one = try #require(control(Build.ethernet(0x8100, [UInt8](hex: "6007 0800") + Self.v4), .ethernet))
        #expect(one.vlans == [7])
        let two = try #require(
            control(Build.ethernet(0x88A8, [UInt8](hex: "0064 8100 0fff 86dd") + Self.v6), .ethernet))
        #expect(two.vlans == [100, 4095])
        let pppoe = try #require(
            control(Build.ethernet(0x8100, [UInt8](hex: "0007 8864") + Build.pppoe(ppp)), .ethernet))
        #expect(pppoe.vlans == [7] && pppoe.pppoeSession == 0x1234)
        #expect(try #require(control(Build.pppoe(ppp), .pppoe)).pppoeSession == 0x1234)
        let cooked = [UInt8](hex: "0004 0001 0006 020000000001 0000 8100 0007 0800") + Self.v4
        #expect(try #require(control(cooked, .linuxSLL)).vlans == [7])
    }

    @Test func paddingIsNotPartOfTheMessage() throws {
        let frame = Build.ethernet(0x0800, Self.v4 + [1, 2, 3])
        #expect(try #require(control(frame, .ethernet)).problems.isEmpty)
        let session = Build.pppoe([0x00, 0x57] + Build.ipv6(Self.gre, payloadLength: 0))
        #expect(try #require(control(Build.ethernet(0x8864, session + [4, 5, 6]), .ethernet)).problems.isEmpty)
    }

    @Test func whatIsNotIP() {
        let frames: [([UInt8], LinkType)] = [
            (Build.ethernet(0x0806, [1]), .ethernet), (Build.ethernet(0x8863, [1]), .ethernet),
            (Build.ethernet(0x8864, Build.pppoe([0xC0, 0x21, 1])), .ethernet), ([UInt8](hex: "ff03 8021 01"), .ppp),
            ([UInt8](hex: "07000000 45"), .null), (Build.ipv4(Self.gre, protocolNumber: 17), .rawIP),
        ]
        for (frame, type) in frames {
            guard case .other = parse(frame, type) else {
                Issue.record("\(type): \(frame)")
                continue
            }
        }
        for (frame, type) in [([UInt8](hex: "15"), LinkType.rawIP), (Self.v4, .rawIPv6), (Self.v6, .rawIPv4)] {
            guard case .unreadable = parse(frame, type) else {
                Issue.record("\(type): \(frame)")
                continue
            }
        }
    }
}
