import Addresses
import Glibc
import Testing

@testable import Leases

/// A network that does its worst, and then none of it. `SPILLWAY_SEEDS=10000 swift test --filter
/// LeasesTests.SimulationTests` runs more of them.
struct Simulation {
    var network: Network
    private var random: SplitMix
    private let leaseTime: UInt32
    private let room: Int

    init(seed: UInt64) {
        random = SplitMix(state: seed)
        let hosts = Int.random(in: 1...6, using: &random)
        room = max(1, hosts + Int.random(in: -1...2, using: &random))
        leaseTime = .random(in: 120...3600, using: &random)
        var leases4 = LeaseTable.Settings(pools: ["a": [Sample.pool4(UInt32(room))]])
        let half = LeasePool(prefix("2001:db8:0:100::/56"), delegatedLength: 56)!
        let more = (0..<room - 1).compactMap { n in
            LeasePool(prefix("2001:db8:1:\(String(n * 256, radix: 16))::/56"), delegatedLength: 56)
        }
        var leases6 = LeaseTable.Settings(pools: ["a": [half] + more])
        if Bool.random(using: &random) {
            let first = ClientIdentity("gateway 0")!
            leases4.reservations[first] = prefix("100.64.0.2/32")
            leases6.reservations[first] = prefix("2001:db8:ff::/56")
        }
        network = Network(
            seed: seed, hosts: hosts, leases4: leases4, leases6: leases6, leaseTime: leaseTime)
        network.loss = .random(in: 0...40, using: &random)
        network.duplication = .random(in: 0...30, using: &random)
        network.jitter = .random(in: 0...3, using: &random)
    }

    /// What is wrong; empty when all is well.
    mutating func run() -> [String] {
        for i in network.hosts.indices { network.start(i) }
        for _ in 0..<Int.random(in: 5...25, using: &random) {
            network.run(for: .random(in: 0.01...Double(leaseTime) / 3, using: &random))
            disturb()
        }
        (network.loss, network.duplication, network.jitter) = (0, 0, 0)
        network.serversAreUp = true
        for i in network.hosts.indices where network.hosts[i].v4.state == .stopped { network.start(i) }
        network.run(for: 3 * Double(leaseTime) + 8000)
        let served4 = network.hosts.count { $0.address != nil }
        let served6 = network.hosts.count { $0.delegation != nil }
        let least = min(room, network.hosts.count)
        if served4 < least { network.report("only \(served4) of \(least) have an address") }
        if served6 < least { network.report("only \(served6) of \(least) have a prefix") }
        if network.server4.leases.count != served4 || network.server6.leases.count != served6 {
            network.report("more leases than are used")
        }
        for i in network.hosts.indices { network.stop(i) }
        network.run(for: 10)
        if !network.routes.isEmpty || !network.packets.isEmpty { network.report("left: \(network.routes)") }
        network.run(for: 2 * Double(leaseTime))
        let deadlines = network.hosts.flatMap { [$0.v4.deadline, $0.v6.deadline] }
        if (deadlines + [network.server4.deadline, network.server6.deadline]).contains(where: { $0 != nil }) {
            network.report("timers are left")
        }
        return network.problems
    }

    private mutating func disturb() {
        let i = Int.random(in: network.hosts.indices, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1: network.start(i)
        case 2: network.suspend(i)
        case 3, 4: network.restart(i, seed: random.next(), remembers: Bool.random(using: &random))
        case 5: network.stop(i)
        case 6, 7: network.restartServers(compacts: Bool.random(using: &random))
        case 8: network.serversAreUp.toggle()
        default: network.loss = .random(in: 0...60, using: &random)
        }
    }
}

@Suite struct SimulationTests {
    @Test func bothEndsAgreeWhateverHappened() {
        var failed = 0
        let seeds = seeds("SPILLWAY_SEEDS", 200)
        for seed in seeds {
            var simulation = Simulation(seed: seed)
            let problems = simulation.run()
            if !problems.isEmpty {
                failed += 1
                if failed <= 5 { Issue.record("seed \(seed): \(problems.joined(separator: "; "))") }
            }
        }
        #expect(failed == 0, "of \(seeds.count) seeds")
    }

    /// Days with leases of one: outages that end in a renewal, a rebinding or an expiry, restarts, clocks that are set,
    /// more gateways than there is room for. `SPILLWAY_MONTHS=1000` runs so many times thirty days.
    @Test func aMonth() {
        // Without being asked, what unoptimized code does in some seconds.
        let days = getenv("SPILLWAY_MONTHS") == nil ? 2 : 30
        for seed in seeds("SPILLWAY_MONTHS", 1) {
            var random = SplitMix(state: seed)
            let (leases4, leases6) = leases(5)
            var network = Network(seed: seed, hosts: 6, leases4: leases4, leases6: leases6, leaseTime: 86_400)
            (network.loss, network.duplication, network.jitter) = (10, 10, 3)
            for i in network.hosts.indices { network.start(i) }
            for _ in 0..<4 * days {
                network.run(for: 6 * 3600)
                let i = Int.random(in: network.hosts.indices, using: &random)
                switch Int.random(in: 0..<12, using: &random) {
                case 0: network.serversAreUp = false
                case 1, 2: network.serversAreUp = true
                case 3, 4: network.restartServers(compacts: Bool.random(using: &random))
                case 5: network.stepClock(by: .random(in: -40_000_000...40_000_000, using: &random))
                case 6: network.withdraw(i)
                case 7: network.stop(i)
                case 8: network.start(i)
                case 9: network.restart(i, seed: random.next(), remembers: Bool.random(using: &random))
                default: break
                }
            }
            (network.loss, network.duplication, network.jitter) = (0, 0, 0)
            network.serversAreUp = true
            for i in network.hosts.indices where network.hosts[i].v4.state == .stopped { network.start(i) }
            network.run(for: 4 * 86_400)
            #expect(network.hosts.count { $0.address != nil } == 5 && network.hosts.count { $0.delegation != nil } == 5)
            #expect(network.problems == [], "seed \(seed)")
        }
    }
}
