import Testing

@testable import Quota

private let gigabyte: UInt64 = 1_000_000_000

@Suite struct DataQuotaTests {
    /// A link that carries what it is told to, and its quota of 50 GB.
    private struct Gateway {
        var quota: DataQuota
        var link = LinkCount(
            name: "wwan0", boot: "a", index: 3, receivedBytes: 7 * gigabyte, sentBytes: gigabyte, packets: 0, headerLength: 0)

        init(resetDay: Int = 1, warnings: [Int] = [80], at now: String) {
            quota = DataQuota(
                .init(volume: 50 * gigabyte, resetDay: resetDay, warnings: warnings), wallClock: time(now))
            _ = quota.count(link, wallClock: time(now))
        }

        mutating func carry(_ bytes: UInt64, _ now: Int64) -> [DataQuota.Event] {
            link.receivedBytes += bytes / 4 * 3
            link.sentBytes += bytes / 4
            return quota.count(link, wallClock: now)
        }

        mutating func carry(_ bytes: UInt64, at now: String) -> [DataQuota.Event] { carry(bytes, time(now)) }

        /// The daemon ends and starts again, with what is in the file.
        mutating func restart(resetDay: Int? = nil, at now: Int64) {
            var settings = quota.settings
            settings.resetDay = resetDay ?? settings.resetDay
            quota = DataQuota(settings, record: QuotaRecord(text: quota.record.text), wallClock: now)
        }
    }

    @Test func itWarnsOnceIsReachedAndStartsAnew() {
        var gateway = Gateway(warnings: [50, 80], at: "2026-11-03")
        #expect(gateway.quota.used == 0, "what the link carried before is not ours")
        #expect(gateway.carry(20 * gigabyte, at: "2026-11-04") == [])
        #expect(gateway.carry(5 * gigabyte, at: "2026-11-05") == [.warning(50)])
        #expect(gateway.carry(gigabyte, at: "2026-11-06") == [] && gateway.quota.percent == 52)
        #expect(gateway.carry(24 * gigabyte - 4, at: "2026-11-07") == [.warning(80)] && !gateway.quota.isReached)
        #expect(gateway.carry(4, at: "2026-11-07 01") == [.reached] && gateway.quota.isReached)
        #expect(gateway.carry(gigabyte, at: "2026-11-30 23:59:59") == [] && gateway.quota.used == 51 * gigabyte)
        #expect(gateway.quota.resets == time("2026-12-01"))
        #expect(gateway.carry(0, at: "2026-12-01") == [.available] && gateway.quota.used == 0)
        #expect(gateway.carry(40 * gigabyte, at: "2026-12-01 01") == [.warning(80)], "in each period")
    }

    @Test func oneJumpIsOneWarning() {
        var gateway = Gateway(warnings: [10, 50, 80], at: "2026-11-03")
        #expect(gateway.carry(60 * gigabyte, at: "2026-11-04") == [.warning(80), .reached])
    }

    @Test func aRestartKeepsTheCount() {
        var gateway = Gateway(at: "2026-11-03")
        _ = gateway.carry(45 * gigabyte, at: "2026-11-04")
        // The kernel goes on without the daemon.
        gateway.link.sentBytes += gigabyte
        gateway.restart(at: time("2026-11-05"))
        #expect(gateway.quota.used == 45 * gigabyte)
        #expect(gateway.carry(0, at: "2026-11-05") == [], "warned already")
        #expect(gateway.quota.used == 46 * gigabyte)
        _ = gateway.carry(4 * gigabyte, at: "2026-11-06")
        gateway.restart(at: time("2026-11-07"))
        #expect(gateway.carry(0, at: "2026-11-07") == [.reached], "said again after each start")
        gateway.restart(at: time("2026-12-24"))
        #expect(gateway.carry(0, at: "2026-12-24") == [] && gateway.quota.used == 0, "the reset was slept through")
    }

    // MARK: Links

