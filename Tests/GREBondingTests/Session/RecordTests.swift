import Addresses
import TestSupport
import Testing

@testable import GREBonding

/// What a run leaves for the next one, as values and as text.
@Suite struct RecordTests {
    private let h = IPAddress("10.9.0.1")!, d = IPAddress("10.1.0.2")!, l = IPAddress("10.2.0.2")!
    private let now = Instant(nanoseconds: 5_000_000_000)
    private let name = ClientIdentificationName("gateway-1")!

    private var gateway: GatewayRecord {
        GatewayRecord(
            sessionID: 7, key: 0x5A5A_2A36, aggregator: h, primaryUpstreamRate: 20_000, primaryDownstreamRate: 50_000,
            upstreamBypass: 100, legs: [.primary: d, .secondary: l], parameters: SessionParameters(),
            helloState: .active, isTooFar: false, leavesSecondary: false, isDiagnosing: false,
            delegatedPrefix: AssignedIPv6Prefix(IPPrefix("2001:db8:a::/56")!)!, hostPrefix: .none, filterList: nil)
    }

    private var point: AggregationRecord {
        AggregationRecord(
            sessionID: 7, key: 0x5A5A_2A36, client: name, local: h, legs: [.primary: d, .secondary: l],
            confirmed: [.primary, .secondary], parameters: SessionParameters(), dslSynchronizationRate: 50_000,
            bypassRate: 9, primaryOnly: false, helloState: .active, hostPrefix: .none, nextCommitCount: 3)
    }

    private func session() -> HomeGatewaySession {
        HomeGatewaySession(settings: .init(client: name, aggregator: h))
    }

    private func aggregationPoint() -> AggregationPoint {
        AggregationPoint(
            settings: .init(addresses: [h], parameters: SessionParameters(), dialect: .rfc8157))
    }

    private func sent(_ effects: [HomeGatewaySession.Effect]) -> [MessageType] {
        effects.compactMap { if case .send(let message, _, _) = $0 { message.type } else { nil } }
    }

    /// A Hello on each leg, the same data plane, and no word of setting up.
    @Test func aGatewayGoesOn() throws {
        var session = session()
        let fits = session.resume(gateway, now: now)
        #expect(fits)
        var effects = session.handle(.wanUp(.primary, d), now: now)
        effects += session.handle(.wanUp(.secondary, l), now: now)
        #expect(Set(sent(effects)) == [.hello, .notify])
        #expect(sent(effects).count { $0 == .hello } == 2)
        let bonds = effects.compactMap { if case .bond(let bond) = $0 { bond } else { nil } }
        let bond = try #require(bonds.first.flatMap { $0 })
        #expect(bonds.count == 1 && bond.legs == gateway.legs && bond.key == gateway.key)
        #expect(bond.distribution == .overflow(.primary, .secondary) && bond.committedInformationRate == 19_900)
        #expect(session.record == gateway)
    }

    /// A leg that has another address now is set up anew, as one that moves.
    @Test func aLegThatMovedMeanwhileIsSetUpAnew() {
        var session = session()
        let fits = session.resume(gateway, now: now)
        #expect(fits)
        let effects = session.handle(.wanUp(.secondary, IPAddress("10.2.0.77")!), now: now)
        #expect(sent(effects).contains(.setupRequest))
        #expect(session.isUp(.primary) && !session.isUp(.secondary))
    }

    @Test func whatDoesNotFitIsNotTaken() {
        let changes: [(inout GatewayRecord) -> Void] = [
            { $0.key = 0 }, { $0.legs = [:] }, { $0.aggregator = IPAddress("2001:db8::1")! },
            { $0.legs[.primary] = $0.aggregator }, { $0.legs[LegID(rawValue: 9)] = IPAddress("10.3.0.1")! },
            { $0.legs[.primary] = IPAddress("224.0.0.1")! }, { $0.legs[.primary] = $0.legs[.secondary] },
        ]
        for change in changes {
            var session = session(), record = gateway
            change(&record)
            let fits = session.resume(record, now: now)
            #expect(!fits && session.record == nil, "\(record)")
        }
        var session = session()
        let first = session.resume(gateway, now: now), second = session.resume(gateway, now: now)
        #expect(first && !second, "one bond at a time")
    }

