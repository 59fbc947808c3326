import Logging
import Synchronization
import Testing

@testable import EventLog

@Suite struct LogTests {
    final class Captured: Sendable {
        let lines = Mutex<[String]>([])
        let clock = Mutex<UInt64>(0)
    }

    private func log(_ captured: Captured, level: Logger.Level = .info, burst: UInt64 = 2) -> Log {
        let output = EventHandler.Output(
            format: LineFormat(style: .text, isJournal: false), limiter: RateLimiter(burst: burst, interval: 1000),
            now: { captured.clock.withLock { $0 } }, wallClock: { "T" },
            write: { line in captured.lines.withLock { $0.append(line) } })
        return Log(component: "test", handler: EventHandler(level: level, output: output))
    }

    @Test func oneLineAnEvent() {
        let captured = Captured()
        log(captured)(.notice, "leg-up", "up", ["bond": 17, "leg": "dsl"])
        #expect(captured.lines.withLock { $0 }
            == ["time=T level=notice reason=leg-up message=up bond=17 component=test leg=dsl"])
    }

    @Test func suppressedLinesAreCounted() {
        let captured = Captured()
        let log = log(captured)
        for _ in 0..<5 { log(.info, "r", "m") }
        captured.clock.withLock { $0 = 1000 }
        log(.info, "r", "m")
        let lines = captured.lines.withLock { $0 }
        #expect(lines.count == 3)
        #expect(lines.last == "time=T level=info reason=r message=m component=test suppressed=3")
    }

    @Test func criticalIsNeverSuppressed() {
        let captured = Captured()
        let log = log(captured)
        for _ in 0..<5 { log(.critical, "r", "m") }
        #expect(captured.lines.withLock { $0.count } == 5)
    }

    @Test func belowTheLevelNothingIsEvaluated() {
        let captured = Captured()
        func never() -> String {
            Issue.record("evaluated")
            return ""
        }
        log(captured, level: .warning)(.info, "r", never(), ["x": never()])
        #expect(captured.lines.withLock { $0.isEmpty })
    }
}
