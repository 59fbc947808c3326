import Glibc

/// Simulated years, one for each seed: `fuzz/year FIRST LAST`. Ends with status 1 when one of them found something.
@main
enum Main {
    static func main() {
        let numbers = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
        let first = numbers.first ?? 1
        let days = numbers.count > 2 ? Double(numbers[2]) : 365
        var failed = false
        for seed in first...max(first, numbers.dropFirst().first ?? first) {
            let begun = clock()
            var year = Year(seed: seed, days: days)
            let report = year.run()
            failed = failed || !report.problems.isEmpty
            let seconds = Double(clock() - begun) / Double(CLOCKS_PER_SEC)
            write(report.text(seed: seed, seconds: seconds, memory: resident()))
        }
        exit(failed ? 1 : 0)
    }

    /// At once, whoever reads it.
    private static func write(_ text: String) {
        print(text)
        fflush(nil)
    }

    /// kB.
    private static func resident() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss
    }
}

extension Year.Report {
    func text(seed: UInt64, seconds: Double, memory: Int) -> String {
        let slow = slowest.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.key.rawValue) \($0.value)" }
        var lines = [
            "seed \(seed): \(problems.isEmpty ? "all is well" : "FAILED"), \(days) days in \(seconds) s, \(memory) kB",
            "  \(troubles) troubles, \(restarts) starts of the aggregation point, \(bonds) bonds, "
                + "\(leases) leases given or renewed",
            "  \(events) events, \(busiestMinute) in a minute at most, \(mostPackets) messages under way at most",
            "  \(size.first) values remembered at most in the first tenth, \(size.later) later; "
                + "\(packets) packets put in order, numbers wrapped \(wraps) times",
            "  seconds until all was well: \(slow.joined(separator: ", "))",
        ]
        lines += problems.map { "  \($0)" } + history.map { "    \($0)" }
        return lines.joined(separator: "\n")
    }
}
