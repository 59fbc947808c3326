import CScheduler
import NetlinkKit

// What gives a bond's packets their legs: `clsact` with filters and actions, or with the program, and its queue.
extension KernelState {
    /// How often in a row a queue is refused before `police` stands in. Until then nothing chooses a leg for packets.
    private static let queueAttempts = 6
    /// The last one that filters of ours have.
    static let lastPriority: UInt16 = 4
    // Packets of one flow wait as one flow; what may wait in all is little, see the plan's limit.
    static let queue = FairQueue(limit: 4096, flowLimit: 4096, paces: false, bucketsLog: 4)

    func colour(_ link: String, _ colouring: Colouring) throws(KernelError) {
        let index = try number(of: link)
        do throws(KernelError) {
            try route.perform(Qdisc.clsact(link: index).add())
        } catch where error.errno == .exists {
            guard try route.qdisc(link: index, parent: .clsact)?.qdisc.kind == .clsact else { throw error }
            try removeFilters(index, colouring)
        }
        if colouring.queues, canSchedule {
            do throws(KernelError) {
                try schedule(link, index, colouring)
                queueRefusals = 0
                return
            } catch {
                // What a kernel does not have it says; anything else may be over when it is asked again.
                queueRefusals += 1
                if error.mayPass, queueRefusals < Self.queueAttempts { throw error }
                let how = "LTE takes what police refuses instead of what a queue lets over"
                report("\(error): \(how)\(error.mayPass ? ", until the kernel takes the queue" : "")")
                canSchedule = false
                queueTrial.standIn(Clock.now(), mayPass: error.mayPass)
                scheduled[link] = nil
                scheduler?.remove(link: index)
                _ = route.perform([Qdisc(link: index, .fq(FairQueue())).delete()])
            }
        }
        for filter in Self.filters(index, colouring, []) { try route.perform(filter.add()) }
        // The kernel numbers the actions; by these numbers they are replaced while packets flow.
        let numbers = Self.actionNumbers(try route.filters(link: index, parent: .egress), colouring)
        let count = colouring.actions.joined().count
        guard numbers.count == count else {
            throw .malformed(Operation("read", "filters of \(link)"), "\(numbers.count) actions instead of \(count)")
        }
        actions[link] = numbers
        if colouring.queues { queueTrial.standIn(Clock.now()) }
        try pin(index, colouring, numbers)
    }

    /// The filters of a device without a queue: those that everything comes to, in the order of ``Colouring/actions``,
    /// then those for what keeps to a leg.
    /// - Parameter numbers: of the actions; empty lets the kernel choose
    static func filters(_ index: UInt32, _ colouring: Colouring, _ numbers: [UInt32]) -> [Filter] {
        var next = 0
        let lists = colouring.actions.map { list in
            list.map { kind in
                defer { next += 1 }
                return Action(kind, index: numbers.isEmpty ? 0 : numbers[next])
            }
        }
        let all = zip(priorities(colouring), lists).map {
            Filter(link: index, parent: .egress, priority: $0, handle: 1, .matchall, actions: $1)
        }
        return all + (numbers.isEmpty ? [] : pins(index, colouring, lists))
    }

    /// What the kernel has numbered the actions of ours among a device's filters, in the order of ``Colouring/actions``.
    static func actionNumbers(_ present: [ObservedFilter], _ colouring: Colouring) -> [UInt32] {
        let own = Set(priorities(colouring))
        return present.filter { own.contains($0.filter.priority) }.sorted { $0.filter.priority < $1.filter.priority }
            .flatMap { $0.actions.map(\.action.index) }
    }

    static func priorities(_ colouring: Colouring) -> [UInt16] {
        colouring.actions.indices.map { UInt16(colouring.pins ? 2 * $0 + 2 : $0 + 1) }
    }

    /// What keeps to a leg shares the actions of what comes to that leg by itself. Packets for the second one come to
    /// theirs before the rate of the first; packets for the first one count there and stay on it beyond its rate, unless
    /// that is a limit.
    private static func pins(_ index: UInt32, _ colouring: Colouring, _ lists: [[Action]]) -> [Filter] {
        guard colouring.pins else { return [] }
        let first = lists[0], second = Array(lists[1...].joined())
        let two = colouring.primary != colouring.secondary
        return [
            (priority: UInt16(1), mark: colouring.marks[1], actions: two ? second : first),
            (3, colouring.marks[0], two && colouring.limits[0] == 0 ? first.suffix(1) : second),
        ].map {
            Filter(
                link: index, parent: .egress, priority: $0.priority, handle: $0.mark, .fw(mask: colouring.mask),
                actions: $0.actions)
        }
    }

