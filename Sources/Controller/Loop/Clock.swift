import CLinux
import GREBonding
import Glibc

enum Clock {
    /// Time since the system started, sleep included: RFC 8157 §5.4.1 counts from there, and a machine that slept
    /// must find its legs too old.
    static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Time since 1970-01-01T00:00Z.
    static func wall() -> (seconds: Int64, nanoseconds: Int64) { read(CLOCK_REALTIME) }

    /// Nanoseconds since some moment, without the time that the machine slept: what systemd counts in.
    static func monotonic() -> Int64 {
        let time = read(CLOCK_MONOTONIC)
        return time.seconds * 1_000_000_000 + time.nanoseconds
    }

    /// Milliseconds that processors have worked for this process.
    static func processor() -> Int64 {
        let time = read(CLOCK_PROCESS_CPUTIME_ID)
        return time.seconds * 1000 + time.nanoseconds / 1_000_000
    }

    private static func read(_ clock: clockid_t) -> (seconds: Int64, nanoseconds: Int64) {
        var time = timespec()
        clock_gettime(clock, &time)
        return (Int64(time.tv_sec), Int64(time.tv_nsec))
    }

    /// Puts a kernel receive timestamp, which counts wall-clock time, on the monotonic clock: only the little time
    /// that the packet waited in the socket is taken from it, so that a clock step can't make a round trip negative.
    static func instant(ofReceive timestamp: timespec, now: Instant) -> Instant {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        let waited =
            (Int64(wall.tv_sec) - Int64(timestamp.tv_sec)) &* 1_000_000_000 &+ Int64(wall.tv_nsec)
            &- Int64(timestamp.tv_nsec)
        guard (0...1_000_000_000).contains(waited) else { return now }
        return Instant(nanoseconds: now.nanoseconds - waited)
    }
}

/// A system call that failed.
struct SystemError: Error, CustomStringConvertible {
    var call: String
    var number: Int32

    var description: String { "\(call): \(String(cString: strerror(number)))" }

    @discardableResult
    static func check(_ call: String, _ result: Int32) throws(SystemError) -> Int32 {
        if result < 0 { throw SystemError(call: call, number: errno) }
        return result
    }
}
