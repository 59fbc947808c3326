import Addresses
import Configuration
import GREBonding
import NFTables
import NetlinkKit
import Testing

@testable import Controller

@Suite struct DisjointRangesTests {
    private func pieces(_ ranges: [ClosedRange<UInt128>]) -> [String] {
        DisjointRanges(ranges).pieces.map { "\($0.range.lowerBound)-\($0.range.upperBound):\($0.owner)" }
    }

    @Test func theFirstThatCoversAPieceHasIt() {
        #expect(pieces([]) == [])
        #expect(pieces([5...9, 1...3]) == ["1-3:1", "5-9:0"])
        #expect(pieces([5...9, 1...20]) == ["1-4:1", "5-9:0", "10-20:1"])
        #expect(pieces([1...20, 5...9]) == ["1-20:0"])
        #expect(pieces([1...5, 5...9]) == ["1-5:0", "6-9:1"])
        #expect(pieces([4...4, 4...4]) == ["4-4:0"])
        #expect(pieces([0...UInt128.max, 7...UInt128.max]) == ["0-\(UInt128.max):0"])
        #expect(pieces([7...UInt128.max, 0...8]) == ["0-6:1", "7-\(UInt128.max):0"])
    }

    /// Against every single number.
    @Test func piecesCoverWhatTheRangesCover() {
        var random = LinearCongruential(state: 1)
        for _ in 0..<300 {
            let ranges = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                let low = UInt128(Int.random(in: 0...40, using: &random))
                return low...(low + UInt128(Int.random(in: 0...20, using: &random)))
            }
            let found = DisjointRanges(ranges).pieces
            for number in UInt128(0)...70 {
                let holding = found.filter { $0.range.contains(number) }
                #expect(holding.count <= 1 && holding.first?.owner == ranges.firstIndex { $0.contains(number) })
            }
            let pairs = ranges.map { ($0, (40 - min(40, $0.lowerBound))...45) }
            let cut = DisjointRectangles(pairs)
            #expect(cut.left.isEmpty)
            for (x, y) in [(0, 45), (7, 40), (20, 30), (33, 12), (40, 0)] as [(UInt128, UInt128)] {
                let holding = cut.pieces.filter { $0.first.contains(x) && $0.second.contains(y) }
                let owner = pairs.firstIndex { $0.0.contains(x) && $0.1.contains(y) }
                #expect(holding.count <= 1 && holding.first?.owner == owner)
            }
        }
    }

    /// Ports over nested networks: n² pieces if all were taken.
    @Test func whatOverlapsTooMuchIsLeftOut() {
        func one(_ low: Int, _ high: Int, _ port: Int) -> (first: ClosedRange<UInt128>, second: ClosedRange<UInt128>) {
            (UInt128(low)...UInt128(high), UInt128(port)...UInt128(port))
        }
        let nested = (0..<2000).map { one($0, 100_000 - $0, 2 * $0) }
        let cut = DisjointRectangles(nested)
        #expect(cut.left.count == 2000 - DisjointRectangles.depthLimit)
        #expect(cut.pieces.count < 4000)
        let apart = (0..<2000).map { one(3 * $0, 3 * $0 + 1, 7) }
        #expect(DisjointRectangles(apart).left.isEmpty && DisjointRectangles(apart).pieces.count == 2000)
    }
}

struct LinearCongruential: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

@Suite struct MatchSetsTests {
    static let items: [FilterItem] = [
        .init(.fqdn, description: "name", value: "www.example.net"),
        .init(.dscp, description: "dscp", value: "46"),
        .init(.destinationPort, description: "dport", value: "8000-8080"),
        .init(.destinationIP, description: "daddr", value: "203.0.113.16/28"),
        .init(.destinationIP, description: "daddr6", value: "2001:db8:5::10/124"),
        .init(.destinationIPAndPort, description: "daddr port", value: "203.0.113.40:443"),
        .init(.sourcePort, description: "sport", value: "6000"),
        .init(.sourceIP, description: "saddr", value: "192.168.2.64/30"),
        .init(.sourceIPAndPort, description: "saddr port", value: "[2001:db8:a::46]:5000"),
        .init(.sourceMAC, description: "mac", value: "02:00:5e:10:00:01"),
        .init(.protocol, description: "protocol", value: "etherip"),
        .init(.sourceIPRange, description: "saddr range", value: "192.168.2.80-192.168.2.90"),
        .init(.destinationIPRange, description: "daddr range", value: "203.0.113.100-203.0.113.110"),
        .init(.sourceIPRangeAndPort, description: "saddr range port", value: "192.168.2.100-192.168.2.110:5500-5510"),
        .init(.destinationIPRangeAndPort, description: "daddr range port", value: "203.0.113.120-203.0.113.130:9000"),
    ]

