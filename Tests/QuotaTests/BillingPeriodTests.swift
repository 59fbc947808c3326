import Formatting
import Testing

@testable import Quota

/// "2024-02-29 23:59:59" in seconds since 1970.
func time(_ text: String) -> Int64 {
    let parts = text.split { !$0.isNumber }.compactMap { Int64($0) }
    let clock = parts.dropFirst(3) + [0, 0, 0]
    let seconds = clock.prefix(3).reduce(0) { $0 * 60 + $1 }
    return UTCTime.days(year: parts[0], month: parts[1], day: parts[2]) * 86_400 + seconds
}

@Suite struct BillingPeriodTests {
    private func text(_ seconds: Int64) -> String { String(UTCTime.text(seconds: seconds, milliseconds: 0).prefix(19)) }

    @Test(arguments: [
        ("2026-11-28 00:00:00", 1, "2026-11-01", "2026-12-01"), ("2026-11-30 23:59:59", 1, "2026-11-01", "2026-12-01"),
        ("2026-12-01 00:00:00", 1, "2026-12-01", "2027-01-01"), ("2026-12-14 23:59:59", 15, "2026-11-15", "2026-12-15"),
        ("2026-12-15 00:00:00", 15, "2026-12-15", "2027-01-15"), ("2023-02-27 23:59:59", 31, "2023-01-31", "2023-02-28"),
        ("2023-02-28 00:00:00", 31, "2023-02-28", "2023-03-31"), ("2024-02-28 12:00:00", 31, "2024-01-31", "2024-02-29"),
        ("2024-02-29 00:00:00", 30, "2024-02-29", "2024-03-30"), ("2100-02-28 00:00:00", 29, "2100-02-28", "2100-03-29"),
        ("2024-04-30 05:00:00", 31, "2024-04-30", "2024-05-31"), ("1970-01-01 00:00:00", 1, "1970-01-01", "1970-02-01"),
        ("1970-01-01 00:00:00", 15, "1969-12-15", "1970-01-15"),
    ])
    func beginsAndEnds(at now: String, day: Int, begins: String, ends: String) {
        let period = BillingPeriod(containing: time(now), resetDay: day)
        #expect(text(period.begins(resetDay: day)) == begins + "T00:00:00")
        #expect(text(period.next.begins(resetDay: day)) == ends + "T00:00:00")
    }

    /// Every sixth hour of twelve years, counted by a calendar of another kind.
    @Test(arguments: [1, 15, 28, 29, 30, 31])
    func periodsFollowOneAnother(resetDay: Int) {
        var (year, month, day) = (1999, 1, 1)
        var before = BillingPeriod(containing: time("1999-01-01"), resetDay: resetDay)
        var resets = 0
        for number in 0..<(12 * 365) {
            let lengths = [31, year % 4 == 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            let isResetDay = day == min(resetDay, lengths[month - 1])
            for hour in stride(from: 0, to: 24, by: 6) {
                let now = time("1999-01-01") + Int64(number * 24 + hour) * 3600
                let period = BillingPeriod(containing: now, resetDay: resetDay)
                if period.begins(resetDay: resetDay) > now || period.next.begins(resetDay: resetDay) <= now {
                    Issue.record("\(text(now)) is not in its period")
                }
                let isNew = period != before
                if isNew { resets += 1 }
                if isNew != (isResetDay && hour == 0 && number > 0) { Issue.record("\(text(now)): \(isNew)") }
                before = period
            }
            day += 1
            if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(resets >= 143)
    }

    @Test func noTimeTraps() {
        for seconds in [Int64.min, -1, 0, .max, 253_402_300_800] {
            let period = BillingPeriod(containing: seconds, resetDay: 31)
            #expect(BillingPeriod.months.contains(period.month))
            #expect(period.next.begins(resetDay: 31) > period.begins(resetDay: 31))
        }
    }
}
