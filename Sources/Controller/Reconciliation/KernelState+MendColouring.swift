import CScheduler
import GREBonding
import NetlinkKit

// Queues, filters, actions and plans of a bond's device: compared, and put right with as little in between as can be.
extension KernelState {
    func mendColouring(_ link: String, _ colouring: Colouring) throws(KernelError) {
        let index = index(of: link)
        guard index != 0 else { return }
        let found = try route.qdisc(link: index, parent: .clsact)
        guard found?.qdisc.kind == .clsact else {
            if let found {
                note(
                    Drift(
                        kind: .qdisc, object: "\(link) clsact", field: "kind", found: found.qdisc.kind.name,
                        wanted: "clsact"))
                try route.perform(found.qdisc.delete())
            } else {
                note(.gone(.qdisc, "\(link) clsact"))
            }
            if scheduled[link] != nil { try mendQueue(link, index) }
            return try colour(link, colouring)
        }
        let present = try route.filters(link: index, parent: .egress)
        if isAdopting { takeOver(link, index, colouring, present) }
        guard scheduled[link] != nil else {
            // In the run before `police` stood in.
            if colouring.queues, canSchedule, actions[link] != nil { queueTrial.standIn(Clock.now()) }
            return try mendFilters(link, index, colouring, present)
        }
        try mendQueue(link, index)
        try mendProgram(link, index, present.filter { $0.filter.priority == 1 })
        try mendPlan(link, index, colouring)
    }

    private func mendQueue(_ link: String, _ index: UInt32) throws(KernelError) {
        let found = try route.qdisc(link: index, parent: .root)
        var comparison = Comparison(.qdisc, "\(link) fq")
        if case .fq(let queue)? = found?.qdisc.kind {
            comparison.field("limit", queue.limit ?? 0, ifWanted: Self.queue.limit)
            comparison.field("flow-limit", queue.flowLimit ?? 0, ifWanted: Self.queue.flowLimit)
            comparison.field("pacing", queue.paces ?? false, ifWanted: Self.queue.paces)
            comparison.field("buckets-log", queue.bucketsLog ?? 0, ifWanted: Self.queue.bucketsLog)
        } else {
            comparison.field("kind", found?.qdisc.kind.name ?? "none", "fq")
        }
        guard !comparison.drift.isEmpty else { return }
        comparison.drift.forEach(note)
        try route.perform(Qdisc(link: index, .fq(Self.queue)).replace())
    }

    private func mendProgram(_ link: String, _ index: UInt32, _ present: [ObservedFilter]) throws(KernelError) {
        var comparison = Comparison(.filter, "\(link) egress 1")
        comparison.field("classifier", present.map(\.filter.classifier.name), ["bpf"])
        comparison.field("handle", present.map(\.filter.handle), [1])
        if let one = present.first, present.count == 1, one.filter.classifier.name == "bpf" {
            comparison.field("program", one.program ?? 0, scheduler?.id ?? 0)
            comparison.field("direct-action", one.isDirectAction, true)
        }
        guard let first = comparison.drift.first else { return }
        note(present.isEmpty ? .gone(.filter, "\(link) egress 1") : first)
        // The program of a filter is replaced where it is, which no packet sees.
        if !comparison.drift.allSatisfy({ ["program", "direct-action"].contains($0.field) }) {
            for filter in present { try route.perform(filter.filter.delete()) }
        }
        try route.perform(programFilter(index).replace())
    }

    func mendPlan(_ link: String, _ index: UInt32, _ colouring: Colouring) throws(KernelError) {
        guard let scheduler else { return }
        guard !scheduler.goesBy(colouring.plan, link: index) else { return }
        let found = scheduler.plan(link: index)
        note(
            found == nil
                ? .gone(.map, "plan of \(link)")
                : Drift(kind: .map, object: "plan of \(link)", field: "value", found: "another", wanted: "ours"))
        try plan(link, index, colouring)
    }

