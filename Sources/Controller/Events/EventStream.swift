import EventLog
import Formatting
import GREBonding
import Glibc
import Logging
import Observation

/// Where everything that happened passes: to the log, and to whoever else wants to know.
final class EventStream {
    /// An event and when it happened.
    struct Entry {
        var event: Event
        var at: Instant
        /// RFC 3339, UTC.
        var time: String
    }

    private let log: Log
    private var sinks: [(Entry) -> Void] = []
    /// The last ones, oldest first, without those that are frequent.
    private(set) var recent: [Entry] = []
    private(set) var counts: [EventKind: UInt64] = [:]

    private(set) var legLosses: [Loss: UInt64] = [:]

    struct Loss: Hashable {
        var leg: String
        var why: String
    }

    static let recentLimit = 64

    init(_ log: Log) { self.log = log }

    func subscribe(_ sink: @escaping (Entry) -> Void) { sinks.append(sink) }

    func publish(_ event: Event) {
        log(event)
        counts[event.kind, default: 0] &+= 1
        if event.kind == .legDown { legLosses[Loss(leg: event[.leg] ?? "", why: event[.why] ?? ""), default: 0] &+= 1 }
        if event.kind.isFrequent, sinks.isEmpty { return }
        let entry = Entry(event: event, at: Clock.now(), time: Self.wallClock())
        if !event.kind.isFrequent {
            if recent.count == Self.recentLimit { recent.removeFirst() }
            recent.append(entry)
        }
        for sink in sinks { sink(entry) }
    }

    private static func wallClock() -> String {
        let time = Clock.wall()
        return UTCTime.text(seconds: time.seconds, milliseconds: time.nanoseconds / 1_000_000)
    }
}

extension Event {
    /// What a session says, in the words of operators; the leg's name is `label`'s.
    init(_ event: SessionEvent, _ label: (LegID) -> String) {
        switch event {
        case .setupRequested(let leg, let attempt):
            self.init(.setupRequested, [.leg: label(leg), .attempt: attempt])
        case .setupDenied(let leg, let code):
            self.init(.setupDenied, [.leg: label(leg), .code: code.rawValue, .why: "\(code)"])
        case .setupUnanswered(let leg, let code):
            self.init(.setupUnanswered, [.leg: label(leg), .code: code.rawValue, .why: "\(code)"])
        case .legUp(let leg, let address): self.init(.legUp, [.leg: label(leg), .address: address])
        case .legDown(let leg, let reason): self.init(.legDown, [.leg: label(leg), .why: reason.rawValue])
        case .bondUp(let id): self.init(.bondUp, [.session: id])
        case .bondDown(let id, let reason):
            self.init(.bondDown, [.session: id, .why: reason.name])
            if case .tornDown(let code?) = reason { add(.code, code.rawValue) }
        case .roundTrip(let leg, let time):
            self.init(.roundTrip, [.leg: label(leg), .us: time.nanoseconds / 1000])
        case .notifyAbandoned(let leg): self.init(.notifyAbandoned, [.leg: label(leg)])
        case .helloState(let state): self.init(.helloState, [.state: state.rawValue])
        case .primaryOnly(let only): self.init(only ? .primaryOnly : .bothLegs)
        case .diagnostic(let kind?): self.init(.diagnostic, [.state: kind.name])
        case .diagnostic(nil): self.init(.diagnosticEnded)
        case .prefixAssignedToHost(let prefix): self.init(.prefixToHost, [.prefix: "\(prefix)"])
        case .filterListTaken(let count): self.init(.filterListTaken, [.count: count])
        case .filterListRefused(_, let code): self.init(.filterListRefused, [.why: "\(code)"])
        case .filterListPackageRejected(let rejection): self.init(.filterListRefused, [.why: "\(rejection)"])
        case .filterListNotSendable(let error): self.init(.filterListRefused, [.why: "\(error)"])
        case .drained: self.init(.drained)
        case .verificationStarted(let id): self.init(.verification, [.session: id])
        case .discarded(let reason): self.init(.discarded, [.why: reason.rawValue])
        }
    }
}

extension Log {
    func callAsFunction(_ event: Event) {
        let level: Logger.Level =
            switch event.kind.severity {
            case .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            }
        write(
            level, EventReason(stringLiteral: event.kind.rawValue), event.kind.message,
            event.fields.map { ($0.name.rawValue, $0.value) })
    }
}
