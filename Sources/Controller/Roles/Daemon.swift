import Addresses
import CLinux
public import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Logging
import NFTables
import NetlinkKit
import Observation

/// Runs one role until it is told to end.
public enum Daemon {
    /// Why it could not run.
    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    /// Of the program.
    public static let version = "0.1.0"

    /// - Parameter read: the settings as they are in their file now
    public static func run(
        _ configuration: Configuration, _ read: @escaping () throws(ConfigurationError) -> Configuration
    ) throws(Failure) {
        do {
            let loop = try EventLoop()
            let role: any Role =
                switch configuration {
                case .homeGateway(let settings): try HomeGateway(settings, loop)
                case .aggregationPoint(let settings): try Aggregator(settings, loop)
                }
            let observers = try Observers(configuration, role, loop, SettingsReader(configuration, role, read))
            var leaves = false
            try loop.takeSignals([SIGTERM, SIGINT, SIGHUP, SIGUSR1]) { number in
                if number == SIGHUP { return observers.reload() }
                leaves = number == SIGUSR1
                loop.stop()
            }
            // Nothing of a peer's has been read so far.
            try Privileges.keep(Capability.allCases)
            observers.beginning()
            do {
                try role.start()
            } catch {
                // What was made until then; but not what a run before made, for the next one to go on with.
                if !role.common.state.isAdopting { role.common.state.clear() }
                throw error
            }
            observers.ready()
            try loop.run {
                [role.work(), observers.work()].compactMap { $0 }.min()
            } apart: {
                role.common.queue.work($0)
            }
            observers.ending()
            if leaves { role.leave() } else { role.stop() }
            try observers.finish()
        } catch {
            throw Failure(description: "\(error)")
        }
    }
}

/// What the loop needs of a role.
protocol Role: AnyObject {
    var common: Common { get }
    func start() throws
    /// Does what is due; when it wants to be called next.
    func work() -> Instant?
    /// Ends in an orderly way: peers told, kernel as it was.
    func stop()
    /// Ends and leaves all as it is, for the next run to go on with.
    func leave()
    /// Goes on with other settings, of which only those differ that a running daemon takes.
    func take(_ settings: Configuration)
    /// One JSON object for what came by the control socket.
    func answer(_ request: Request) -> StatusServer.Reply
    /// The state in a few words.
    var summary: String { get }
    /// What it does, without a question to the kernel.
    func facts(_ detail: FactsDetail) -> Facts
}

/// Parts that both roles have.
final class Common {
    let log = Log("session")
    let kernelLog = Log("kernel")
    let events: EventStream
    let state: KernelState
    let queue: RecombinationQueue
    private let monitor: Monitor
    private let tableMonitor: (monitor: NFTablesMonitor, descriptor: Int32)
    private(set) var discarded: [String: UInt64] = [:]
    /// Control messages that the kernel kept from this program, and when to look again.
    var flood = FloodMeter(now: Clock.now())
    /// Adds to the status what the observers know.
    var addObservers: (inout JSONObject) -> Void = { _ in }
    /// Adds to the facts what the observers know.
    var addFacts: (inout Facts) -> Void = { _ in }
    let started = Clock.now()
    /// Seconds since 1970-01-01T00:00Z.
    let startTime = Int64(time(nil))

    /// - Parameter schedules: bonds will have one queue before both legs
    init(_ kernel: KernelConfiguration, _ loop: EventLoop, schedules: Bool) throws {
        events = EventStream(log)
        let log = Log("kernel")
        state = try KernelState { log(.error, "kernel-refused", $0) }
        if schedules {
            do throws(SystemError) { try state.loadScheduler() } catch { log(.error, "kernel-refused", "\(error)") }
        }
        queue = try RecombinationQueue(number: kernel.queue, markMask: kernel.markMask)
        try loop.watch(queue.descriptor, isApart: true) { [queue] in queue.receive() }
        monitor = try Monitor(KernelState.groups, ignoring: state.port)
        tableMonitor = try NFTablesMonitor.open()
        func tell(_ level: Logger.Level, _ reason: EventReason, _ message: String, _ drift: Drift) {
            log(
                level, reason, message,
                [
                    "kind": drift.kind.rawValue, "object": drift.object, "field": drift.field, "found": drift.found,
                    "wanted": drift.wanted,
                ])
        }
        state.onDrift = { tell(.warning, "drift", "others changed it, it is put right", $0) }
        state.onFinished = { tell(.notice, "asked-again", "the kernel had refused it and is asked again", $0) }
        state.onQuietDrift = { tell(.info, "differs", "the run before had it otherwise", $0) }
    }

