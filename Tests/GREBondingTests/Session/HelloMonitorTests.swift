import Testing

@testable import GREBonding

/// When the gateway says Hello on one leg, and when it takes the leg for lost (RFC 8157 §5.2.6, §5.2.7).
@Suite struct HelloMonitorTests {
    private let start = Instant(nanoseconds: 0)
    private let interval = Duration.seconds(10)

    private func at(_ milliseconds: Int64) -> Instant { start + .milliseconds(milliseconds) }

    @Test func oneForEachIntervalWhenAnswered() throws {
        var monitor = HelloMonitor(next: start)
        for n in 0..<5 as Range<Int64> {
            #expect(monitor.next == at(n * 10_000))
            let sent = monitor.send(now: monitor.next, interval: interval, attempts: 3)
            let timestamp = try #require(sent)
            let sample = monitor.answered(timestamp, receivedAt: at(n * 10_000 + 30), interval: interval)
            #expect(sample == .milliseconds(30))
        }
        #expect(monitor.rtt.last == .milliseconds(30) && monitor.rtt.least == .milliseconds(30))
    }

    @Test func asManyAttemptsAsAllowed() {
        var monitor = HelloMonitor(next: start)
        var times: [Int64] = []
        while monitor.send(now: monitor.next, interval: interval, attempts: 4) != nil {
            times.append((monitor.next - start).milliseconds)
        }
        #expect(times == [1000, 2000, 3000, 4000], "each is repeated after a second")
    }

    @Test func hasteDoesNotUseUpTheAttempts() {
        var monitor = HelloMonitor(next: start)
        _ = monitor.send(now: start, interval: interval, attempts: 3)
        monitor.hurry(now: at(10))
        #expect(monitor.next == at(1000))
    }

    @Test func anAnswerToNothingIsNoMeasurement() throws {
        var monitor = HelloMonitor(next: start)
        let sent = monitor.send(now: start, interval: interval, attempts: 3)
        let timestamp = try #require(sent)
        let wrong = Timestamp(seconds: 77, milliseconds: 0)
        let stranger = monitor.answered(wrong, receivedAt: at(20), interval: interval)
        let right = monitor.answered(timestamp, receivedAt: at(25), interval: interval)
        let twice = monitor.answered(timestamp, receivedAt: at(26), interval: interval)
        #expect(stranger == nil && right == .milliseconds(25) && twice == nil)
    }

    @Test func theExtraHelloIsOne() throws {
        var monitor = HelloMonitor(next: at(1000), extra: at(5000))
        var times: [Int64] = []
        for _ in 0..<4 {
            let now = monitor.next
            times.append((now - start).milliseconds)
            let sent = monitor.send(now: now, interval: interval, attempts: 3)
            let timestamp = try #require(sent)
            _ = monitor.answered(timestamp, receivedAt: now + .milliseconds(20), interval: interval)
        }
        #expect(times == [1000, 5000, 15_000, 25_000])
    }

    @Test func aNewPaceCountsFromTheLastHello() throws {
        var monitor = HelloMonitor(next: start)
        monitor.pace(.seconds(100), now: start)
        #expect(monitor.next == start, "the first Hello keeps its time")
        let sent = monitor.send(now: start, interval: interval, attempts: 3)
        _ = monitor.answered(try #require(sent), receivedAt: at(20), interval: interval)
        monitor.pace(.seconds(100), now: at(500))
        #expect(monitor.next == at(100_000))
        monitor.pace(.seconds(5), now: at(60_000))
        #expect(monitor.next == at(60_000))
    }
}
