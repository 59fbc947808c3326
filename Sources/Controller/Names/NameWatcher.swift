import Addresses
import Configuration
import DNSAnswers
import EventLog
import Formatting
import GREBonding
import Logging
import NFTables
import NetlinkKit

/// Keeps the addresses of watched names in sets of nftables: those that answers to hosts of the LAN tell, before the
/// hosts have them, and those that it asks for itself (RFC 8157 §5.6.2, item type FQDN).
final class NameWatcher {
    private let settings: HomeGatewayConfiguration
    private let state: KernelState
    private let loop: EventLoop
    /// Where the addresses of a use go.
    private let set: (Int, IPFamily) -> NamedSet?
    private let log = Log("names")
    private var known: NameTable
    private let resolver: NameResolver
    /// There from the first name on.
    private var queue: AnswerQueue?
    private var own: [IPPrefix] = []
    /// Answers that named something watched.
    private var named: UInt64 = 0
    /// Changes that the kernel refused.
    private var failures: UInt64 = 0
    /// Those that are made again, and when.
    private var refused: [NameChange] = []
    private var againAt: Duration?
    /// When the queue is asked for again, which the kernel or another program did not let us have.
    private var queueAgainAt: Duration?

    /// - Parameter set: where the addresses of a use go: no ranges, and with a time for each element
    init(
        _ settings: HomeGatewayConfiguration, _ state: KernelState, _ loop: EventLoop,
        set: @escaping (Int, IPFamily) -> NamedSet?
    ) {
        self.settings = settings
        self.state = state
        self.loop = loop
        self.set = set
        let names = settings.names
        let limits = NameTable.Settings(
            timeToLive: names.timeToLiveFloor.duration...names.timeToLiveCeiling.duration, grace: names.grace.duration,
            addressesPerName: names.addresses, takesPrivate: names.takesPrivate)
        known = NameTable(settings: limits)
        resolver = NameResolver(
            limits, servers: names.servers, legs: [settings.dsl, settings.lte].filter(\.isEnabled), settings.kernel,
            loop)
    }

    /// What the sets of addresses hold now, to be put back where others take it away.
    func contents(_ table: TableName) -> [SetContents] {
        known.holds(now: Self.now()).compactMap { change in
            guard case .hold(let address, let use, let origin) = change, let set = set(use, address.family),
                set.table == table
            else { return nil }
            return SetContents(set: set, elements: [Self.element(address, origin)])
        }
    }

    // MARK: What is watched

    /// From now on these names and no other.
    func watch(_ names: [WatchedName]) {
        apply(known.watch(names, now: Self.now()))
        resolver.watch(Set(names.map(\.pattern).filter { !$0.isWildcard }.map(\.name)))
        applyRules()
        refresh()
    }

    /// Addresses of this host or its links may have changed.
    func refresh() {
        guard !known.isEmpty else { return }
        let present = ((try? state.route.addresses()) ?? []).map(\.address)
        let lan = Set(settings.lan.map { state.index(of: $0.description) })
        let canonical = [settings.kernel.canonical, settings.kernel.canonical6]
        let hosts = present.map(\.address.address) + canonical.flatMap { [$0.local, $0.remote] }
        var prefixes = Set(hosts.map { IPPrefix(host: $0) })
        for address in present where lan.contains(address.link) { prefixes.insert(address.address.masked) }
        if let prefix = settings.tunnel.prefix { prefixes.insert(prefix) }
        apply(known.setOwn(prefixes.sorted(), now: Self.now()))
        resolver.refresh(state.route, own: Set(hosts))
    }

    private func applyRules() {
        queueAgainAt = nil
        guard !known.isEmpty, !settings.lan.isEmpty else {
            state.apply([], for: .names)
            return
        }
        do {
            if queue == nil {
                let queue = try AnswerQueue(number: settings.names.queue)
                try loop.watch(queue.descriptor) { [weak self] in self?.receive() }
                self.queue = queue
            }
            state.apply(
                [.ruleset(NameRules.ruleset(lan: settings.lan.map(\.description), queue: settings.names.queue))],
                for: .names)
        } catch {
            log(.error, "no-answers", "answers cannot be read: \(error)", ["queue": settings.names.queue])
            queueAgainAt = Self.now() + Self.patience
        }
    }

    // MARK: What is known

    /// Does what is due; when it wants to be called next.
    func work() -> Instant? {
        if let deadline = known.deadline, deadline <= Self.now() { known.expire(now: Self.now()) }
        let next = resolver.work { take([$0]) }
        applyAgain()
        if let due = queueAgainAt, due <= Self.now() { applyRules() }
        let due = [known.deadline, againAt, queueAgainAt].compactMap { $0.map { Instant(nanoseconds: $0.nanoseconds) } }
        return ([next].compactMap { $0 } + due).min()
    }

