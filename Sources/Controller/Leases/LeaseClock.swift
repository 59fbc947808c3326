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
    static func read() -> WallClock {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallClock(now: .now, unixNanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
