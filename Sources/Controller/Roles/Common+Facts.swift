import GREBonding
import Glibc
import Observation

// What both roles tell of themselves alike.
extension Common {
    /// The facts that do not depend on the role.
    func facts(_ role: Facts.Role, summary: String) -> Facts {
        let now = Clock.now()
        var facts = Facts(
            role: role, version: Daemon.version, uptime: (now - started).milliseconds / 1000, startTime: startTime)
        facts.summary = summary
        facts.events = events.recent.suffix(20).reversed().map {
            Facts.PastEvent($0.event, time: $0.time, age: (now - $0.at).milliseconds / 1000)
        }
        facts.eventCounts = EventKind.allCases.map { ($0, events.counts[$0] ?? 0) }
        facts.legLosses = events.legLosses.sorted { ($0.key.leg, $0.key.why) < ($1.key.leg, $1.key.why) }
            .map { ($0.key.leg, $0.key.why, $0.value) }
        // Those that have not happened yet, too: the first one is then seen as growth.
        facts.discarded = Set(discarded.keys).union(DiscardReason.allCases.map(\.rawValue)).sorted()
            .map { ($0, discarded[$0] ?? 0) }
        facts.kernelRefusals = state.refusals
        facts.drift = Drift.Kind.allCases.map { ($0.rawValue, state.drift[$0] ?? 0) }
        facts.queue.packets = queue.packets
        facts.queue.unsequenced = queue.unsequenced
        facts.queue.overruns = queue.overruns
        facts.queue.refused = queue.refusals
        facts.resequencer = queue.facts
        facts.process = Facts.Process.current()
        addFacts(&facts)
        return facts
    }
}

extension Facts.Process {
    static func current() -> Self {
        var process = Self()
        process.processorTime = Clock.processor()
        let text = read("/proc/self/statm")
        // Size, then what is resident, in pages.
        let words = text.split(separator: " ")
        if words.count > 1, let pages = Int64(words[1]) { process.residentMemory = pages * Int64(sysconf(Int32(_SC_PAGESIZE))) }
        if let folder = opendir("/proc/self/fd") {
            // ".", ".." and the descriptor of the folder itself.
            process.openDescriptors = -3
            while readdir(folder) != nil { process.openDescriptors += 1 }
            closedir(folder)
        }
        return process
    }

    private static func read(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

extension Facts.Resequencer {
    mutating func add(_ statistics: Resequencer.Statistics) {
        inOrder &+= statistics.inOrder
        held &+= statistics.held
        late &+= statistics.late
        passedOver &+= statistics.passedOver
        timedOut &+= statistics.timedOut
        resynchronized &+= statistics.resynchronized
        longestWait = max(longestWait, statistics.longestWait)
    }
}

extension RecombinationQueue {
    /// Of all bonds, those that are gone among them.
    var facts: Facts.Resequencer {
        var facts = ended
        for resequencer in resequencers {
            facts.add(resequencer.statistics)
            facts.depth += resequencer.depth
        }
        return facts
    }
}