    private func applyAgain() {
        guard let due = againAt, due <= Self.now() else { return }
        let changes = known.again(refused, now: Self.now())
        refused = []
        againAt = nil
        apply(changes, pause: Self.patience)
    }

    /// Which names an address is known by, the one with the most time first.
    func origins(of address: IPAddress) -> [NameTable.Origin] { known.origins(of: address, now: Self.now()) }

    private func receive() { queue?.receive { take($0) } }

    func take(_ answers: [DNSAnswer]) {
        var changes: [NameChange] = []
        for answer in answers {
            let taken = known.take(answer, now: Self.now())
            guard taken.isWatched else { continue }
            named &+= 1
            changes += taken.changes
            log(
                .debug, "answer", "\(answer.names[0])",
                ["addresses": answer.addresses.map(\.address.description).joined(separator: " ")])
        }
        apply(changes)
    }

    /// The reason for a refusal may have passed by then.
    private static let pause = Duration.milliseconds(100)
    private static let patience = Duration.seconds(1)

    /// - Parameter pause: before what the kernel refuses is made again; the next answer may be hours away
    private func apply(_ changes: [NameChange], pause: Duration = NameWatcher.pause) {
        guard !changes.isEmpty else { return }
        var transaction = Transaction()
        for change in changes { write(change, to: &transaction) }
        do throws(TransactionError) {
            try state.tables.commit(transaction)
        } catch {
            failures &+= 1
            log(.warning, "names-refused", "\(error)")
            if case .failed(let cause, _) = error, cause.errno?.mayPass == false {
                // A set that is still to come has all that is held in it.
                return
            }
            refused += changes
            againAt = againAt ?? Self.now() + pause
        }
    }

    /// Linux before 6.12 gives an element that is there no new time: it is taken out and put in, which no packet sees.
    private func write(_ change: NameChange, to transaction: inout Transaction) {
        switch change {
        case .hold(let address, let use, let origin):
            guard let set = set(use, address.family) else { return }
            let element = Self.element(address, origin)
            transaction.deleteIfPresent([element], from: set)
            transaction.create([element], in: set)
        case .release(let address, let use):
            guard let set = set(use, address.family) else { return }
            transaction.deleteIfPresent([Element(Value(address))], from: set)
        }
    }

    private static func element(_ address: IPAddress, _ origin: NameTable.Origin) -> Element {
        let life = UInt64(clamping: max(1, origin.left.milliseconds))
        return Element(Value(address), timeout: life, comment: String("\(origin)".prefix(127)))
    }

    private static func now() -> Duration { .nanoseconds(Clock.now().nanoseconds) }

    // MARK: Status

    /// Names that the status lists.
    private static let listLimit = 1000

    var json: JSONObject? {
        guard !known.isEmpty else { return nil }
        var object = JSONObject()
        object.add("watched", known.nameCount)
        object.add("addresses", known.addressCount)
        var answers = JSONObject()
        answers.add("read", queue?.packets ?? 0)
        answers.add("named", named)
        answers.add("missed", queue?.overruns ?? 0)
        answers.add("passed", Self.counts(queue?.passed ?? [:]))
        object.add("answers", answers)
        let refused = known.refused.map { ($0.rawValue, $1) }
        object.add("refused", Self.counts(Dictionary(uniqueKeysWithValues: refused)))
        object.add("not_applied", failures)
        var lookups = JSONObject()
        lookups.add("asked", resolver.asked)
        let failed = resolver.failures.map { ($0.rawValue, $1) }
        lookups.add("failures", Self.counts(Dictionary(uniqueKeysWithValues: failed)))
        object.add("lookups", lookups)
        // Those with addresses first, where not all can be shown.
        let list = known.counts().map { (name: $0.pattern.description, count: $0.addresses) }
            .sorted { ($0.count == 0 ? 1 : 0, $0.name) < ($1.count == 0 ? 1 : 0, $1.name) }
        object.add(
            "names",
            list.prefix(Self.listLimit).map { entry in
                var object = JSONObject()
                object.add("name", entry.name)
                object.add("addresses", entry.count)
                return object
            })
        return object
    }

    private static func counts(_ counts: [String: UInt64]) -> JSONObject {
        var object = JSONObject()
        for (reason, count) in counts.sorted(by: { $0.key < $1.key }) { object.add(reason, count) }
        return object
    }
}

extension Value {
    init(_ address: IPAddress) {
        switch address {
        case .v4(let address): self = .ipv4(address)
        case .v6(let address): self = .ipv6(address)
        }
    }
}
