import Addresses
import GREBonding
import NFTables
import NetlinkKit
import Testing

@testable import Controller

@Suite struct PlanTests {
    private static let table = OuterTable(
        family: .v4, canonical: .v4(IPv4Address(192, 0, 0, 8)),
        legs: [
            .init(id: .primary, label: "dsl", interface: "dsl"), .init(id: .secondary, label: "lte", interface: "lte"),
        ], source: .perLeg, markMask: 0xF000_0000, queues: 5300...5300, controlProtocol: 0xB7EA, overflowHold: 2000)

    private static func objects(_ legs: [LegID: IPAddress]) -> [KernelObject] {
        let h = IPAddress.v4(IPv4Address(10, 9, 0, 1))
        let both = legs.count > 1
        let distribution: Bond.Distribution =
            both ? .overflow(.primary, .secondary) : .only(legs.keys.first ?? .secondary)
        let bond = Bond(
            sessionID: 1, key: 0x5A5A_2A36, aggregator: h, legs: legs, distribution: distribution,
            committedInformationRate: 50_000, client: ClientIdentificationName("gateway-1")!)
        return BondObjects(
            outer: table, sets: table.bondSets(), device: "bond0", canonicalRemote: .v4(IPv4Address(192, 0, 0, 9)), mtu: 1468,
            alias: "spillway bond", receiveFrom: legs.mapValues { _ in h }, sendTo: legs.mapValues { _ in h },
            sendFrom: legs,
            colouring: Colouring(distribution, table: table, rate: 6_250_000, burst: 25_000, overhead: 46)
        ).objects(bond)
    }

    private static let d = IPAddress.v4(IPv4Address(10, 1, 0, 2))
    private static let e = IPAddress.v4(IPv4Address(10, 2, 0, 2))

    @Test func whatIsThereIsNotTouched() {
        let objects = Self.objects([.primary: Self.d, .secondary: Self.e])
        #expect(!Plan(from: [], to: objects).isEmpty)
        #expect(Plan(from: objects, to: objects).isEmpty)
    }

    @Test func aLegIsOpenBeforeAnythingIsSentOnIt() throws {
        let plan = Plan(from: Self.objects([.secondary: Self.e]), to: Self.objects([.primary: Self.d, .secondary: Self.e]))
        let colour = try #require(plan.steps.firstIndex { if case .colouring = $0.object { true } else { false } })
        let elements = plan.steps.indices.filter { plan.steps[$0].isElement }
        #expect(!elements.isEmpty && elements.allSatisfy { $0 < colour })
        #expect(!plan.steps.contains { if case .link = $0.object { true } else { false } }, "the device stays")
    }

    @Test func aLostLegIsNoLongerSentOnBeforeItIsClosed() throws {
        let plan = Plan(from: Self.objects([.primary: Self.d, .secondary: Self.e]), to: Self.objects([.secondary: Self.e]))
        let colour = try #require(plan.steps.firstIndex { if case .colouring = $0.object { true } else { false } })
        let elements = plan.steps.indices.filter { plan.steps[$0].isElement }
        #expect(elements.count == 4 && elements.allSatisfy { $0 > colour })
    }

    @Test func aLegThatMovesIsOneElement() {
        let plan = Plan(
            from: Self.objects([.primary: Self.d, .secondary: Self.e]),
            to: Self.objects([.primary: Self.d, .secondary: .v4(IPv4Address(10, 2, 0, 77))]))
        #expect(plan.steps.count == 1)
        guard case .change(.element, .element(let set, _))? = plan.steps.first else {
            Issue.record("\(plan.steps)")
            return
        }
        #expect(set.set.name == "lte_from")
    }

    @Test func devicesGoLast() throws {
        let plan = Plan(from: Self.objects([.primary: Self.d]), to: [])
        guard case .remove(.link)? = plan.steps.last else {
            Issue.record("\(plan.steps)")
            return
        }
    }
}

@Suite struct PacketTests {
    private func header(_ bytes: [UInt8]) -> OuterHeader? { OuterHeader(bytes.span.bytes) }

    private let ipv4: [UInt8] = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 0, 9, 192, 0, 0, 8]
    private let gre: [UInt8] = [0x30, 0, 8, 0, 0x5A, 0x5A, 0x2A, 0x36, 0, 0, 0x9E, 0x50]

    @Test func keyAndSequenceAreFound() throws {
        let found = try #require(header(ipv4 + gre))
        #expect(found.key == 0x5A5A_2A36 && found.sequence == 40528)
        let six: [UInt8] = [0x60, 0, 0, 0, 0, 12, 47, 64] + [UInt8](repeating: 0, count: 32)
        #expect(header(six + gre)?.sequence == 40528)
        let options: [UInt8] = [0x46] + ipv4[1...] + [1, 1, 1, 1]
        #expect(header(options + gre)?.sequence == 40528)
    }

    @Test func everythingElseIsLetThrough() {
        var unsequenced = gre
        unsequenced[0] = 0x20
        var version = gre
        version[1] = 1
        var short = ipv4
        short[0] = 0x44
        for bytes in [[], [0x45], ipv4, ipv4 + gre.dropLast(), ipv4 + unsequenced, ipv4 + version, short + gre] {
            #expect(header(bytes) == nil)
        }
    }

    @Test func noBytesTrap() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...96, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            if count > 9 {
                bytes[0] = [0x45, 0x4F, 0x60, bytes[0]].randomElement(using: &random) ?? 0
                bytes[9] = 47
                bytes[6] = 47
            }
            if let found = header(bytes) { #expect(count >= 32, "\(found)") }
        }
    }
}

/// RFC 8157 §5.6.1: what came by the DSL line beside the bond.
@Suite struct BypassMeterTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func whatIsNotOfTheBondIsBeside() {
        var meter = BypassMeter()
        #expect(meter.rate(link: 5000, bonded: Counter(packets: 3, bytes: 3000), header: 14, now: at(0)) == 0)
        // In 10 s the line brought 2 000 000 bytes; 1000 packets with 14 bytes of link header each were the bond's.
        let rate = meter.rate(
            link: 2_005_000, bonded: Counter(packets: 1003, bytes: 1_003_000), header: 14, now: at(10))
        #expect(rate == (2_000_000 - 1_014_000) * 8 / 10_000)
        #expect(meter.last == rate)
        let none = meter.rate(
            link: 2_005_000 + 1014, bonded: Counter(packets: 1004, bytes: 1_004_000), header: 14, now: at(20))
        #expect(none == 0, "all of it was the bond's")
    }

    @Test func aCounterThatBeganAnewMeasuresNothing() {
        var meter = BypassMeter()
        _ = meter.rate(link: 9_000_000, bonded: Counter(packets: 9, bytes: 9000), header: 14, now: at(0))
        #expect(meter.rate(link: 100, bonded: Counter(packets: 9, bytes: 9000), header: 14, now: at(10)) == 0)
        _ = meter.rate(link: 200_000, bonded: Counter(packets: 9, bytes: 9000), header: 14, now: at(20))
        #expect(meter.rate(link: 400_000, bonded: Counter(), header: 14, now: at(30)) == 0)
        #expect(meter.rate(link: 800_000, bonded: Counter(), header: 14, now: at(30)) == 0, "no time has passed")
        #expect(meter.rate(link: .max, bonded: Counter(), header: 14, now: at(31)) == .max)
    }
}
