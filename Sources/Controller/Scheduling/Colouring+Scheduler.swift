import CScheduler

extension Colouring {
    /// How the queue behaves; the rates are those of RFC 8289 for access links.
    enum Queue {
        static let target: UInt64 = 15_000_000
        static let interval: UInt64 = 100_000_000
        static let limit: UInt64 = 150_000_000
        /// Bytes that a flow which counts as sparse may send at once, and bytes a second that it may send.
        static let sparseBurst: UInt64 = 3000
        static let sparseRate: ClosedRange<UInt64> = 8_000...125_000
        /// Percent of the second leg's rate that is used, so that its own queue stays empty.
        static let secondaryShare: UInt64 = 98
    }

    /// The same as a plan for the program.
    var plan: scheduler_plan {
        var plan = scheduler_plan()
        let first = Self.cost(atMost(limits[0], rate))
        let second = Self.cost(atMost(limits[1], secondaryRate / 100 * Queue.secondaryShare))
        plan.cost = (first, second)
        plan.burst = (UInt64(burst) &* first >> 16, UInt64(burst) &* (second == 0 ? first : second) >> 16)
        let sparse = min(max(rate / 8, Queue.sparseRate.lowerBound), Queue.sparseRate.upperBound)
        plan.sparse_cost = Self.cost(sparse)
        plan.sparse_total_cost = Self.cost(max(rate / 2, 1))
        plan.sparse_burst = Queue.sparseBurst &* plan.sparse_cost >> 16
        plan.target = Queue.target
        plan.interval = Queue.interval
        plan.limit = Queue.limit
        plan.mark = (marks[0], marks[1])
        plan.mask = mask
        plan.overhead = (UInt32(overhead), UInt32(secondaryOverhead))
        // A leg that adds less than a twentieth costs more by the time its packets take than it brings.
        let isSlow = sharing == .overflow && secondaryRate > 0 && secondaryRate < rate / 20
        plan.legs = legs == 3 && isSlow ? 1 : legs
        switch sharing {
        case .overflow: break
        case .packets(let share): plan.packet_share = share
        case .flows(let share): plan.flow_share = share
        }
        return plan
    }

    /// The smaller of two rates of which 0 is none.
    private func atMost(_ limit: UInt64, _ rate: UInt64) -> UInt64 { limit == 0 || rate == 0 ? limit | rate : min(limit, rate) }

    /// Nanoseconds a byte, times 65536; 0 for no limit. More than 70 bytes a second.
    private static func cost(_ rate: UInt64) -> UInt64 {
        rate == 0 ? 0 : (1_000_000_000 << 16) / max(rate, 70)
    }
}
