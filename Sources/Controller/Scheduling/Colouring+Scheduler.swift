import CScheduler
import GREBonding

extension Colouring {
    /// How the queue behaves; the rates are those of RFC 8289 for access links.
    enum Queue {
        static let target: UInt64 = 15_000_000
        static let interval: UInt64 = 100_000_000
        static let limit: UInt64 = 150_000_000
        /// Bytes that may wait on a leg that is alone, however slow it is or seems to be before it is measured.
        static let leastRoom: UInt64 = 15_000
        /// The second leg is left alone while the first one's queue is shorter than this, and longer where it is later
        /// by more than a little.
        static let margin: UInt64 = 5_000_000
        static let little: UInt64 = 16_000_000
        /// What the second leg's delay varies by.
        static let jitter: UInt64 = 2_000_000
        /// Round trip by the first leg, in a guess of how much is under way.
        static let roundTrip: UInt64 = 50_000_000
        /// A second leg that adds less than one part in so many costs more by the time its packets take than it brings.
        static let leastShare: UInt64 = 20
        /// Bytes that a flow which counts as sparse may send at once, and bytes a second that it may send: more than
        /// the other end's ``SparseFlows`` allow.
        static let sparseBurst: UInt64 = 3000
        static let sparseRate: ClosedRange<UInt64> = 20_000...125_000
    }

    /// The same as a plan for the program.
    var plan: scheduler_plan {
        var plan = scheduler_plan()
        let first = Self.cost(firstRate)
        plan.legs = legs == 3 && sharing == .overflow && !second.isUsed ? 1 : legs
        let cost = Self.cost(secondRate)
        plan.cost = (first, cost)
        plan.second_end = second.end ?? .max
        let ahead = (UInt64(burst) &* first) >> 16
        plan.burst = (ahead, ahead)
        let sparse = min(max(rate / 8, Queue.sparseRate.lowerBound), Queue.sparseRate.upperBound)
        plan.sparse_cost = Self.cost(sparse)
        plan.sparse_total_cost = Self.cost(max(rate / 2, 1))
        plan.sparse_burst = (Queue.sparseBurst &* plan.sparse_cost) >> 16
        plan.mark = (marks[0], marks[1])
        plan.mask = mask
        plan.pin_mask = pins ? mask : 0
        plan.overhead = (UInt32(overhead), UInt32(secondaryOverhead))
        var slack: UInt64 = 0
        switch sharing {
        case .overflow where plan.legs == 3:
            // A flow whose packets wait for each other at the far end must have enough under way to keep the first leg
            // busy meanwhile. That is so if as much waits here when the second leg is first used.
            let later = second.delay &+ ((cost &* 1500) >> 16)
            // Two packets that try a leg of which nothing is known need no such queue, unless they come so late that a flow's
            // first growth ends by them.
            let isFar = second.delay > UInt64(Resequencer.longestRest) - Queue.jitter
            let much = second.end == nil || isFar ? later - min(later, Queue.little) : 0
            plan.patience = much &+ much / 4 &+ Queue.margin
            guard !isFar else { break }
            // CUBIC takes three tenths off its window when it is told to slow down. The rest still fills both legs if three
            // sevenths of a round trip had waited here, and round trips are long where packets of both legs have patience:
            // 118 ms where the second one is 50 ms later.
            slack = much
            plan.later = second.delay + Queue.jitter
            // What the first leg carries meanwhile is there sooner without the second one.
            let soon = LegRate.carried(firstRate, .nanoseconds(Int64(later)))
            let roundTrip = Duration.nanoseconds(Int64(2 &* second.delay &+ Queue.roundTrip))
            // A sender that probes by a quarter (BBR) takes some seconds to find what the second leg has.
            let probed = 4 &* firstRate
            plan.growth = (soon, soon &+ max(4 &* LegRate.carried(firstRate &+ secondRate, roundTrip), probed))
        case .overflow: break
        case .packets(let share): plan.packet_share = share
        case .flows(let share): plan.flow_share = share
        }
        plan.target = Queue.target &+ plan.patience &+ slack
        plan.interval = Queue.interval &+ 4 &* plan.patience
        let alone = plan.legs == 2 ? cost : first
        plan.limit = max(Queue.limit &+ plan.patience &+ slack, (alone &* Queue.leastRoom) >> 16)
        return plan
    }

    /// Bytes a second that are given to the first leg at most; 0: no limit.
    private var firstRate: UInt64 { atMost(limits[0], rate) }

    /// Bytes a second that are given to the second leg at most; 0: no limit.
    var secondRate: UInt64 { atMost(limits[1], legs == 2 ? second.rateAlone : second.rate) }

    /// The smaller of two rates of which 0 is none.
    private func atMost(_ limit: UInt64, _ rate: UInt64) -> UInt64 { limit == 0 || rate == 0 ? limit | rate : min(limit, rate) }

    /// Nanoseconds a byte, times 65536; 0 for no limit. More than 70 bytes a second.
    private static func cost(_ rate: UInt64) -> UInt64 {
        rate == 0 ? 0 : (1_000_000_000 << 16) / max(rate, 70)
    }
}