    @Test func anAggregationPointGoesOn() throws {
        var machine = aggregationPoint()
        let resumed = machine.resume(point, Authorization(dslDownstream: 50_000), now: now)
        let effects = try #require(resumed)
        let bonds = effects.compactMap { if case .bond(_, let bond) = $0 { bond } else { nil } }
        #expect(bonds.map(\.legs) == [point.legs] && bonds.map(\.committedInformationRate) == [49_991])
        var changed = machine.takeChangedRecords()
        #expect(changed == [7: point])
        changed = machine.takeChangedRecords()
        #expect(changed.isEmpty)
        // A Hello of the gateway is answered as if nothing had been.
        let hello = ControlMessage(
            type: .hello, leg: .primary, key: point.key,
            attributes: [.timestamp(Timestamp(seconds: 1, milliseconds: 2))])
        let answer = machine.handle(.message(hello, from: d, to: h), now: now)
        #expect(answer.contains { if case .send(let message, _, _) = $0 { message.type == .hello } else { false } })
        // The other leg has not been heard yet; what goes by it is measured all the same.
        let asked = machine.handle(.probe(sessionID: 7, .secondary), now: now)
        #expect(asked.contains { if case .send(let message, _, _) = $0 { message.leg == .secondary } else { false } })
        let again = machine.resume(point, Authorization(), now: now)
        #expect(again == nil, "each once")
        _ = machine.handle(.tearDown(sessionID: 7, .maintenance), now: now)
        changed = machine.takeChangedRecords()
        #expect(changed == [7: nil])
    }

    @Test func whatDoesNotFitTheAggregationPointIsNotTaken() {
        let changes: [(inout AggregationRecord) -> Void] = [
            { $0.key = 0 }, { $0.sessionID = 0 }, { $0.legs = [:] }, { $0.local = IPAddress("10.9.0.77")! },
            { $0.legs[.primary] = $0.local }, { $0.legs[.primary] = IPAddress("2001:db8::1")! },
            { $0.legs[LegID(rawValue: 4)] = IPAddress("10.3.0.1")! },
        ]
        for change in changes {
            var machine = aggregationPoint(), record = point
            change(&record)
            let resumed = machine.resume(record, Authorization(), now: now)
            #expect(resumed == nil && machine.sessions.isEmpty, "\(record)")
        }
    }

    // MARK: Text

    private func read(_ lines: [String]) -> GatewayRecord? { GatewayRecord(lines: lines.map { $0[...] }) }

    @Test func textReadsBack() {
        #expect(read(gateway.lines) == gateway)
        #expect(AggregationRecord.read(point.line(number: 9)[...])?.record == point)
        #expect(AggregationRecord.read(point.line(number: 9)[...])?.number == 9)
        var record = gateway
        record.helloState = .idle
        record.isTooFar = true
        let items = (0..<3000).map {
            FilterItem(.destinationIP, description: "number \($0)", value: "10.0.\($0 / 256).0/24")
        }
        record.filterList = FilterList(commitCount: 77, items: items)
        #expect(record.lines.count > 2 && read(record.lines) == record)
    }

    @Test func anythingElseIsRefused() {
        var lines = gateway.lines
        let line = lines[0]
        for other in [
            "", "bond", line + " more=1", line + " ", String(line.dropLast()), line.replacing("key=", with: "session="),
            line.replacing("hello=active", with: "hello=busy"), line.replacing("far=false", with: "far=no"),
            line.replacing("0@10", with: "0@x"), line.replacing("legs=0@", with: "legs=1@"),
            line.replacing("session=7", with: "session=-7"), line.replacing("session=7", with: "session=4294967296"),
            line.replacing("/56", with: "/129"),
        ] {
            lines[0] = other
            #expect(read(lines) == nil, "\(other)")
        }
        #expect(read([line, line]) == nil && read([line, "filter package=zz"]) == nil && read([]) == nil)
        #expect(AggregationRecord.read(line[...]) == nil)
    }

    private let rate = LegRateRecord(
        rate: 1_750_000, capacity: 1_800_000, base: .milliseconds(50), isWorthUsing: true)!