    @Test func countersThatBeginAnewAreCountedFromZero() {
        var gateway = Gateway(at: "2026-11-03")
        _ = gateway.carry(10 * gigabyte, at: "2026-11-04")
        // The modem was pulled out and put back.
        gateway.link.index = 4
        (gateway.link.receivedBytes, gateway.link.sentBytes) = (0, 3 * gigabyte)
        #expect(gateway.carry(0, at: "2026-11-05") == [] && gateway.quota.used == 13 * gigabyte)
        // A start of the machine that gives the same number, and more traffic than there was before.
        gateway.link.boot = "b"
        (gateway.link.receivedBytes, gateway.link.sentBytes) = (9 * gigabyte, 0)
        #expect(gateway.carry(0, at: "2026-11-06") == [] && gateway.quota.used == 22 * gigabyte)
        // The same link with its counters cleared.
        (gateway.link.receivedBytes, gateway.link.sentBytes) = (gigabyte, 0)
        #expect(gateway.carry(0, at: "2026-11-06") == [] && gateway.quota.used == 23 * gigabyte)
        // Another interface: what it carried before is not LTE's.
        gateway.link.name = "wwan1"
        gateway.link.receivedBytes = 900 * gigabyte
        #expect(gateway.carry(0, at: "2026-11-07") == [] && gateway.quota.used == 23 * gigabyte)
        #expect(gateway.carry(gigabyte, at: "2026-11-07") == [] && gateway.quota.used == 24 * gigabyte)
        #expect(gateway.quota.count(nil, wallClock: time("2026-11-08")) == [] && gateway.quota.used == 24 * gigabyte)
    }

    @Test func countersThatFalterAreNotNew() {
        var gateway = Gateway(at: "2026-11-03")
        gateway.link.receivedBytes -= 1500
        _ = gateway.carry(0, at: "2026-11-04")
        #expect(gateway.quota.used == 0)
    }

    @Test func linkHeadersAreNotTheOperators() {
        let before = LinkCount(
            name: "eth1", boot: "a", index: 3, receivedBytes: 100, sentBytes: 0, packets: 1, headerLength: 14)
        var now = before
        now.sentBytes = 1514
        now.packets = 2
        #expect(now.growth(since: before) == 1500)
        now.packets = .max
        #expect(now.growth(since: before) == 0, "nonsense is not counted, and does not trap")
    }

    // MARK: Clocks

    @Test func aClockThatIsNotSetYetChangesNothing() {
        var gateway = Gateway(at: "2026-11-03")
        _ = gateway.carry(49 * gigabyte, at: "2026-11-28")
        gateway.link.boot = "b"
        (gateway.link.receivedBytes, gateway.link.sentBytes) = (0, 0)
        gateway.restart(at: 20)
        #expect(gateway.carry(gigabyte, 20) == [.clockWentBack, .reached], "1970 brings no new quota")
        #expect(gateway.carry(gigabyte, at: "2026-11-28 01") == [] && gateway.quota.used == 51 * gigabyte)
        #expect(gateway.carry(0, at: "2026-12-01") == [.available])
        // The same with the reset in between.
        _ = gateway.carry(50 * gigabyte, at: "2026-12-02")
        gateway.restart(at: 20)
        #expect(gateway.carry(0, 20) == [.clockWentBack, .reached])
        #expect(gateway.carry(0, at: "2027-01-01 00:00:10") == [.available])
    }

    @Test func aStepIntoTheFutureAndBackLosesNothing() {
        var gateway = Gateway(at: "2026-11-03")
        _ = gateway.carry(30 * gigabyte, at: "2026-11-04")
        _ = gateway.carry(5 * gigabyte, at: "2036-01-04")
        #expect(gateway.quota.used == 0, "what came with the reading is counted in the new period from then on")
        _ = gateway.carry(15 * gigabyte, at: "2036-01-04 01")
        #expect(gateway.carry(0, at: "2026-11-04 02") == [.clockWentBack, .warning(80), .reached])
        #expect(gateway.quota.used == 50 * gigabyte)
        #expect(gateway.carry(0, at: "2026-12-01") == [.available] && gateway.quota.used == 0)
    }

    @Test func aGatewayThatBeganInTheFutureIsFreed() {
        var gateway = Gateway(at: "2036-01-01")
        _ = gateway.carry(50 * gigabyte, at: "2036-01-02")
        #expect(gateway.carry(0, at: "2026-11-03") == [.clockWentBack] && gateway.quota.isReached)
        #expect(gateway.carry(0, at: "2026-12-01") == [.available])
    }

    @Test func aStepBackIntoTheLastMonthMakesNothingAvailable() {
        var gateway = Gateway(at: "2026-11-03")
        _ = gateway.carry(30 * gigabyte, at: "2026-11-30")
        _ = gateway.carry(0, at: "2026-12-01")
        _ = gateway.carry(20 * gigabyte, at: "2026-12-05")
        #expect(gateway.carry(0, at: "2026-11-30") == [.clockWentBack, .warning(80), .reached])
        #expect(gateway.carry(gigabyte, at: "2026-12-05") == [.available] && gateway.quota.used == 21 * gigabyte)
    }

