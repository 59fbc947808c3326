import Addresses
import Glibc
import TestSupport
import Testing

@testable import Leases

typealias LeaseSettings = (v4: LeaseTable.Settings, v6: LeaseTable.Settings)

/// Gateways and what serves them on a network that does its worst, and then none of it.
struct Simulation {
    enum Kind: CaseIterable { case served, relayed }

    private let network: SimulatedNetwork
    private var random: SplitMix
    private let leaseTime: UInt32
    private let room: Int

    init(_ kind: Kind, seed: UInt64) {
        random = SplitMix(state: seed)
        let gateways = Int.random(in: 1...6, using: &random)
        room = max(1, gateways + Int.random(in: -2...2, using: &random))
        leaseTime = .random(in: 120...3600, using: &random)
        var settings = Self.settings(room)
        if Bool.random(using: &random) {
            let first = ClientIdentity("gateway 0")!
            settings.v4.reservations[first] = prefix("100.64.0.2/32")
            settings.v6.reservations[first] = prefix("2001:db8:ff::/56")
        }
        network = Self.network(kind, seed: seed, gateways: gateways, settings, leaseTime: leaseTime)
        network.loss = .random(in: 0...40, using: &random)
        network.duplication = .random(in: 0...40, using: &random)
        network.jitter = .random(in: 0...8, using: &random)
    }

    /// Thirty days, or fewer, with leases of one, and more gateways than there is room for.
    init(monthOf kind: Kind, seed: UInt64) {
        random = SplitMix(state: seed)
        (room, leaseTime) = (5, 86_400)
        network = Self.network(kind, seed: seed, gateways: 6, Self.settings(room), leaseTime: leaseTime)
        (network.loss, network.duplication, network.jitter) = (10, 10, 5)
    }

    private static func network(
        _ kind: Kind, seed: UInt64, gateways: Int, _ settings: LeaseSettings, leaseTime: UInt32
    ) -> SimulatedNetwork {
        switch kind {
        case .served: ServedNetwork(seed: seed, gateways: gateways, settings, leaseTime: leaseTime)
        case .relayed: RelayedNetwork(seed: seed, gateways: gateways, settings, leaseTime: leaseTime)
        }
    }

    /// Addresses and prefixes for so many gateways.
    private static func settings(_ room: Int) -> LeaseSettings {
        let prefixes = (0..<room).compactMap { n in
            LeasePool(prefix("2001:db8:1:\(String(n * 256, radix: 16))::/56"), delegatedLength: 56)
        }
        return (.init(pools: ["a": [Sample.pool4(UInt32(room))]]), .init(pools: ["a": prefixes]))
    }

    // MARK: What happens

    /// What is wrong; empty when all is well.
    mutating func run() -> [String] {
        for i in network.gateways.indices { network.start(i) }
        for _ in 0..<Int.random(in: 5...25, using: &random) {
            // Some of it happens at once, while packets are under way.
            let longest = Bool.random(using: &random) ? Double(leaseTime) / 3 : 10
            network.run(for: .random(in: 0.01...longest, using: &random))
            disturb()
        }
        return end()
    }

    /// Outages that end in a renewal, a rebinding or an expiry.
    mutating func run(days: Int) -> [String] {
        for i in network.gateways.indices { network.start(i) }
        for _ in 0..<4 * days {
            network.run(for: 6 * 3600)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: network.serversAreUp = Bool.random(using: &random)
            case 1: disturb()
            default: break
            }
        }
        return end()
    }

    private mutating func disturb() {
        let i = Int.random(in: network.gateways.indices, using: &random)
        switch Int.random(in: 0..<15, using: &random) {
        case 0, 1, 2: network.start(i)
        case 3: network.suspend(i)
        case 4, 5: network.restart(i, seed: random.next(), remembers: Bool.random(using: &random))
        case 6, 7, 8: network.stop(i)
        case 9, 10: network.restartServing(compacts: Bool.random(using: &random))
        case 11: network.serversAreUp.toggle()
        case 12: network.withdraw(i)
        case 13: network.stepClock(by: .random(in: -40_000_000...40_000_000, using: &random))
        default: network.loss = .random(in: 0...50, using: &random)
        }
    }

    /// Now nothing is lost: all is found and given back.
    private func end() -> [String] {
        (network.loss, network.duplication, network.jitter) = (0, 0, 0)
        network.serversAreUp = true
        for i in network.gateways.indices where network.gateways[i].v4.state == .stopped { network.start(i) }
        network.run(for: 4 * Double(leaseTime) + 8000)
        let least = min(room, network.gateways.count)
        if network.served.v4 < least { network.report("only \(network.served.v4) of \(least) have an address") }
        if network.served.v6 < least { network.report("only \(network.served.v6) of \(least) have a prefix") }
        network.checkQuiet()
        for i in network.gateways.indices { network.stop(i) }
        network.run(for: 10)
        network.checkEnd()
        network.run(for: 2 * Double(leaseTime))
        let deadlines = network.gateways.flatMap { [$0.v4.deadline, $0.v6.deadline] } + network.deadlines
        if deadlines.contains(where: { $0 != nil }) { network.report("timers are left") }
        return network.problems
    }
}

/// `SPILLWAY_SEEDS=10000` and `SPILLWAY_MONTHS=100` run more of them: in minutes with
/// `swift test -c release -Xswiftc -enable-testing --filter LeasesTests.SimulationTests`.
@Suite struct SimulationTests {
    /// As many as the environment says.
    private static func seeds(_ variable: String, _ count: UInt64) -> ClosedRange<UInt64> {
        1...max(1, getenv(variable).flatMap { UInt64(String(cString: $0)) } ?? count)
    }

    private static func expectNoProblem(_ seeds: ClosedRange<UInt64>, _ run: (UInt64) -> [String]) {
        var failed = 0
        for seed in seeds {
            let problems = run(seed)
            if problems.isEmpty { continue }
            failed += 1
            if failed <= 5 { Issue.record("seed \(seed): \(problems.joined(separator: "; "))") }
        }
        #expect(failed == 0, "of \(seeds.count) seeds")
    }

    @Test(arguments: Simulation.Kind.allCases) func allAgreeWhateverHappened(_ kind: Simulation.Kind) {
        Self.expectNoProblem(Self.seeds("SPILLWAY_SEEDS", kind == .served ? 20 : 6)) { seed in
            var simulation = Simulation(kind, seed: seed)
            return simulation.run()
        }
    }

    @Test(arguments: Simulation.Kind.allCases) func aMonth(_ kind: Simulation.Kind) {
        // Without being asked, what unoptimized code does in some seconds.
        let days = getenv("SPILLWAY_MONTHS") == nil ? 1 : 30
        Self.expectNoProblem(Self.seeds("SPILLWAY_MONTHS", 1)) { seed in
            var simulation = Simulation(monthOf: kind, seed: seed)
            return simulation.run(days: days)
        }
    }
}
