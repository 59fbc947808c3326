import Addresses
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@testable import Leases

/// Seeds of a simulation: as many as the environment says.
func seeds(_ variable: String, _ count: UInt64) -> ClosedRange<UInt64> {
    let chosen = getenv(variable).flatMap { UInt64(String(cString: $0)) } ?? count
    return 1...max(1, chosen)
}

/// What a pool of prefixes needs for as many clients.
func leases(_ room: Int) -> (v4: LeaseTable.Settings, v6: LeaseTable.Settings) {
    let prefixes = (0..<room).compactMap { n in
        LeasePool(prefix("2001:db8:1:\(String(n * 256, radix: 16))::/56"), delegatedLength: 56)
    }
    return (.init(pools: ["a": [Sample.pool4(UInt32(room))]]), .init(pools: ["a": prefixes]))
}

/// Clients, relays and servers on a network that does its worst, and then none of it. `SPILLWAY_SEEDS=10000 swift test
/// --filter RelaySimulationTests` runs more of them.
struct RelaySimulation {
    private var network: RelayedNetwork
    private var random: SplitMix
    private let leaseTime: UInt32
    private let room: Int

    init(seed: UInt64) {
        random = SplitMix(state: seed)
        let hosts = Int.random(in: 1...5, using: &random)
        room = max(1, hosts + Int.random(in: -2...1, using: &random))
        leaseTime = .random(in: 120...3600, using: &random)
        let (leases4, leases6) = leases(room)
        network = RelayedNetwork(seed: seed, hosts: hosts, leases4: leases4, leases6: leases6, leaseTime: leaseTime)
        network.loss = .random(in: 0...30, using: &random)
        network.duplication = .random(in: 0...40, using: &random)
        network.jitter = .random(in: 0...8, using: &random)
    }

    /// What is wrong; empty when all is well.
    mutating func run() -> [String] {
        for i in network.hosts.indices { network.start(i) }
        for _ in 0..<Int.random(in: 5...25, using: &random) {
            // Some of it happens at once, while packets are under way.
            let longest = Bool.random(using: &random) ? Double(leaseTime) / 3 : 10
            network.run(for: .random(in: 0.01...longest, using: &random))
            disturb()
        }
        (network.loss, network.duplication, network.jitter) = (0, 0, 0)
        network.serversAreUp = true
        for i in network.hosts.indices where network.hosts[i].v4.state == .stopped { network.start(i) }
        network.run(for: 4 * Double(leaseTime) + 8000)
        let least = min(room, network.hosts.count)
        if network.hosts.count(where: { $0.address != nil }) < least { network.report("too few have an address") }
        if network.hosts.count(where: { $0.delegation != nil }) < least { network.report("too few have a prefix") }
        network.checkAgreement()
        for i in network.hosts.indices { network.stop(i) }
        network.run(for: 10)
        network.checkAgreement()
        if !network.relay4.leases.isEmpty || !network.relay6.leases.isEmpty { network.report("leases are left") }
        return network.problems
    }

    private mutating func disturb() {
        let i = Int.random(in: network.hosts.indices, using: &random)
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1, 2: network.start(i)
        case 3: network.suspend(i)
        case 4, 5, 6: network.stop(i)
        case 7: network.restartRelays(compacts: Bool.random(using: &random))
        case 8: network.serversAreUp.toggle()
        case 9: network.withdraw(i)
        case 10: network.stepClock(by: .random(in: -100_000...100_000, using: &random))
        default: network.loss = .random(in: 0...50, using: &random)
        }
    }
}

@Suite struct RelaySimulationTests {
    @Test func nobodyHasWhatIsRoutedToAnother() {
        var failed = 0
        let seeds = seeds("SPILLWAY_SEEDS", 20)
        for seed in seeds {
            var simulation = RelaySimulation(seed: seed)
            let problems = simulation.run()
            if problems.isEmpty { continue }
            failed += 1
            if failed <= 5 { Issue.record("seed \(seed): \(problems.joined(separator: "; "))") }
        }
        #expect(failed == 0, "of \(seeds.count) seeds")
    }

    /// Thirty days with leases of one: outages that end in a renewal, a rebinding or an expiry, restarts, clocks that
    /// are set, more gateways than there is room for. Minutes of unoptimized code, and so only where asked for:
    /// `SPILLWAY_MONTHS=10 swift test -c release -Xswiftc -enable-testing --filter RelaySimulation`.
    @Test(.enabled(if: getenv("SPILLWAY_MONTHS") != nil)) func aMonth() {
        for seed in seeds("SPILLWAY_MONTHS", 1) {
            var random = SplitMix(state: seed)
            let (leases4, leases6) = leases(5)
            var network = RelayedNetwork(seed: seed, hosts: 6, leases4: leases4, leases6: leases6, leaseTime: 86_400)
            (network.loss, network.duplication, network.jitter) = (10, 10, 5)
            for i in network.hosts.indices { network.start(i) }
            for _ in 0..<30 {
                for _ in 0..<4 {
                    network.run(for: 6 * 3600)
                    let i = Int.random(in: network.hosts.indices, using: &random)
                    switch Int.random(in: 0..<10, using: &random) {
                    case 0: network.serversAreUp = false
                    case 1, 2: network.serversAreUp = true
                    case 3: network.restartRelays(compacts: Bool.random(using: &random))
                    case 4: network.stepClock(by: .random(in: -40_000_000...40_000_000, using: &random))
                    case 5: network.withdraw(i)
                    case 6: network.stop(i)
                    case 7: network.start(i)
                    default: break
                    }
                }
            }
            (network.loss, network.duplication, network.jitter) = (0, 0, 0)
            network.serversAreUp = true
            for i in network.hosts.indices where network.hosts[i].v4.state == .stopped { network.start(i) }
            network.run(for: 4 * 86_400)
            network.checkAgreement()
            #expect(network.hosts.count { $0.address != nil } == 5 && network.hosts.count { $0.delegation != nil } == 5)
            #expect(network.problems == [], "seed \(seed)")
        }
    }
}