    @Test func anotherResetDayKeepsTheCount() {
        var gateway = Gateway(at: "2026-11-03")
        _ = gateway.carry(30 * gigabyte, at: "2026-11-10")
        gateway.restart(resetDay: 15, at: time("2026-11-10"))
        #expect(gateway.carry(gigabyte, at: "2026-11-10 01") == [] && gateway.quota.used == 31 * gigabyte)
        #expect(gateway.quota.resets == time("2026-11-15"))
        #expect(gateway.carry(0, at: "2026-11-15") == [] && gateway.quota.used == 0)
    }

    /// Eight years, six hours at a time, with restarts, modems that come back as new links, and wrong clocks.
    @Test(arguments: [1, 15, 29, 31])
    func everyMonthHasWhatItCarried(resetDay: Int) {
        var random = Generator(state: UInt64(resetDay))
        let begin = time("2027-02-01")
        var gateway = Gateway(resetDay: resetDay, warnings: [], at: "2027-02-01")
        var carried: UInt64 = 0
        var period = BillingPeriod(containing: begin, resetDay: resetDay)
        var months = 0
        for step in 1..<(8 * 365 * 4) {
            let now = begin + Int64(step) * 6 * 3600
            if BillingPeriod(containing: now, resetDay: resetDay) != period {
                _ = gateway.carry(0, now)
                period = BillingPeriod(containing: now, resetDay: resetDay)
                carried = 0
                months += 1
            }
            let bytes = UInt64.random(in: 0..<240_000_000, using: &random) * 4
            carried += bytes
            switch UInt8.random(in: 0..<50, using: &random) {
            case 0: gateway.restart(at: now)
            case 1:
                gateway.link.index += 1
                (gateway.link.receivedBytes, gateway.link.sentBytes) = (0, 0)
            case 2: _ = gateway.quota.count(gateway.link, wallClock: now &- .random(in: 0..<9_000_000, using: &random))
            case 3: _ = gateway.quota.count(gateway.link, wallClock: 30)
            default: break
            }
            _ = gateway.carry(bytes, now)
            if gateway.quota.used != carried || gateway.quota.isReached != (carried >= 50 * gigabyte) {
                Issue.record("step \(step): \(gateway.quota.used) instead of \(carried)")
                return
            }
        }
        #expect(months == 95 || months == 96)
    }
}

/// A small generator, the same on every machine (xorshift64).
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

@Suite struct QuotaRecordTests {
    private var record: QuotaRecord {
        var quota = DataQuota(.init(volume: 100, resetDay: 31, warnings: [80]), wallClock: time("2026-11-03"))
        var link = LinkCount(
            name: "wwan0", boot: "9f2c", index: 3, receivedBytes: 1, sentBytes: 2, packets: 3, headerLength: 14)
        _ = quota.count(link, wallClock: time("2026-11-03"))
        link.sentBytes = 90
        _ = quota.count(link, wallClock: time("2026-12-03"))
        return quota.record
    }

    @Test func theFileIsLegible() {
        #expect(
            record.text == """
                spillway quota 1
                reset_day 31
                total 88
                link wwan0 3 9f2c
                counted 1 90 3
                period 24321 0 0
                period 24322 88 0
                sum \(record.text.split(separator: " ").last ?? "")
                """)
        var known = record
        known.link?.headerLength = 0
        #expect(QuotaRecord(text: record.text) == known, "the header's length is that of the link as it is")
    }

    @Test func whateverIsDamagedIsRefused() {
        let bytes = Array(record.text.utf8)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            #expect(QuotaRecord(text: String(decoding: damaged, as: UTF8.self)) == nil, "byte \(index)")
            #expect(QuotaRecord(text: String(decoding: bytes[..<index], as: UTF8.self)) == nil, "cut at \(index)")
        }
    }

    /// With a sum that fits: what no version of this program has written.
    @Test(arguments: [
        "reset_day 0", "reset_day 32", "total -1", "total 18446744073709551616", "link a 3", "link a -3 b",
        "counted 1 2 3", "period 1 0 0", "period 120000 0 0", "period 24000 1 0", "period 24000 0 101", "hello", "",
        "period 24000 0 0\nperiod 24001 0 0\nperiod 24002 0 0\nperiod 24003 0 0\nperiod 24004 0 0",
    ])
    func whatCannotBeIsRefused(line: String) {
        let body = "spillway quota 1\nreset_day 1\ntotal 0\n"
        func signed(_ text: String) -> String {
            let sum = text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
            return text + "sum \(String(sum, radix: 16))\n"
        }
        #expect(QuotaRecord(text: signed(body)) != nil)
        if !line.isEmpty { #expect(QuotaRecord(text: signed(body + line + "\n")) == nil) }
        #expect(QuotaRecord(text: signed(line)) == nil)
    }
}
