import Addresses
import Quota

@testable import GREBonding
@testable import Leases

/// Days of virtual time in which one thing after the other goes wrong. After each of them all must be well again within
/// the time that ``Trouble/limit`` says, and stay so.
struct Year {
    /// What there was to see.
    struct Report {
        var days = 0.0
        var events = 0
        var busiestMinute = 0
        var troubles = 0
        /// Seconds until all was well again, the longest for each.
        var slowest: [Trouble: Double] = [:]
        /// Values that are remembered: the greatest in the first tenth and later.
        var size = (first: 0, later: 0)
        var mostPackets = 0
        var wraps = 0
        var packets = 0
        var restarts = 0
        var bonds = 0
        var leases = 0
        var problems: [String] = []
        /// What happened last, when there are problems.
        var history: [String] = []
    }

    /// When 32 bits of milliseconds wrap for the first time; a year has eight such moments.
    private static let wrap = Instant(nanoseconds: (1 << 32) * 1_000_000)

    let world: World
    private let days: Double
    /// Between two troubles, seconds.
    private let pause: ClosedRange<Double>
    /// Of a trouble, seconds.
    private let longest: Double
    private var report = Report()

    /// - Parameters:
    ///   - days: it begins half of the first day, or less, before 32 bits of milliseconds wrap
    ///   - pause: between two troubles, seconds
    ///   - longest: of a trouble, seconds
    init(
        seed: UInt64, days: Double, gateways: Int = 4, pause: ClosedRange<Double> = 60...18_000,
        longest: Double = 20_000
    ) {
        self.days = days
        self.pause = pause
        self.longest = longest
        world = World(seed: seed, from: Self.wrap + .seconds(-43_200 * min(1, days)))
        for i in 0..<gateways {
            var parameters = SessionParameters()
            parameters.activeHelloInterval = [10, 40, 100, 50][i % 4]
            parameters.idleHelloInterval = 100
            parameters.noTrafficMonitoredInterval = 30
            parameters.idleTimeout = i % 2 == 0 ? 120 : 0
            parameters.bypassBandwidthCheckInterval = 300
            parameters.rttDifferenceThreshold = i == 3 ? 0 : 100
            parameters.rttDifferenceThresholdViolation = 1
            parameters.rttDifferenceThresholdCompliance = 2
            world.homes.append(
                Home(i, monitors: i == 0, fetches: i % 3 == 0, parameters: parameters, random: &world.random))
        }
        world.homes[0].quota = DataQuota(World.quota, wallClock: world.wallTime)
    }

    mutating func run() -> Report {
        let start = world.now
        world.changeList()
        for i in world.homes.indices {
            let addresses = world.homes[i].addresses.sorted { $0.key < $1.key }
            for (leg, address) in addresses { world.link(i, leg, address) }
            guard world.homes[i].quota != nil else { continue }
            let link = world.homes[i].link
            _ = world.homes[i].quota?.count(link, wallClock: world.wallTime)
            world.set(.quota(i), world.now + World.quotaInterval)
        }
        settle(within: 30, "the start")
        while world.problems.isEmpty, world.now - start < .seconds(days * 86_400) {
            trouble()
            if report.troubles % 4 == 0 { weigh(isFirst: world.now - start < .seconds(days * 8640)) }
            stream()
            world.run(for: world.random.seconds(pause))
            settle(within: 5, "a quiet time")
        }
        finish(start)
        return report
    }

    /// What grows a little with each trouble is far too large after some hundreds.
    private mutating func weigh(isFirst: Bool) {
        let size = world.size
        if isFirst { report.size.first = max(report.size.first, size) }
        if !isFirst { report.size.later = max(report.size.later, size) }
        // Two and a half thousand of each gateway is usual.
        if size > 4000 * (world.homes.count + 1) { world.report("\(size) values are remembered") }
        if !isFirst, report.size.first > 0, size > report.size.first * 5 / 4 + 200 {
            world.report("\(size) values are remembered, in the first tenth \(report.size.first)")
        }
    }

    /// One of them, or several at once.
    private mutating func trouble() {
        report.troubles += 1
        let isMixed = world.random.happens(percent: 30)
        let kinds = (0..<(isMixed ? world.random.number(2...8) : 1)).map { _ in world.random.pick(Trouble.allCases) }
        for kind in kinds {
            let i = world.random.number(0...world.homes.count - 1)
            world.begin(kind, i)
            let length = kind.length.lowerBound...max(kind.length.lowerBound, min(kind.length.upperBound, longest))
            // Together they may last longer than messages are repeated.
            let brief = 0.01...(world.random.happens(percent: 20) ? 100.0 : 20)
            world.run(for: world.random.seconds(isMixed ? brief : length))
        }
        world.calm()
        let calm = world.now
        // All may be well and LTE be left a moment later: a round trip of before is compared with the next one of the
        // other leg, up to a Hello Interval later (RFC 8157 §5.2.4).
        if kinds.contains(where: \.changesRoundTrips) { world.run(for: .seconds(110)) }
        let limit = kinds.map(\.limit).max() ?? 0
        let names = kinds.map(\.rawValue).joined(separator: ", ")
        let took = settle(within: isMixed ? max(limit, 700) : limit, names, since: calm)
        if let kind = kinds.first, kinds.count == 1 { report.slowest[kind] = max(report.slowest[kind] ?? 0, took) }
    }

    /// Until both ends agree on everything; seconds.
    @discardableResult
    private mutating func settle(within limit: Double, _ after: String, since time: Instant? = nil) -> Double {
        let start = time ?? world.now
        var wrong = world.disagreements()
        while !wrong.isEmpty, world.problems.isEmpty {
            if world.now - start > .seconds(limit) {
                world.report("\(limit) s after \(after): \(wrong.joined(separator: "; "))")
                break
            }
            world.run(for: .milliseconds(500))
            wrong = world.disagreements()
        }
        return Double((world.now - start).milliseconds) / 1000
    }

    /// What passes a bond while all is well; then what was measured is looked at.
    private mutating func stream() {
        guard world.random.happens(percent: 25) else { return }
        let i = world.random.number(0...world.homes.count - 1)
        for problem in world.homes[i].stream.run(world.random.pick(Stream.Mode.allCases), at: world.now) {
            world.report("gateway \(i): \(problem)")
        }
        // Two windows of what is measured, and some Hellos at the longest interval.
        world.run(for: .seconds(500))
        settle(within: 5, "traffic")
        world.checkMeasurements()
    }

    private mutating func finish(_ start: Instant) {
        // A wrong clock may have used up a month before it began, but not one after the other.
        let months = (world.now - start).components.seconds / (31 * 86_400)
        if months > 2, world.homes[0].resets < months / 3 {
            world.report("\(world.homes[0].resets) of \(months) months brought LTE back")
        }
        report.days = Double((world.now - start).milliseconds) / 86_400_000
        report.events = world.events
        report.busiestMinute = world.busiestMinute
        report.mostPackets = world.mostPackets
        report.restarts = world.restarts
        report.bonds = world.bonds
        report.leases = world.leases
        for home in world.homes {
            report.wraps += home.stream.wraps
            report.packets += home.stream.released
        }
        report.problems = world.problems
        if !world.problems.isEmpty { report.history = world.history }
    }
}