    private func pin(_ index: UInt32, _ colouring: Colouring, _ numbers: [UInt32]) throws(KernelError) {
        for filter in Self.filters(index, colouring, numbers).dropFirst(colouring.actions.count) {
            try route.perform(filter.replace())
        }
    }

    /// Those at the places of ours, and the program wherever it is; others stay.
    func removeFilters(
        _ index: UInt32, _ colouring: Colouring, except priority: UInt16? = nil
    ) throws(KernelError) {
        let last = colouring.pins ? Self.lastPriority : 2
        for found in try route.filters(link: index, parent: .egress)
        where (found.filter.priority <= last || isProgram(found)) && found.filter.priority != priority {
            try route.perform(found.filter.delete())
        }
    }

    func isProgram(_ found: ObservedFilter) -> Bool { found.program != nil && found.program == scheduler?.id }

    /// Changes what an owner's device is told about its legs, at once and without looking at anything else.
    func adjust(_ owner: Owner, _ change: (inout Colouring) -> Void) {
        // The list is changed where it is: one that is held besides would be copied each time.
        for at in applied[owner]?.indices ?? 0..<0 {
            guard case .colouring(let link, let before)? = applied[owner]?[at] else { continue }
            var colouring = before
            change(&colouring)
            guard colouring != before else { return }
            applied[owner]?[at] = .colouring(link: link, colouring)
            // What there is will be compared with this.
            if isHeld(owner) { continue }
            // It comes with its device.
            if unmade.contains(link) { continue }
            do throws(KernelError) {
                // What somebody else wrote there would go unnoticed.
                if scheduled[link] != nil { try mendPlan(link, index(of: link), before) }
                try recolour(link, colouring)
            } catch {
                refuse(error)
                leave(.change(from: .colouring(link: link, before), to: .colouring(link: link, colouring)), of: owner)
            }
        }
    }

    /// Bytes that a device was given for its second leg, and those of them that still wait; nil where no queue counts
    /// them.
    func givenToSecond(_ link: String) -> (bytes: UInt64, waiting: UInt64)? {
        guard let device = scheduled[link] else { return nil }
        return scheduler?.givenToSecond(link: device.index, rate: device.secondRate)
    }

    /// Puts the bond's plan into effect.
    func plan(_ link: String, _ index: UInt32, _ colouring: Colouring) throws(KernelError) {
        let device = ScheduledDevice(index, colouring)
        if scheduled[link] != nil { scheduled[link] = device }
        let operation = Operation("set", "plan of link \(index)")
        // Where the program cannot be loaded it never can: the right to do so is given up at the start.
        do throws(SystemError) { try loadScheduler() } catch { throw .malformed(operation, "\(error)") }
        do throws(SystemError) {
            try scheduler?.set(device.plan, link: index)
        } catch {
            throw .refused(.init(operation, Errno(rawValue: error.number)))
        }
    }

    private func schedule(_ link: String, _ index: UInt32, _ colouring: Colouring) throws(KernelError) {
        try plan(link, index, colouring)
        try route.perform(Qdisc(link: index, .fq(Self.queue)).replace())
        try route.perform(programFilter(index).add())
        scheduled[link] = ScheduledDevice(index, colouring)
    }

    func programFilter(_ index: UInt32) -> Filter {
        Filter(
            link: index, parent: .egress, priority: 1, handle: 1,
            .bpf(descriptor: scheduler?.descriptor ?? -1, name: SchedulerProgram.name))
    }

    func recolour(_ link: String, _ colouring: Colouring) throws(KernelError) {
        if scheduled[link] != nil { return try plan(link, index(of: link), colouring) }
        guard let numbers = actions[link] else { return try colour(link, colouring) }
        // Marks before what lets packets come to them.
        let requests = zip(colouring.actions.joined(), numbers).reversed().map { Action($0, index: $1).replace() }
        try route.performAll(requests)
        try pin(index(of: link), colouring, numbers)
    }
}

/// A device whose packets the program gives their legs.
struct ScheduledDevice {
    var index: UInt32
    /// What the program is to go by. Compared each second with what it does go by.
    var plan: scheduler_plan
    /// Bytes a second of the second leg.
    var secondRate: UInt64

    init(_ index: UInt32, _ colouring: Colouring) {
        self.index = index
        plan = colouring.plan
        secondRate = colouring.secondRate
    }
}
