import Formatting
import Glibc
public import Logging
import Synchronization

extension Log {
    /// Sets what ``Log/init(_:)`` gives from now on. Call it once, before the first logger is made.
    public static func start(level: Logger.Level, style: LineFormat.Style) {
        let format = LineFormat(style: style, isJournal: StandardError.isJournal)
        let output = EventHandler.Output(
            format: format, limiter: RateLimiter(), now: StandardError.monotonicMilliseconds,
            wallClock: StandardError.wallClock, write: StandardError.write)
        EventHandler.sharedHandler.withLock { $0 = EventHandler(level: level, output: output) }
    }
}

extension EventHandler {
    fileprivate static let sharedHandler = Mutex<EventHandler?>(nil)

    /// The one that ``Log/start(level:style:)`` made, or one that writes nothing.
    static func shared() -> any LogHandler { sharedHandler.withLock { $0 } ?? SwiftLogNoOpLogHandler() }
}

/// The process's standard error and clocks.
public enum StandardError {
    /// systemd names the socket it gave as standard error: "device:inode". Another one may stand there by now.
    static var isJournal: Bool {
        guard let variable = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: variable) == "\(status.st_dev):\(status.st_ino)"
    }

    /// One write, so that lines of several threads don't mix. What can't be written is lost: there is nobody to tell.
    public static func write(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
            } else if errno != EINTR {
                return
            }
        }
    }

    static func monotonicMilliseconds() -> UInt64 {
        let time = read(CLOCK_MONOTONIC)
        return UInt64(clamping: time.tv_sec) &* 1000 &+ UInt64(clamping: time.tv_nsec) / 1_000_000
    }

    static func wallClock() -> String {
        let time = read(CLOCK_REALTIME)
        return UTCTime.text(seconds: Int64(time.tv_sec), milliseconds: Int64(time.tv_nsec) / 1_000_000)
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }
}
