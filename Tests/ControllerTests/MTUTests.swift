import Addresses
import Configuration
import GREBonding
import NFTables
import Testing

@testable import Controller

@Suite struct PathMTUTests {
    @Test(arguments: [
        ([1500, 1500], IPFamily.v4, 1468), ([1492, 1500], .v4, 1460), ([1500, 1492], .v6, 1440), ([], .v4, 1468),
        ([1500, 1300], .v6, 1280), ([1500, 600], .v4, 1280), ([9000, 9000], .v4, 8968), ([0], .v6, 1280),
    ] as [([UInt32], IPFamily, UInt32)])
    func theNarrowestPathCounts(paths: [UInt32], outer: IPFamily, mtu: UInt32) {
        #expect(PathMTU.inner(paths, outer: outer, carriesIPv6: true) == mtu)
    }

    @Test func withoutIPv6InsideLessIsEnough() {
        #expect(PathMTU.inner([1000], outer: .v4, carriesIPv6: false) == 968)
        #expect(PathMTU.inner([100], outer: .v4, carriesIPv6: false) == 576)
    }

    private let a = IPAddress.v4(IPv4Address(10, 1, 0, 2))
    private let b = IPAddress.v4(IPv4Address(10, 2, 0, 2))
    private let start = Instant(nanoseconds: 0)

    @Test func narrowPathsAreReadAgainNowAndThen() {
        var watch = PathWatch()
        watch.set(1, at: [a, b], isNarrow: false, now: start)
        watch.set(2, at: [a], isNarrow: true, now: start)
        #expect(watch.due == start + PathWatch.interval && watch.takeDue(start).isEmpty)
        #expect(watch.takeDue(start + PathWatch.interval) == [2])
        watch.set(2, at: [], isNarrow: false, now: start)
        #expect(watch.due == nil)
    }

    @Test func bondsAreFoundByTheirGatewaysAddresses() {
        var watch = PathWatch()
        watch.set(1, at: [a, b], isNarrow: false, now: start)
        watch.set(2, at: [a], isNarrow: false, now: start)
        watch.doubt(a, now: start)
        #expect(watch.due == start && watch.takeDue(start) == [1, 2])
        var now = start + PathWatch.pause
        #expect(watch.takeDue(now).isEmpty && watch.due == nil)
        watch.set(1, at: [a], isNarrow: false, now: now)
        watch.doubt(b, now: now)
        #expect(watch.due == nil)
        watch.doubt(a, now: now)
        watch.set(2, at: [], isNarrow: false, now: now)
        #expect(watch.takeDue(now) == [1])
        now = now + PathWatch.pause
        #expect(watch.takeDue(now).isEmpty)
    }

    /// Errors without end, for all bonds: each bond has its turn, and so many are looked at in a second and no more.
    @Test func forgedErrorsCostLittle() {
        var watch = PathWatch()
        let addresses = (0..<300 as Range<UInt32>).map { IPAddress.v4(IPv4Address(rawValue: 0x0A00_0000 + $0)) }
        for (id, address) in addresses.enumerated() { watch.set(UInt32(id), at: [address], isNarrow: false, now: start) }
        var read: [UInt32: Int] = [:]
        for tick in 0..<10_000 as Range<Int64> {
            let now = start + .milliseconds(tick / 10)
            for address in addresses { watch.doubt(address, now: now) }
            for id in watch.takeDue(now) { read[id, default: 0] += 1 }
        }
        #expect(read.count == 300 && read.values.reduce(0, +) == 10 * PathWatch.atOnce)
    }

    @Test func segmentsAreClampedBothWays() {
        let fixed = SegmentTable.fixed(mtu: 1460)
        #expect(fixed.chains.map(\.name) == ["forward", "output", "input"] && fixed.rules.count == 8)
        let route = SegmentTable.byRoute()
        #expect(route.chains.map(\.name) == ["forward", "output"] && route.rules.count == 3)
    }
}

/// RFC 8157 §4.6: what the legs carry.
@Suite struct LegMeterTests {
    private func traffic(_ received: UInt64, _ sent: UInt64) -> [LegID: LegTraffic] {
        [.primary: LegTraffic(received: Counter(packets: 1, bytes: received), sent: Counter(packets: 1, bytes: sent))]
    }

    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test func ratesAreTakenOverAWholeWindow() {
        var meter = LegMeter()
        meter.sample(traffic(1000, 0), at(0))
        meter.sample(traffic(900_000, 0), at(500))
        #expect(meter.last.isEmpty)
        meter.sample(traffic(1_001_000, 250_000), at(1000))
        #expect(meter.last[.primary] == .init(received: 8000, sent: 2000))
        meter.sample(traffic(1_001_000, 500_000), at(2000))
        #expect(meter.last[.primary] == .init(received: 0, sent: 2000))
        #expect(meter.peak[.primary] == .init(received: 8000, sent: 2000))
    }

    @Test func countersThatBeganAnewMeasureNothing() {
        var meter = LegMeter()
        meter.sample(traffic(1_000_000, .max), at(0))
        meter.sample(traffic(10, 0), at(1000))
        #expect(meter.last[.primary] == .init())
        meter.sample(traffic(.max, 0), at(2000))
        #expect(meter.last[.primary]?.received == .max, "and none trap")
    }
}

/// RFC 4303 §2: what is left for the payload, and what a packet grows by.
@Suite struct ESPOverheadTests {
    @Test(arguments: [
        (IPsecConfiguration.Cipher.aesGCM, [1500, 1500], IPFamily.v4, 1434), (.aesGCM, [1492], .v4, 1426),
        (.aesGCM, [1500], .v6, 1414), (.aesCBC, [1500], .v4, 1426), (.aesCBC, [1500], .v6, 1394),
        (.aesCBC, [1492], .v4, 1410), (.aesGCM, [0], .v4, 576),
    ] as [(IPsecConfiguration.Cipher, [UInt32], IPFamily, UInt32)])
    func whatFits(cipher: IPsecConfiguration.Cipher, paths: [UInt32], outer: IPFamily, mtu: UInt32) {
        #expect(PathMTU.inner(paths, outer: outer, carriesIPv6: false, esp: ESPOverhead(cipher)) == mtu)
    }

    @Test func aPacketGrowsByAsMuchAsItDoesOnAverage() {
        #expect(ESPOverhead(.aesGCM).typical == 8 + 8 + 2 + 1 + 16)
        #expect(ESPOverhead(.aesCBC).typical == 8 + 16 + 2 + 7 + 16)
    }
}
