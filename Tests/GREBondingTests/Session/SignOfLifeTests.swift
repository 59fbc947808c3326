import Testing

@testable import GREBonding

/// Packets of subscribers as a sign of life, and their absence as a reason to ask.
@Suite struct SignOfLifeTests {
    private func up() -> Pair {
        var parameters = SessionParameters()
        parameters.activeHelloInterval = 1
        var pair = Pair(parameters: parameters, monitorsTraffic: true)
        pair.start()
        pair.trafficFlows = true
        pair.run(for: .seconds(5))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2)
        return pair
    }

    @Test func aLegThatBringsPacketsLives() {
        var pair = up()
        pair.drowned = [.primary]
        pair.run(for: .seconds(30))
        #expect(pair.gatewayBond?.legs.count == 2 && pair.agreed, "though no Hello was answered for 30 s")
        #expect(pair.pointBonds.values.first?.legs.count == 2)
        // When the packets end too, it is lost at both ends.
        pair.drowned = []
        pair.blackholes = [.primary]
        pair.run(for: .seconds(5))
        #expect(pair.gatewayBond?.distribution == .only(.secondary) && pair.agreed)
    }

    @Test func withoutPacketsAndHellosTheAggregatorGivesUp() {
        var pair = up()
        pair.trafficFlows = false
        pair.drowned = [.primary, .secondary]
        pair.run(for: .seconds(6))
        #expect(pair.pointBonds.isEmpty)
    }

    @Test func aFlowThatFallsSilentIsFoundOutSoon() {
        var pair = up()
        pair.blackholes = [.secondary]
        pair.run(for: .milliseconds(520))
        #expect(pair.gatewayBond?.distribution == .only(.primary))
        #expect(pair.events.contains(.legDown(.secondary, .helloLost)))
        pair.run(for: .milliseconds(30))
        #expect(pair.agreed, "the aggregator was told over the other leg")
    }

    /// What comes back late is not lost: no leg is given up because its round trip jumps from 50 to 250 ms.
    @Test func jitterIsNoSilence() {
        var pair = up()
        pair.uploads = [.secondary]
        pair.channel.jitter = .milliseconds(100)
        pair.run(for: .seconds(60))
        #expect(!pair.events.contains { if case .legDown = $0 { true } else { false } })
    }

    @Test func aFewPacketsAreNoReasonToAsk() throws {
        var monitor = HelloMonitor(next: Instant(nanoseconds: 0))
        var now = Instant(nanoseconds: 0)
        let sent = monitor.send(now: now, interval: .seconds(10), attempts: 3)
        _ = monitor.answered(try #require(sent), receivedAt: now + .milliseconds(20), interval: .seconds(10))
        for n in 0..<100 {
            now = now + .milliseconds(50)
            monitor.sampled(received: n % 20 == 0, sent: n % 20 < 2, now: now)
        }
        #expect(monitor.next == Instant(nanoseconds: 10_000_000_000))
        // Packets go out and out, and nothing comes back.
        for _ in 0..<3 {
            now = now + .milliseconds(50)
            monitor.sampled(received: false, sent: true, now: now)
        }
        #expect(monitor.next > now)
        for _ in 0..<3 {
            now = now + .milliseconds(50)
            monitor.sampled(received: false, sent: true, now: now)
        }
        #expect(monitor.next == now)
    }

    /// Where the round trip is longer than all attempts but the last one take, one lost Hello must not end the leg.
    @Test func oneLostHelloIsNoDeadLegWhereTheRoundTripIsLong() throws {
        let start = Instant(nanoseconds: 1_000_000_000)
        var monitor = HelloMonitor(next: start)
        let roundTrip = Duration.milliseconds(450)
        var now = start
        for _ in 0..<20 {
            let sent = monitor.send(now: now, interval: .seconds(10), attempts: 3)
            _ = monitor.answered(try #require(sent), receivedAt: now + roundTrip, interval: .seconds(10))
            now = now + .seconds(1)
        }
        // Packets go out, and nothing comes back: it is asked. The first Hello is lost, the second one is answered.
        var asked: [(Timestamp, Instant)] = []
        while asked.count < 2 || now < asked[1].1 + roundTrip {
            now = now + .milliseconds(50)
            monitor.sampled(received: false, sent: true, now: now)
            if monitor.next <= now {
                let sent = monitor.send(now: now, interval: .seconds(10), attempts: 3)
                asked.append((try #require(sent, "given up before the second answer"), now))
            }
        }
        #expect(asked.count == 3)
        #expect(monitor.answered(asked[1].0, receivedAt: now, interval: .seconds(10)) == roundTrip)
        #expect(monitor.unanswered == 0)
    }
}