    /// From now on what others do to objects of ours is noticed; ``mend(_:)`` puts it right.
    /// - Parameter heard: takes what is announced besides
    func watchKernel(_ loop: EventLoop, _ heard: @escaping ([KernelEvent]) -> Void = { _ in }) throws(SystemError) {
        try loop.watch(monitor.descriptor) { [self] in
            let events = (try? monitor.receive()) ?? [.overrun]
            heard(events)
            state.heard(events)
        }
        try loop.watch(tableMonitor.descriptor) { [self] in
            state.heard((try? tableMonitor.monitor.events()) ?? [.lost])
        }
    }

    func count(_ reason: String, _ count: UInt64 = 1) {
        discarded[reason, default: 0] &+= count
        var event = Event(.discarded, [.why: reason])
        if count > 1 { event.add(.count, count) }
        events.publish(event)
    }

    var discardedJSON: JSONObject {
        var object = JSONObject()
        for (reason, count) in discarded.sorted(by: { $0.key < $1.key }) { object.add(reason, count) }
        return object
    }

    /// Packets of the control protocol that wait in a socket.
    func drain(_ socket: ControlSocket, _ dialect: Dialect, _ take: (ControlMessage, ControlSocket.Received) -> Void) {
        let now = Clock.now()
        for _ in 0..<256 {
            guard let received = socket.receive(now: now) else { return }
            do throws(WireError) {
                take(try ControlMessage(parsing: received.bytes, dialect: dialect), received)
            } catch {
                count(error.reason.rawValue)
            }
        }
    }

    /// - Parameter more: what the role knows besides
    func publish(
        _ event: SessionEvent, _ label: (LegID) -> String, _ more: KeyValuePairs<EventField, any CustomStringConvertible>
    ) {
        if case .discarded(let reason) = event { return count(reason.rawValue) }
        var event = Event(event, label)
        for (name, value) in more where event[name] == nil && !value.description.isEmpty { event.add(name, value) }
        events.publish(event)
    }

    /// Ours from a run that did not end in an orderly way.
    func sweep(_ kernel: KernelConfiguration, _ ipsec: IPsecConfiguration?) {
        state.sweep(SweepScope(kernel, ipsec), mayWait: true)
    }

    /// JSON of a bond's resequencer.
    func resequencerJSON(_ key: UInt32) -> JSONObject? {
        guard let (statistics, depth) = queue.statistics(of: key) else { return nil }
        var object = JSONObject()
        object.add("depth", depth)
        object.add("in_order", statistics.inOrder)
        object.add("held", statistics.held)
        object.add("late", statistics.late)
        object.add("passed_over", statistics.passedOver)
        object.add("timed_out", statistics.timedOut)
        object.add("resynchronized", statistics.resynchronized)
        object.add("longest_wait_us", statistics.longestWait / 1000)
        return object
    }

    /// Packets that a named counter has counted; nil when it cannot be read.
    func counter(_ name: String, in table: TableName) -> UInt64? {
        for object in (try? state.tables.objects(in: table, .counter)) ?? [] where object.name == name {
            if case .counter(let counter) = object.state { return counter.packets }
        }
        return nil
    }

    /// What happened last, the newest first, and what became of it.
    func addEvents(to object: inout JSONObject) {
        let last = events.recent.suffix(Self.statusEvents).reversed().map { $0.event.json(time: $0.time) }
        object.addRaw("events", "[\(last.joined(separator: ","))]")
        addObservers(&object)
    }

    private static let statusEvents = 8

    /// What others did to objects of ours, and what was written to the kernel.
    var kernelJSON: JSONObject {
        var object = JSONObject()
        object.add("changes", state.changes)
        object.add("refused", state.refusals)
        object.add("rereads", state.rereads)
        var drift = JSONObject()
        for kind in Drift.Kind.allCases { if let count = state.drift[kind] { drift.add(kind.rawValue, count) } }
        object.add("drift", drift)
        return object
    }

    var queueJSON: JSONObject {
        var object = JSONObject()
        object.add("packets", queue.packets)
        object.add("unsequenced", queue.unsequenced)
        object.add("overruns", queue.overruns)
        object.add("refused_verdicts", queue.refusals)
        return object
    }
}

/// The dummy device that holds the canonical addresses, the same for both roles.
enum CanonicalDevice {
    static let name = "spillway0"

    static func objects(local: IPAddress, remote: IPPrefix, protocol number: UInt8) -> [KernelObject] {
        [
            .link(
                name: name,
                LinkSettings(.dummy, mtu: 9216, isUp: true, alias: "spillway addresses of the bonds' ends")),
            .address(link: name, IPPrefix(host: local)),
            .route(RouteToDevice(remote, link: name, protocol: RouteProtocol(rawValue: number))),
        ]
    }
}
