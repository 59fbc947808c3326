import CLinux
import Configuration
import EventLog
import Formatting
import GREBonding
import Glibc
import Logging
import Observation

/// Starts the hook command for each event, one at a time and in their order. The loop never waits for it: its end comes
/// as a readable descriptor, and one that takes too long is killed with all it has started.
final class HookRunner {
    private struct Running {
        var process: pid_t
        /// Readable when it has ended.
        var descriptor: Int32
        /// nil once it was killed.
        var deadline: Instant?
        var event: EventKind
    }

    private let command: String
    private let timeout: Duration
    private let role: String
    private let loop: EventLoop
    private let log = Log("hooks")
    private var waiting: [EventStream.Entry] = []
    private var running: Running?
    private var counts = Facts.Hooks()

    /// Events that may wait.
    static let queueLimit = 256

    /// `role`: "hg" or "haap".
    init?(_ settings: HooksConfiguration, role: String, _ loop: EventLoop) {
        guard let command = settings.command else { return nil }
        self.command = command
        timeout = settings.timeout.duration
        self.role = role
        self.loop = loop
    }

    var isIdle: Bool { running == nil && waiting.isEmpty }
    /// What became of the events so far.
    var facts: Facts.Hooks {
        var facts = counts
        facts.waiting = waiting.count
        return facts
    }

    func take(_ entry: EventStream.Entry) {
        guard !entry.event.kind.isFrequent else { return }
        guard waiting.count < Self.queueLimit else {
            counts.dropped &+= 1
            return log(.warning, "hook-dropped", "too many events wait for the hook command", ["event": entry.event.kind.rawValue])
        }
        waiting.append(entry)
        startNext()
    }

    /// Kills what takes too long; when it wants to be called next.
    func work() -> Instant? {
        if let deadline = running?.deadline, deadline <= Clock.now() { kill() }
        return running?.deadline
    }

    /// Ends what runs and forgets what waits.
    func cancel() {
        counts.dropped &+= UInt64(waiting.count)
        waiting = []
        kill()
    }

    private func kill() {
        guard let running, running.deadline != nil else { return }
        counts.killed &+= 1
        log(.warning, "hook-killed", "the hook command took too long", ["event": running.event.rawValue])
        self.running?.deadline = nil
        Glibc.kill(-running.process, SIGKILL)
    }

    private func startNext() {
        while running == nil, !waiting.isEmpty {
            let entry = waiting.removeFirst()
            let variables = HookEnvironment.variables(of: entry.event, role: role, time: entry.time)
            var environment = variables.map { strdup($0) } + [nil]
            defer { for variable in environment { free(variable) } }
            var process: pid_t = 0
            counts.started &+= 1
            let descriptor = clinux_spawn(command, &environment, &process)
            guard descriptor >= 0 else {
                fail(entry.event.kind, String(cString: strerror(errno)))
                continue
            }
            running = Running(
                process: process, descriptor: descriptor, deadline: Clock.now() + timeout, event: entry.event.kind)
            do throws(SystemError) {
                try loop.watch(descriptor) { [weak self] in self?.ended() }
            } catch {
                kill()
                ended()
            }
        }
    }

    private func ended() {
        guard let running else { return }
        var status: Int32 = 0
        // Where the descriptor could not be watched, it was killed: that takes no time.
        waitpid(running.process, &status, 0)
        loop.unwatch(running.descriptor)
        close(running.descriptor)
        self.running = nil
        if running.deadline != nil, status != 0 {
            let signal = status & 0x7F
            fail(running.event, signal == 0 ? "exit status \(status >> 8 & 0xFF)" : "signal \(signal)")
        }
        startNext()
    }

    private func fail(_ event: EventKind, _ why: String) {
        counts.failed &+= 1
        log(.warning, "hook-failed", "the hook command failed", ["event": event.rawValue, "why": why, "command": command])
    }

    var json: JSONObject {
        var object = JSONObject()
        object.add("started", counts.started)
        object.add("failed", counts.failed)
        object.add("killed", counts.killed)
        object.add("dropped", counts.dropped)
        object.add("waiting", waiting.count)
        return object
    }
}
