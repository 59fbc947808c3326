import Configuration
import EventLog
import Formatting
import GREBonding
import Logging
import Observation

/// All that tells people and programs what the daemon does, besides its log.
final class Observers {
    private let role: any Role
    private let loop: EventLoop
    private let server: StatusServer
    private let hooks: HookRunner?
    private let manager: ServiceManager?

    /// How long hook commands may go on after the end: the last events are those that undo what others set up.
    private static let patience = Duration.seconds(5)

    init(_ configuration: Configuration, _ role: any Role, _ loop: EventLoop) throws {
        self.role = role
        self.loop = loop
        let events = role.common.events
        server = try StatusServer(path: configuration.control.socket, loop: loop) { line in
            switch Request(line) {
            case .monitor(let all): .events(all: all)
            case let request?: .text(role.answer(request))
            case nil: .text(Answer.done(unless: "not understood: \(line)"))
            }
        }
        hooks = HookRunner(configuration.hooks, role: configuration.roleName, loop)
        manager = ServiceManager { role.summary }
        role.common.addObservers = { [server, hooks] object in
            object.add("followers", server.followerCount)
            if let hooks { object.add("hooks", hooks.json) }
        }
        events.subscribe { [server, hooks, manager] entry in
            server.publish(entry.event, entry.event.json(time: entry.time))
            hooks?.take(entry)
            manager?.changed()
        }
    }

    func beginning() { role.common.events.publish(Event(.started)) }

    /// The role has set up what it needs.
    func ready() { manager?.ready() }

    /// There is nothing yet that a running daemon takes from new settings.
    func reload() {
        manager?.reloading()
        role.common.log(.warning, "not-reloaded", "new settings need a restart")
        manager?.ready()
    }

    func work() -> Instant? { [server.work(), hooks?.work(), manager?.work()].compactMap { $0 }.min() }

    func ending() {
        manager?.stopping()
        role.common.events.publish(Event(.stopping))
    }

    /// Lets hook commands come to their end, but not for ever.
    func finish() throws(SystemError) {
        defer { server.close() }
        guard let hooks, !hooks.isIdle else { return }
        let limit = Clock.now() + Self.patience
        try loop.run {
            if hooks.isIdle || limit <= Clock.now() { loop.stop() }
            return [hooks.work(), limit].compactMap { $0 }.min()
        }
        hooks.cancel()
    }
}
