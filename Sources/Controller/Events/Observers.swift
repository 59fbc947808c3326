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
    private var http: HTTPServer?
    private var history = RateHistory()
    private var nextPoint: Instant?
    private let settings: SettingsReader

    /// How long hook commands may go on after the end: the last events are those that undo what others set up.
    private static let patience = Duration.seconds(5)

    init(_ configuration: Configuration, _ role: any Role, _ loop: EventLoop, _ settings: SettingsReader) throws {
        self.role = role
        self.settings = settings
        self.loop = loop
        let events = role.common.events
        server = try StatusServer(path: configuration.control.socket, loop: loop) { line in
            switch Request(line) {
            case .monitor(let all): .events(all: all)
            case .reload(let isDry): .text(settings.reload(isDry: isDry))
            case let request?: role.answer(request)
            case nil: .text(Answer.done(unless: "not understood: \(line)"))
            }
        }
        hooks = HookRunner(configuration.hooks, role: configuration.roleName, loop)
        manager = ServiceManager { role.summary }
        role.common.addObservers = { [server, hooks] object in
            object.add("followers", server.followerCount)
            if let hooks { object.add("hooks", hooks.json) }
        }
        role.common.addFacts = { [hooks, unowned self] facts in
            if let hooks { facts.hooks = hooks.facts }
            facts.http = HTTPStatus.allCases.map { ($0.rawValue, self.http?.counts[$0] ?? 0) }
        }
        let settings = configuration.http
        if !settings.listen.isEmpty {
            http = try HTTPServer(settings.listen, loop) { [weak self] in
                self?.respond($0, eachBond: settings.subscriberLabels)
            }
            nextPoint = Clock.now()
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

    /// SIGHUP.
    func reload() {
        manager?.reloading()
        _ = settings.reload(isDry: false)
        manager?.ready()
    }

    func work() -> Instant? {
        let now = Clock.now()
        if let due = nextPoint, due <= now {
            history.add(role.facts(.totals).legs)
            nextPoint = now + .seconds(RateHistory.step)
        }
        return [server.work(), hooks?.work(), manager?.work(), http?.work(), nextPoint].compactMap { $0 }.min()
    }

    /// What the HTTP server has; nil: nothing at this path.
    private func respond(_ path: String, eachBond: Bool) -> HTTPResponse? {
        switch path {
        case "/metrics":
            HTTPResponse(.ok, type: MetricsText.type, content: role.facts(eachBond ? .each : .totals).metrics())
        case "/":
            HTTPResponse(.ok, type: Page.type, content: Page.document(role.facts(.page), history), policy: Page.policy)
        case "/live":
            HTTPResponse(.ok, type: Page.type, content: Array(Page.content(role.facts(.page), history).utf8))
        case "/facts.json":
            HTTPResponse(.ok, type: "application/json", content: Array(role.facts(.page).json.description.utf8))
        default: nil
        }
    }

    func ending() {
        http?.close()
        http = nil
        nextPoint = nil
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
