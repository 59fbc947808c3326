import GREBonding
import NetlinkKit

// The queue before both legs where the kernel refused it for a reason that may pass: `police` stands in, and the queue
// is tried again.
extension KernelState {
    /// After so much work packets that wait for their turn come first.
    private static let slice = Duration.milliseconds(5)

    /// Tries the queue, if that is due, for each device that is without: until one is refused.
    /// - Returns: when it wants to be called again; nil: `police` stands in nowhere, or for ever
    func tryQueue(_ now: Instant) -> Instant? {
        guard let due = queueTrial.due, due <= now else { return queueTrial.due }
        let began = Clock.now()
        repeat {
            guard let link = queueTrial.take(standIns) else { break }
            guard let (owner, colouring) = coloured(link), standsIn(link, colouring) else { continue }
            do throws(KernelError) {
                try takeQueue(link, colouring)
                onFinished(
                    Drift(kind: .qdisc, object: "\(link) fq", field: "chooser", found: "police", wanted: "queue"))
            } catch {
                refuse(error)
                let object = KernelObject.colouring(link: link, colouring)
                // Half of it is there already: the rest is asked for like anything else.
                if actions[link] == nil {
                    leave(.change(from: object, to: object), of: owner)
                    continue
                }
                canSchedule = false
                queueTrial.refused(now, mayPass: error.mayPass)
                break
            }
        } while Clock.now() - began < Self.slice
        return queueTrial.due
    }

    /// Devices without their queue, and always in the same order.
    private func standIns() -> [String] {
        applied.values.joined().compactMap { object in
            guard case .colouring(let link, let colouring) = object, standsIn(link, colouring) else { return nil }
            return link
        }.sorted()
    }

    private func standsIn(_ link: String, _ colouring: Colouring) -> Bool {
        colouring.queues && scheduled[link] == nil && actions[link] != nil && !unmade.contains(link)
    }

    /// By now, which may be other than when the trial began.
    private func coloured(_ link: String) -> (Owner, Colouring)? {
        for owner in places.links[link] ?? [] {
            for case .colouring(link, let colouring) in objects(of: owner) { return (owner, colouring) }
        }
        return nil
    }

    /// Packets have something that chooses their leg all the time: the program comes behind the filters of `police`,
    /// where it has nothing to do until they go, and before them when they are gone.
    private func takeQueue(_ link: String, _ colouring: Colouring) throws(KernelError) {
        let index = try number(of: link)
        let behind = try prepareQueue(link, index, colouring)
        canSchedule = true
        queueRefusals = 0
        queueTrial.taken()
        actions[link] = nil
        try removeFilters(index, colouring, except: behind.priority)
        try route.perform(programFilter(index).add())
        try route.perform(behind.delete())
        scheduled[link] = ScheduledDevice(index, colouring)
    }

    /// All that the kernel may refuse; if it does, packets have noticed nothing.
    /// - Returns: the filter with the program behind those of `police`
    private func prepareQueue(
        _ link: String, _ index: UInt32, _ colouring: Colouring
    ) throws(KernelError) -> Filter {
        var behind: Filter?
        do throws(KernelError) {
            try plan(link, index, colouring)
            let present = try route.filters(link: index, parent: .egress)
            var filter = programFilter(index)
            if let left = present.first(where: isProgram) {
                // It could not be removed after a trial.
                filter.priority = left.filter.priority
            } else {
                let taken = Set(present.map(\.filter.priority))
                filter.priority = (Self.lastPriority + 1...UInt16.max).first { !taken.contains($0) } ?? .max
                try route.perform(filter.add())
            }
            behind = filter
            // Last: packets that come while the kernel puts it in its place may be lost.
            try route.perform(Qdisc(link: index, .fq(Self.queue)).replace())
            return filter
        } catch {
            if let behind { remove(behind.delete()) }
            scheduler?.remove(link: index)
            throw error
        }
    }
}

/// When the queue is tried again where `police` stands in, and for which devices. Pure.
struct QueueTrial {
    static let first = Duration.seconds(5)
    static let longest = Duration.seconds(600)

    private(set) var due: Instant?
    private var pause = Self.first
    private var left: [String] = []
    private var trials = 0
    private var isHopeless = false

    /// `police` stands in for a queue, from now on.
    /// - Parameter mayPass: whether the kernel may have the queue another time
    mutating func standIn(_ now: Instant, mayPass: Bool = true) {
        if !mayPass { giveUp() }
        if due == nil, !isHopeless { due = now + pause }
    }

    /// The next device in a trial that is due; nil: there is none left, and no more to do.
    /// - Parameter all: those without, asked for when a trial begins and when it is through
    mutating func take(_ all: () -> [String]) -> String? {
        if left.isEmpty {
            left = all()
            // Another one comes first each time: one that is always refused does not keep the queue from the others.
            let turn = trials % max(1, left.count)
            left = (left[turn...] + left[..<turn]).reversed()
            trials += 1
        }
        if left.isEmpty {
            due = nil
            pause = Self.first
        }
        return left.popLast()
    }

    /// The kernel has taken one.
    mutating func taken() { pause = Self.first / 2 }

    mutating func refused(_ now: Instant, mayPass: Bool) {
        left = []
        if !mayPass { return giveUp() }
        pause = min(pause * 2, Self.longest)
        due = now + pause
    }

    private mutating func giveUp() {
        isHopeless = true
        due = nil
    }
}

extension KernelError {
    /// Whether the kernel did not say that it cannot do it.
    var mayPass: Bool {
        switch self {
        case .timedOut, .overrun: true
        default: errno?.mayPass == true
        }
    }
}
