import CLinux

/// How the kernel's packet schedulers count: rates in bytes per second, and times in ticks of 64 ns (the constant
/// behind `/proc/net/psched` since Linux 2.6.31).
enum SchedulerTime {
    static let nanosecondsPerTick: UInt64 = 64

    /// The time to send `bytes` at `rate` bytes per second, in ticks, rounded to the nearest; the largest number when
    /// it is longer than the kernel can count (about 275 s).
    static func ticks(bytes: UInt32, rate: UInt64) -> UInt32 {
        guard rate > 0 else { return .max }
        let product = UInt64(bytes).multipliedFullWidth(by: 1_000_000_000)
        let divisor = rate.multipliedReportingOverflow(by: nanosecondsPerTick)
        guard !divisor.overflow, product.high == 0 else { return 0 }
        let (sum, overflow) = product.low.addingReportingOverflow(divisor.partialValue / 2)
        return UInt32(clamping: (overflow ? product.low : sum) / divisor.partialValue)
    }

    /// What is sent in `ticks` at `rate`, rounded to the nearest; the largest number when it does not fit.
    static func bytes(ticks: UInt32, rate: UInt64) -> UInt32 {
        // ticks · 64 < 2^38: the product has at most 102 bits.
        let product = rate.multipliedFullWidth(by: UInt64(ticks) * nanosecondsPerTick)
        guard product.high < 1_000_000_000 else { return .max }
        let (quotient, remainder) = UInt64(1_000_000_000).dividingFullWidth(product)
        return UInt32(clamping: remainder >= 500_000_000 && quotient < .max ? quotient + 1 : quotient)
    }
}

extension tc_ratespec {
    /// - Parameters:
    ///   - rate: bytes per second; what exceeds 32 bits goes into an attribute of its own
    ///   - overhead: bytes added to each packet's length
    init(rate: UInt64, overhead: UInt16 = 0, mpu: UInt16 = 0) {
        self.init()
        self.rate = UInt32(clamping: rate)
        self.overhead = overhead
        self.mpu = mpu
        // Said outright, so that the kernel does not guess it from the rate table.
        linklayer = 1
        // Zero is refused; the table it describes is no longer used.
        cell_log = 3
    }
}
