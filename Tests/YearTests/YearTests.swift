import Testing

/// Some days in which one thing after the other goes wrong, for every change. `fuzz/year` simulates whole years.
@Suite struct YearTests {
    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func daysAroundAWrap(seed: UInt64) {
        var year = Year(seed: seed, days: 0.5, gateways: 3, pause: 30...600, longest: 300)
        let report = year.run()
        #expect(report.problems.isEmpty)
        #expect(report.troubles > 20 && report.bonds > 20 && report.events > 10_000)
    }
}
