import CLinux
import GREBonding
import Glibc
import Leases

// Leases count on the same clock as sessions.
extension LeaseTime {
    init(_ instant: Instant) { self.init(nanoseconds: instant.nanoseconds) }

    static var now: LeaseTime { LeaseTime(Clock.now()) }

    var instant: Instant { self == .never ? .distantFuture : Instant(nanoseconds: nanoseconds) }
}

extension WallClock {
    /// Nanoseconds from the other clock's origin to 1970: it changes when somebody sets the clock.
    var offset: Int64 { unixNanoseconds &- now.nanoseconds }

    static func read() -> WallClock {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallClock(now: .now, unixNanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
