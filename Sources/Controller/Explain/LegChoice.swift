import CScheduler
import Formatting
import GREBonding
import NetlinkKit

/// What the filters at a bond's device do with a packet, whatever its time: as the kernel has them.
indirect enum FilterFate: Hashable {
    /// It leaves with this mark.
    case marked(UInt32)
    case dropped
    /// A program decides, by its name.
    case program(String)
    /// Within a rate in bytes a second, or beyond it.
    case police(rate: UInt64, within: FilterFate, beyond: FilterFate)

    /// - Parameter mark: the packet's
    init(_ filters: [Filter], mark: UInt32) {
        self = Self.fate(filters.sorted { $0.priority < $1.priority }[...], mark)
    }

    private static func fate(_ filters: ArraySlice<Filter>, _ mark: UInt32) -> FilterFate {
        guard let filter = filters.first else { return .marked(mark) }
        switch filter.classifier {
        case .matchall: return act(filter.actions[...], filters, mark)
        case .fw(let mask) where mark & mask == filter.handle: return act(filter.actions[...], filters, mark)
        case .bpf(_, let name): return .program(name)
        default: return fate(filters.dropFirst(), mark)
        }
    }

    private static func act(
        _ actions: ArraySlice<Action>, _ filters: ArraySlice<Filter>, _ mark: UInt32
    ) -> FilterFate {
        guard let action = actions.first else { return .marked(mark) }
        func go(_ verdict: Verdict, _ mark: UInt32) -> FilterFate {
            switch verdict {
            case .pipe: act(actions.dropFirst(), filters, mark)
            case .continue: fate(filters.dropFirst(), mark)
            case .drop: .dropped
            default: .marked(mark)
            }
        }
        switch action.kind {
        case .police(let police):
            let beyond = go(police.exceed, mark)
            // Nothing is ever within a bucket without room.
            guard police.burstTicks > 0 else { return beyond }
            let within = go(police.conform, mark)
            return within == beyond ? within : .police(rate: police.rate, within: within, beyond: beyond)
        case .skbedit(let edit):
            let changed = edit.mark.map { mark & ~$0.mask | $0.value & $0.mask } ?? mark
            return go(edit.verdict, changed)
        case .gact(let verdict): return go(verdict, mark)
        default: return .marked(mark)
        }
    }
}

/// Which leg of a bond a packet takes, and what that depends on.
struct LegChoice: Hashable {
    enum Chooser: Hashable {
        /// Filters: what is within this rate takes `leg`, the rest `beyond`; 0: the rate does not matter.
        case filters(rate: UInt64)
        /// The queue before both legs: nanoseconds that a packet which is no sparse flow's would wait for the first
        /// leg, and above which the second one helps.
        case queue(wait: UInt64, patience: UInt64)
        /// By the flow's hash; the first leg's share of 65536.
        case hash(share: UInt32)
        /// By the legs' shares of the bytes.
        case shares(UInt32)
    }

    var chooser: Chooser
    /// What a packet takes now; nil: the kernel's hash of the flow says, which nobody can ask for.
    var leg: LegID?
    /// What a packet beyond the rate takes; nil: it is dropped, or there is no rate that matters.
    var beyond: LegID?
    /// Dropped beyond the rate.
    var dropsBeyond = false
    /// The lists chose the leg.
    var isPinned = false
    /// What LTE carries is not known yet: it takes little at a time.
    var isOnTrial = false
    /// Legs that the kernel gives packets at all.
    var legs: Set<LegID>

    /// - Returns: nil where the filters give it no leg
    init?(_ fate: FilterFate, leg: (UInt32) -> LegID?) {
        switch fate {
        case .marked(let mark):
            guard let found = leg(mark) else { return nil }
            self.init(chooser: .filters(rate: 0), leg: found, legs: [found])
        case .police(let rate, let within, let beyond):
            guard let first = Self.first(within, leg) else { return nil }
            let second = Self.first(beyond, leg)
            self.init(
                chooser: .filters(rate: rate), leg: first, beyond: second, dropsBeyond: second == nil,
                legs: Set([first, second].compactMap { $0 }))
        case .dropped, .program: return nil
        }
    }

    private init(chooser: Chooser, leg: LegID?, beyond: LegID? = nil, dropsBeyond: Bool = false, legs: Set<LegID>) {
        self.chooser = chooser
        self.leg = leg
        self.beyond = beyond
        self.dropsBeyond = dropsBeyond
        self.legs = legs
    }

