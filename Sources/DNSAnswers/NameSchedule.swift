import ProtocolSupport

/// When each name that is not a wildcard is to be asked for, so that its addresses are known without any client that
/// asks. Without input or output; times count from an origin of the caller's choice.
package struct NameSchedule: Sendable {
    /// First wait after a failure; it doubles up to the limit.
    static let retry = Duration.seconds(15)
    static let retryLimit = Duration.seconds(960)
    /// Names that are asked for at a time.
    package static let limit = 8
    /// On average no more names are asked for in a second.
    package static let rate = 10

    private var failures: [DomainName: Int] = [:]
    private var names: Set<DomainName> = []
    private var next = DeadlineQueue<Duration, DomainName>()
    private var asking: Set<DomainName> = []

    package init() {}

    package var count: Int { names.count }

    /// From now on these names and no other. New ones are due at once.
    package mutating func watch(_ wanted: Set<DomainName>, now: Duration) {
        for name in names.subtracting(wanted) {
            next.remove(name)
            failures[name] = nil
        }
        for name in wanted.subtracting(names) where !asking.contains(name) { next.set(name, now) }
        names = wanted
    }

    /// Other servers, or another way to them: what failed is tried again at once.
    package mutating func retry(now: Duration) {
        for name in failures.keys where !asking.contains(name) { next.set(name, now) }
        failures = [:]
    }

    /// A name to ask for now; it stays out until it was answered or failed.
    package mutating func take(now: Duration) -> DomainName? {
        guard asking.count < Self.limit, let name = next.popDue(now) else { return nil }
        asking.insert(name)
        return name
    }

    /// When ``take(now:)`` has one; nil: not before another one is answered.
    package var deadline: Duration? { asking.count < Self.limit ? next.first : nil }

    /// - Returns: how long it is until the name is asked for again: its addresses must live longer
    package mutating func answered(_ name: DomainName, timeToLive: Duration, now: Duration) -> Duration {
        failures[name] = nil
        let wait = max(timeToLive, .seconds(1), .milliseconds(1000 * names.count / Self.rate))
        put(name, now + wait)
        return wait
    }

    /// - Parameter share: 768…1280, in 1024ths of the wait
    package mutating func failed(_ name: DomainName, now: Duration, share: Int) {
        let count = failures[name, default: 0]
        failures[name] = names.contains(name) ? count + 1 : nil
        put(name, now + min(Self.retry * (1 << min(count, 10)), Self.retryLimit) * share / 1024)
    }

    private mutating func put(_ name: DomainName, _ time: Duration) {
        asking.remove(name)
        if names.contains(name) { next.set(name, time) }
    }
}