    private func mendFilters(
        _ link: String, _ index: UInt32, _ colouring: Colouring, _ present: [ObservedFilter]
    ) throws(KernelError) {
        guard let numbers = actions[link], numbers.count == colouring.actions.joined().count else {
            return try recolourAnew(link, index, colouring)
        }
        let wanted = Self.filters(index, colouring, numbers)
        var isBroken = false
        var changed: [String: Action] = [:]
        for filter in wanted {
            let there = present.filter { $0.filter.priority == filter.priority }.map(\.filter)
            let object = "\(link) egress \(filter.priority)"
            if there.isEmpty {
                note(.gone(.filter, object))
                isBroken = true
                continue
            }
            var comparison = Comparison(.filter, object)
            comparison.field("classifier", there.map(\.classifier), [filter.classifier])
            comparison.field("handle", there.map(\.handle), [filter.handle])
            comparison.field("protocol", there.map(\.protocol.rawValue), [filter.protocol.rawValue])
            comparison.field("actions", there.flatMap { $0.actions.map(\.text) }, filter.actions.map(\.text))
            if !comparison.drift.isEmpty {
                comparison.drift.forEach(note)
                isBroken = true
                continue
            }
            for (found, action) in zip(there[0].actions, filter.actions)
            where found != action && changed[action.text] == nil {
                found.drift(from: action, on: link).forEach(note)
                changed[action.text] = action
            }
        }
        if isBroken { return try recolourAnew(link, index, colouring) }
        // Marks before what lets packets come to them.
        let requests = wanted.flatMap(\.actions).reversed().compactMap {
            changed.removeValue(forKey: $0.text)?.replace()
        }
        try route.performAll(requests)
    }

    private func recolourAnew(_ link: String, _ index: UInt32, _ colouring: Colouring) throws(KernelError) {
        actions[link] = nil
        try colour(link, colouring)
    }

    // MARK: Plans

    /// Compares plans that are due: strangers find the map by its number, and nothing announces what they do to it.
    func checkPlans(_ now: Instant) -> Instant? {
        guard !scheduled.isEmpty else {
            planChecks = PlanChecks()
            return nil
        }
        let due = planChecks.take(now) { Array(scheduled.keys) }
        for link in due {
            if let device = scheduled[link], scheduler?.goesBy(device.plan, link: device.index) ?? true { continue }
            for owner in places.links[link] ?? [] {
                for case .colouring(link, let colouring) in objects(of: owner) {
                    do throws(KernelError) { try mendPlan(link, index(of: link), colouring) } catch { refuse(error) }
                }
            }
        }
        return planChecks.due
    }
}

/// When the plans of which devices are compared: all within a second, so few at a time that packets do not wait for it.
/// Pure.
struct PlanChecks {
    private(set) var due: Instant?
    private var waiting: [String] = []
    private var batch = 0
    private var pause = Duration.zero

    static let round: Int64 = 800
    static let leastBatch = 100

    /// - Parameter all: the devices there are, asked for when a round begins
    mutating func take(_ now: Instant, _ all: () -> [String]) -> ArraySlice<String> {
        if let due, due > now { return [] }
        if waiting.isEmpty {
            waiting = all()
            let steps = min(8, max(1, (waiting.count + Self.leastBatch - 1) / Self.leastBatch))
            batch = (waiting.count + steps - 1) / steps
            pause = .milliseconds(Self.round / Int64(steps))
        }
        due = now + pause
        let taken = waiting.suffix(batch)
        waiting.removeLast(taken.count)
        return taken
    }
}

extension Action {
    /// Which one it is: each kind counts its own.
    fileprivate var text: String { "\(kind.name) \(index)" }

    fileprivate func drift(from wanted: Action, on link: String) -> [Drift] {
        var comparison = Comparison(.action, "\(link) \(text)")
        switch (kind, wanted.kind) {
        case (.police(let found), .police(let wanted)):
            comparison.field("rate", found.rate, wanted.rate)
            comparison.field("burst", found.burstTicks, wanted.burstTicks)
            comparison.field("mtu", found.mtu, wanted.mtu)
            comparison.field("overhead", found.overhead, wanted.overhead)
            comparison.field("conform", found.conform.rawValue, wanted.conform.rawValue)
            comparison.field("exceed", found.exceed.rawValue, wanted.exceed.rawValue)
        case (.skbedit(let found), .skbedit(let wanted)):
            comparison.field("mark", found.mark?.value ?? 0, wanted.mark?.value ?? 0)
            comparison.field("mask", found.mark?.mask ?? 0, wanted.mark?.mask ?? 0)
            comparison.field("priority", found.priority ?? 0, wanted.priority ?? 0)
            comparison.field("queue", found.queueMapping ?? 0, wanted.queueMapping ?? 0)
            comparison.field("verdict", found.verdict.rawValue, wanted.verdict.rawValue)
        default: comparison.differs("kind", kind.name, wanted.kind.name)
        }
        if cookie != wanted.cookie { comparison.differs("cookie", "another", "none") }
        return comparison.drift
    }
}
