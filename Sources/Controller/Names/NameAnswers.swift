import Addresses
import GREBonding

/// What is known of the aggregator's name on each leg, and when each leg is to be asked again. A value without input
/// or output: times come in with what happened.
struct NameAnswers {
    /// A TTL is held to this range: servers must not be flooded, nor a mistake be believed for weeks.
    static let timeToLive = Duration.seconds(10)...Duration.seconds(86_400)
    /// How old an answer is at least before a setup that nobody answers makes it doubtful.
    static let doubtfulAge = Duration.seconds(30)
    /// First wait after a failure; it doubles up to the limit.
    static let retry = Duration.seconds(1)
    static let retryLimit = Duration.seconds(60)
    /// More addresses are not used.
    static let limit = 8

    private struct Leg {
        var isAvailable = false
        var isAsking = false
        var addresses: [IPAddress] = []
        var answeredAt: Instant?
        var failures = 0
        /// When to ask again.
        var next = Instant(nanoseconds: 0)

        /// Whether there is anything to wait for before another leg's answer is taken.
        var isSettled: Bool { !isAvailable || answeredAt != nil || failures > 0 }
    }

    /// The leg whose requests go to the addresses comes first.
    private let order: [LegID]
    private var legs: [LegID: Leg]
    /// All that may be used, the first choice first. Empty until the first leg has answered or failed to.
    private(set) var addresses: [IPAddress] = []

    init(order: [LegID]) {
        self.order = order
        legs = Dictionary(uniqueKeysWithValues: order.map { ($0, Leg()) })
    }

    /// The leg came, went, or has another address. What it knew is kept until it knows better.
    mutating func changed(_ id: LegID, isAvailable: Bool, now: Instant) {
        update(id) { leg in
            leg.isAvailable = isAvailable
            leg.isAsking = false
            leg.failures = 0
            leg.next = now
        }
    }

    mutating func asks(_ id: LegID) { update(id) { $0.isAsking = true } }

    mutating func answered(_ id: LegID, _ found: [IPAddress], timeToLive: Duration, now: Instant) {
        update(id) { leg in
            leg.isAsking = false
            leg.addresses = found
            leg.answeredAt = now
            leg.failures = 0
            leg.next = now + min(max(timeToLive, Self.timeToLive.lowerBound), Self.timeToLive.upperBound)
        }
    }

    /// - Parameter share: 768…1280, in 1024ths of the wait
    mutating func failed(_ id: LegID, now: Instant, share: Int = .random(in: 768...1280)) {
        update(id) { leg in
            leg.isAsking = false
            let wait = min(Self.retry * (1 << min(leg.failures, 10)), Self.retryLimit)
            leg.failures += 1
            leg.next = now + wait * share / 1024
        }
    }

    /// Nobody answered at any of the addresses.
    mutating func doubt() {
        for id in order {
            update(id) { leg in
                if let answered = leg.answeredAt, leg.failures == 0 {
                    leg.next = min(leg.next, answered + Self.doubtfulAge)
                }
            }
        }
    }

    func due(now: Instant) -> [LegID] { order.filter { next(of: $0).map { $0 <= now } ?? false } }

    /// When ``due(now:)`` has something; nil: never.
    var deadline: Instant? { order.compactMap(next).min() }

    private func next(of id: LegID) -> Instant? {
        guard let leg = legs[id], leg.isAvailable, !leg.isAsking else { return nil }
        return leg.next
    }

    private mutating func update(_ id: LegID, _ change: (inout Leg) -> Void) {
        guard var leg = legs[id] else { return }
        change(&leg)
        legs[id] = leg
        collect()
    }

    private mutating func collect() {
        guard let first = order.first, legs[first]?.isSettled == true else { return }
        var found: [IPAddress] = []
        for address in order.flatMap({ legs[$0]?.addresses ?? [] }) where !found.contains(address) {
            found.append(address)
        }
        found = Array(found.prefix(Self.limit))
        // Servers turn the order of a set from answer to answer: that is no change.
        if Set(found) != Set(addresses) { addresses = found }
    }
}
