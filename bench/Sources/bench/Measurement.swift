import Glibc

/// Two ways to spend a processor's time, compared within one run: times of different machines or days say nothing
/// beside each other.
struct Comparison {
    let name: String
    let baseline: String
    /// Does the work `count` times.
    let work: (_ count: Int) -> Void
    let reference: (_ count: Int) -> Void

    /// How many times longer the work takes than the reference: median of the rounds, with the middle half of them.
    func measure(rounds: Int = 31, round: Int = 4_000_000) -> Result {
        let count = iterations(of: work, filling: round)
        let referenceCount = iterations(of: reference, filling: round)
        // Both in each round, so that what disturbs one for long disturbs the other as well.
        let ratios = (0..<rounds).map { _ in
            perIteration(work, count) / perIteration(reference, referenceCount)
        }.sorted()
        return Result(
            name: name, baseline: baseline, ratio: ratios[rounds / 2], low: ratios[rounds / 4],
            high: ratios[rounds * 3 / 4])
    }

    private func iterations(of work: (Int) -> Void, filling nanoseconds: Int) -> Int {
        var count = 16
        while count < 1 << 30, cost(work, count) < nanoseconds { count *= 2 }
        return count
    }

    private func perIteration(_ work: (Int) -> Void, _ count: Int) -> Double {
        Double(cost(work, count)) / Double(count)
    }

    /// Nanoseconds of this process alone: others that want the processor do not count.
    private func cost(_ work: (Int) -> Void, _ count: Int) -> Int {
        func now() -> Int {
            var time = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
            return time.tv_sec * 1_000_000_000 + time.tv_nsec
        }
        let start = now()
        work(count)
        return max(1, now() - start)
    }
}

struct Result {
    let name: String
    let baseline: String
    let ratio: Double
    /// The quartiles.
    let low: Double
    let high: Double

    var json: String {
        #"{"name": "\#(name)", "baseline": "\#(baseline)", "ratio": \#(rounded(ratio)), "#
            + #""quartiles": [\#(rounded(low)), \#(rounded(high))]}"#
    }
}

/// Two decimals, of what is not negative.
func rounded(_ value: Double) -> Double { Double(Int(value * 100 + 0.5)) / 100 }

/// Keeps the optimizer from dropping work that nobody looks at.
@inline(never)
@_optimize(none)
func keep<Value>(_ value: Value) {}
