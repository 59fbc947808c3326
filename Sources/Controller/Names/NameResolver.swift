import Addresses
import Configuration
import DNSAnswers
import EventLog
import Formatting
import GREBonding
import Logging
import NetlinkKit

/// Asks for names itself, so that their addresses are known before any client asks, and where clients ask in ways that
/// nobody else can read.
final class NameResolver {
    /// One name, both families.
    private struct Question {
        var lookups: [NameLookup] = []
        var found: [NameLookup.Answer] = []
        var failures: [NameLookup.Failure] = []
    }

    /// A link to ask over, and its own addresses.
    private struct Link: Equatable {
        var interface: String
        var servers: [IPAddress]
        var sources: [IPAddress]
    }

    private let settings: NameTable.Settings
    private let servers: [IPAddress]
    private let legs: [LegConfiguration]
    private let kernel: KernelConfiguration
    private let loop: EventLoop
    private let log = Log("names")
    private var schedule = NameSchedule()
    private var questions: [DomainName: Question] = [:]
    private var link: Link?
    private var own: Set<IPAddress> = []
    private(set) var asked: UInt64 = 0
    private(set) var failures: [NameLookup.Failure: UInt64] = [:]

    /// - Parameter legs: the first that has an address is asked over
    init(
        _ settings: NameTable.Settings, servers: [IPAddress], legs: [LegConfiguration], _ kernel: KernelConfiguration,
        _ loop: EventLoop
    ) {
        self.settings = settings
        self.servers = servers
        self.legs = legs
        self.kernel = kernel
        self.loop = loop
    }

    func watch(_ names: Set<DomainName>) {
        for name in questions.keys where !names.contains(name) { questions[name] = nil }
        schedule.watch(names, now: Self.now())
    }

    /// Looks at the access links once more.
    func refresh(_ exchange: Exchange, own: Set<IPAddress>) {
        guard schedule.count > 0 else { return }
        self.own = own
        var found: Link?
        for leg in legs where found == nil {
            let name = leg.interface.description
            let sources = IPFamily.allCases.compactMap { (try? WAN.read(exchange, name, $0, nil, kernel))??.address }
            if !sources.isEmpty { found = Link(interface: name, servers: leg.dns, sources: sources) }
        }
        guard found != link else { return }
        link = found
        schedule.retry(now: Self.now())
    }

    /// Does what is due, and hands over what has been answered. Addresses hold at least until the name is asked for
    /// again.
    func work(_ take: (DNSAnswer) -> Void) -> Instant? {
        let now = Self.now()
        while let name = schedule.take(now: now) { ask(name) }
        for (name, question) in questions {
            for lookup in question.lookups { lookup.process() }
            finish(name, take)
        }
        let deadlines = questions.values.flatMap { $0.lookups.map(\.deadline) }
            + [schedule.deadline.map { Instant(nanoseconds: $0.nanoseconds) }]
        return deadlines.compactMap { $0 }.min()
    }

    private func ask(_ name: DomainName) {
        asked &+= 1
        var question = Question()
        let servers = self.servers.isEmpty ? link?.servers ?? [] : self.servers
        let all = servers.isEmpty ? NameLookup.systemServers(onLink: false) : servers
        // A resolver on this host decides for itself by which way it asks.
        let isLocal = all.first.map { $0.isLoopback || own.contains($0) } ?? false
        for family in IPFamily.allCases {
            do throws(NameLookup.Failure) {
                guard isLocal || link != nil else { throw .unreachable }
                question.lookups.append(
                    try NameLookup(
                        name.description, family, servers: isLocal ? all : all.filter { !$0.isLoopback },
                        interface: isLocal ? nil : link?.interface, sources: isLocal ? [] : link?.sources ?? [],
                        loop: loop))
            } catch {
                question.failures.append(error)
            }
        }
        questions[name] = question
    }

    private func finish(_ name: DomainName, _ take: (DNSAnswer) -> Void) {
        guard var question = questions[name] else { return }
        question.lookups.removeAll { lookup in
            switch lookup.result {
            case nil: return false
            case .success(let found)?: question.found += found
            case .failure(let failure)?: question.failures.append(failure)
            }
            return true
        }
        guard question.lookups.isEmpty else { return questions[name] = question }
        questions[name] = nil
        if let least = question.found.map(\.timeToLive).min() {
            let range = settings.timeToLive
            let wait = schedule.answered(
                name, timeToLive: min(max(least, range.lowerBound), range.upperBound), now: Self.now())
            let life = UInt32(clamping: wait.components.seconds)
            take(
                DNSAnswer(
                    name,
                    question.found.map { ($0.address, max(life, UInt32(clamping: $0.timeToLive.components.seconds))) }))
        } else {
            let failure = question.failures.first { $0 != .noAddress } ?? .noAddress
            failures[failure, default: 0] &+= 1
            log(.info, "name-not-resolved", "\(name)", ["why": failure.rawValue])
            schedule.failed(name, now: Self.now(), share: .random(in: 768...1280))
        }
    }

    private static func now() -> Duration { .nanoseconds(Clock.now().nanoseconds) }
}