    /// What a packet takes for which there is room everywhere.
    private static func first(_ fate: FilterFate, _ leg: (UInt32) -> LegID?) -> LegID? {
        switch fate {
        case .marked(let mark): leg(mark)
        case .police(_, let within, _): first(within, leg)
        case .dropped, .program: nil
        }
    }

    /// The same as the program in the kernel decides (`scheduler/scheduler.c`), for a flow that is not sparse.
    /// - Parameters:
    ///   - now: the kernel's monotonic clock
    ///   - mark: the packet's, where the lists may have put a leg
    init(_ plan: scheduler_plan, _ state: scheduler_state, now: UInt64, mark: UInt32) {
        func less(_ a: UInt64, _ b: UInt64) -> UInt64 { a - min(a, b) }
        let earliest = max(now, less(state.free.0, plan.burst.0), state.queue.0.last)
        let second = max(now, less(state.free.1, plan.burst.1), state.queue.0.last)
        let used = Set([LegID.primary, .secondary].filter { plan.legs & 1 << UInt32($0.rawValue) != 0 })
        self.init(chooser: .queue(wait: earliest - now, patience: plan.patience), leg: .primary, legs: used)
        let asked = mark & plan.pin_mask
        guard used.count > 1 else {
            leg = used.first
            if leg == .secondary { chooser = .queue(wait: second - now, patience: 0) }
            return
        }
        if asked != 0, asked == plan.mark.0 || asked == plan.mark.1 {
            leg = asked == plan.mark.1 ? .secondary : .primary
            isPinned = true
        } else if plan.flow_share > 0 {
            chooser = .hash(share: plan.flow_share)
            leg = nil
        } else if plan.packet_share > 0 {
            chooser = .shares(plan.packet_share)
            leg = state.balance > 0 ? .secondary : .primary
        } else {
            isOnTrial = plan.second_end != .max
            let isFree = state.bytes.1 &+ 1500 &+ UInt64(plan.overhead.1) <= plan.second_end
            if earliest > second, earliest - now > plan.patience, isFree { leg = .secondary }
        }
    }
}

extension LegChoice {
    /// In a few words.
    var text: String {
        let name = leg.map { $0.statusName.uppercased() } ?? ""
        if isPinned { return "\(name), which the lists chose" }
        if legs.count == 1, !dropsBeyond { return "\(name), the only leg that is used" }
        switch chooser {
        case .filters(rate: 0): return name
        case .filters(let rate):
            let rest = beyond.map { "what is beyond takes \($0.statusName.uppercased())" } ?? "what is beyond is dropped"
            return "\(name) within \(rate / 125) kbit/s; \(rest)"
        case .queue(let wait, let patience):
            return "\(name) now: a packet waits \(wait / 1000) us for DSL, and LTE helps above \(patience / 1000) us"
                + (isOnTrial ? ", little at a time until its rate is known" : "") + "; flows that send little take DSL"
        case .hash(let share):
            return "DSL or LTE by the kernel's hash of the flow, which nobody can ask for; \(Self.percent(share)) % take DSL"
        case .shares(let share): return "\(name) now: DSL is to carry \(Self.percent(share)) % of the bytes"
        }
    }

    /// Of 65536.
    private static func percent(_ share: UInt32) -> UInt32 { (share * 100 + 32_768) / 65_536 }

    func write(to object: inout JSONObject) {
        if let leg { object.add("leg", leg.statusName) }
        if let beyond { object.add("beyond", beyond.statusName) }
        if dropsBeyond { object.add("beyond", "dropped") }
        switch chooser {
        case .filters(let rate):
            object.add("chooser", "police")
            if rate > 0 { object.add("within_kbit", rate / 125) }
        case .queue(let wait, let patience):
            object.add("chooser", "queue")
            object.add("wait_us", wait / 1000)
            object.add("patience_us", patience / 1000)
        case .hash(let share):
            object.add("chooser", "flow_hash")
            object.add("dsl_share_percent", Self.percent(share))
        case .shares(let share):
            object.add("chooser", "weights")
            object.add("dsl_share_percent", Self.percent(share))
        }
        if isPinned { object.add("pinned", true) }
        if isOnTrial { object.add("on_trial", true) }
    }
}