    @Test func whatIsKnownOfALegReadsBackInItsRangesOnly() {
        let line = rate.line(sessionID: 7)
        #expect(line == "lte session=7 rate=1750000 capacity=1800000 base=50000000 worth=true")
        #expect(LegRateRecord.read(line[...])?.record == rate && LegRateRecord.read(line[...])?.sessionID == 7)
        let limits = [
            LegRateRecord(rate: 1, capacity: nil, base: nil, isWorthUsing: false),
            LegRateRecord(rate: 1 << 40, capacity: 1 << 40, base: .seconds(10), isWorthUsing: true),
            LegRateRecord(rate: 1, capacity: 1, base: .nanoseconds(1), isWorthUsing: true),
        ]
        for each in limits {
            #expect(each != nil && LegRateRecord.read(each?.line(sessionID: .max)[...] ?? "")?.record == each)
        }
        for (from, to) in [
            ("rate=1750000", "rate=0"), ("rate=1750000", "rate=1099511627777"), ("rate=1750000", "rate=-1"),
            ("rate=1750000", "rate=-"), ("rate=1750000", "rate=18446744073709551616"), ("=1800000", "=0"),
            ("=1800000", "=1099511627777"), ("=50000000", "=0"), ("=50000000", "=10000000001"),
            ("=50000000", "=18446744073709551615"), ("=50000000", "="), ("=true", "=yes"), ("=true", "=true more=1"),
            (" base=50000000", ""), ("lte ", "bond "), ("session=7", "session=4294967296"), ("capacity", "rate"),
        ] {
            let other = line.replacing(from, with: to)
            #expect(other != line && LegRateRecord.read(other[...]) == nil, "\(other)")
        }
    }

    /// Rates change many times a second; a record is appended to for thousands of bonds.
    @Test func aRateIsKeptWhenItChangedByAQuarterAndNotAgainAtOnce() {
        func changed(rate: UInt64 = 1_750_000, capacity: UInt64? = 1_800_000, worth: Bool = true) -> LegRateRecord {
            LegRateRecord(rate: rate, capacity: capacity, base: .milliseconds(50), isWorthUsing: worth)!
        }
        let later = now + .seconds(2)
        for (other, isKept) in [
            (changed(), false), (changed(rate: 2_187_500), false), (changed(rate: 2_187_501), true),
            (changed(rate: 1_312_500), false), (changed(rate: 1_312_499), true), (changed(worth: false), true),
            (changed(capacity: nil), true), (changed(capacity: 2_300_000), true),
        ] {
            var kept = KeptLegRate()
            let first = kept.keep(rate, now: now), early = kept.keep(other, now: later + .nanoseconds(-1))
            #expect(first && !early && kept.record == rate, "\(other)")
            let second = kept.keep(other, now: later)
            #expect(second == isKept && kept.record == (isKept ? other : rate), "\(other)")
        }
    }

    /// Bytes at random in a record: nothing traps, and what is taken reads back.
    @Test func damageNeverTraps() {
        var random = SplitMix(state: 8157)
        for text in [gateway.lines[0], point.line(number: 3), rate.line(sessionID: 7)] {
            for _ in 0..<20_000 {
                var bytes = Array(text.utf8)
                for _ in 0...Int.random(in: 0...3, using: &random) {
                    bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0x20...0x7E, using: &random)
                }
                let line = String(decoding: bytes, as: UTF8.self)
                if let record = read([line]) {
                    #expect(read(record.lines) == record)
                    var session = session()
                    _ = session.resume(record, now: now)
                    _ = session.handle(.wanUp(.primary, d), now: now)
                }
                if let (record, id) = LegRateRecord.read(line[...]) {
                    #expect(LegRateRecord.read(record.line(sessionID: id)[...])?.record == record)
                    var rate = LegRate(.init(ceiling: nil, least: 50_000), record, now: now)
                    for tick in 1...3 as ClosedRange<Int64> {
                        let then = now + .milliseconds(50 * tick)
                        _ = rate.sampled(given: UInt64(tick) * 50_000, waiting: 0, hasOther: false, now: then)
                        rate.measured(.milliseconds(60), sent: then, now: then)
                    }
                }
                if let (record, number) = AggregationRecord.read(line[...]) {
                    #expect(AggregationRecord.read(record.line(number: number)[...])?.record == record)
                    var machine = aggregationPoint()
                    _ = machine.resume(record, Authorization(), now: now)
                }
            }
        }
    }
}