    @Test func eachTypeHasItsSet() {
        let sets = MatchSets(Self.items)
        #expect(sets.applied == Self.items.count && sets.problems.isEmpty && sets.names == ["www.example.net"])
        let expected: [MatchShape: Int] = [
            .mac: 1, .protocol: 1, .dscp4: 1, .dscp6: 1, .destinationPort: 1, .sourcePort: 1, .destination4: 2,
            .destination6: 1, .source4: 2, .destinationAndPort4: 1, .destinationAndPortRange4: 1,
            .sourceAndPortRange4: 1, .sourceAndPort6: 1,
        ]
        #expect(sets.elements.mapValues(\.count) == expected)
        #expect(
            sets.elements[.dscp6]
                == [Element(.integer(0x6B80, length: 2), comment: "dscp")])
        #expect(
            sets.elements[.destinationAndPortRange4]?.last
                == Element(
                    .ipv4(IPv4Address(203, 0, 113, 120)), .inetService(9000),
                    through: [.ipv4(IPv4Address(203, 0, 113, 130)), .inetService(9000)], comment: "daddr range port"))
    }

    @Test func aBadItemIsNamedAndTheRestStays() {
        let sets = MatchSets(
            Self.items + [
                .init(.dscp, description: "too \"high\"", value: "64"), .init(type: 15, descriptionBytes: [], value: [65]),
                .init(.destinationPort, enabled: false, description: "off", value: "1"),
            ])
        #expect(sets.applied == Self.items.count)
        #expect(
            sets.problems == [.init(item: "too 'high'", reason: "invalid_dscp"), .init(item: "A", reason: "reserved_type")])
    }

    @Test func labelsFitIntoAComment() {
        let item = FilterItem(.dscp, description: String(repeating: "ü", count: 200) + "\"", value: "1")
        #expect(MatchSets.label(item).utf8.count == 120)
        #expect(MatchSets.label(FilterItem(.dscp, description: "", value: "1")) == "1")
    }
}

@Suite struct PolicyTableTests {
    static func table() -> PolicyTable { PolicyTable(settings()) }

    static func settings() -> HomeGatewayConfiguration {
        var settings = HomeGatewayConfiguration(
            haap: .address(.v4(IPv4Address(10, 9, 0, 1))), cin: ClientIdentificationName("gateway")!,
            dsl: LegConfiguration(interface: InterfaceName("dsl")!), lte: LegConfiguration(interface: InterfaceName("lte")!))
        settings.lan = [InterfaceName("lan")!]
        settings.dsl.prefix = IPPrefix("2001:db8:aa::/56")
        settings.exceptions = [FilterItem(.destinationPort, description: "stays", value: "22")]
        settings.pins = [Pin(FilterItem(.dscp, description: "voice", value: "46"), .dsl)]
        return settings
    }

    @Test func answersHaveSourceAndDestinationTheOtherWayRound() throws {
        let sets = MatchSets(MatchSetsTests.items, isMirrored: true)
        let plain = MatchSets(MatchSetsTests.items)
        #expect(sets.names.isEmpty && sets.elements[.mac] == nil)
        #expect(sets.elements[.source4] == plain.elements[.destination4])
        #expect(sets.elements[.destinationAndPort6] == plain.elements[.sourceAndPort6])
        #expect(sets.elements[.destinationAndPortRange4] == plain.elements[.sourceAndPortRange4])
        #expect(sets.elements[.sourceAndPortRange4] == plain.elements[.destinationAndPortRange4])
        #expect(sets.elements[.destination4] == plain.elements[.source4])
        #expect(sets.elements[.sourcePort] == plain.elements[.destinationPort])
        #expect(sets.elements[.protocol] == plain.elements[.protocol] && sets.elements[.dscp6] == plain.elements[.dscp6])
        #expect(sets.applied + sets.problems.filter { $0.reason == "answers_do_not_tell" }.count == plain.applied)
    }
}
