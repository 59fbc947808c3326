import Addresses
import TestSupport
import Testing

@testable import GREBonding

/// RTT control, Hello states, idle timeout, bypass, prefixes, diagnostics.
@Suite struct StateTests {
    private func up(
        monitorsTraffic: Bool = false, _ change: (inout SessionParameters) -> Void = { _ in }
    ) -> Pair {
        var parameters = SessionParameters()
        change(&parameters)
        var pair = Pair(parameters: parameters, monitorsTraffic: monitorsTraffic)
        pair.start()
        pair.run(for: .seconds(3))
        return pair
    }

    private func session(_ pair: Pair) -> AggregationSession? { pair.point.sessions.values.first }

    // MARK: RTT, §5.2.4, §5.2.12, §5.2.13, §5.6.3, §5.6.4

    @Test func moreThanTheCountInARow() {
        var parameters = SessionParameters()
        parameters.rttDifferenceThreshold = 50
        parameters.rttDifferenceThresholdViolation = 3
        parameters.rttDifferenceThresholdCompliance = 2
        var monitor = RTTMonitor()
        func measure(_ primary: Int, _ secondary: Int) -> Bool {
            // The monitor compares when the second one is there.
            let first = monitor.measured(.milliseconds(primary), on: .primary, parameters)
            #expect(!first)
            return monitor.measured(.milliseconds(secondary), on: .secondary, parameters)
        }
        for _ in 0..<3 { #expect(!measure(10, 61)) }
        #expect(!measure(10, 60), "at the threshold is no violation")
        for _ in 0..<3 { #expect(!measure(61, 10)) }
        #expect(measure(61, 10) && monitor.primaryOnly, "whichever leg is the slower one")
        for _ in 0..<2 { #expect(!measure(10, 20)) }
        #expect(!measure(10, 99))
        for _ in 0..<2 { #expect(!measure(10, 20)) }
        #expect(measure(10, 20) && !monitor.primaryOnly)
        parameters.rttDifferenceThreshold = 0
        for _ in 0..<9 { #expect(!measure(1, 900)) }
    }

    @Test func aMeasurementIsOneOfEachLeg() {
        var parameters = SessionParameters()
        parameters.rttDifferenceThreshold = 10
        parameters.rttDifferenceThresholdViolation = 1
        var monitor = RTTMonitor()
        _ = monitor.measured(.zero, on: .primary, parameters)
        for _ in 0..<9 { _ = monitor.measured(.seconds(1), on: .secondary, parameters) }
        #expect(monitor.violations == 1 && !monitor.primaryOnly)
    }

    @Test func slowLTEIsLeftAndTakenUpAgain() {
        var pair = up {
            $0.rttDifferenceThreshold = 100
            $0.activeHelloInterval = 1
        }
        pair.delay[.secondary] = .milliseconds(200)
        pair.run(for: .milliseconds(3300))
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary), "three are tolerated")
        pair.run(for: .seconds(2))
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
        pair.delay[.secondary] = .milliseconds(25)
        pair.run(for: .seconds(8))
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary) && pair.agreed)
        #expect(pair.pointEvents.contains(.primaryOnly(true)) && pair.pointEvents.contains(.primaryOnly(false)))
    }

    // MARK: A reserve, §5.6.3, §5.6.4

    @Test func aReserveIsUsedOnlyWhenThePrimaryLegIsLost() {
        var pair = up()
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
        pair.give(.secondaryReserve(true))
        pair.run(for: .seconds(1))
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
        pair.give(.wanDown(.primary, .carrierLost))
        pair.run(for: .seconds(1))
        #expect(pair.gatewayBond?.distribution == .only(.secondary) && pair.agreed)
        // The aggregator has forgotten it with the leg.
        pair.give(.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(3))
        #expect(pair.gatewayBond?.legs.count == 2)
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
        pair.give(.secondaryReserve(false))
        pair.run(for: .seconds(1))
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary) && pair.agreed)
    }

    @Test func aReserveOutlastsTheIdleState() {
        var pair = up(monitorsTraffic: true) { $0.noTrafficMonitoredInterval = 30 }
        pair.trafficFlows = true
        pair.run(for: .seconds(5))
        pair.give(.secondaryReserve(true))
        pair.run(for: .seconds(5))
        pair.trafficFlows = false
        pair.run(for: .seconds(60))
        #expect(pair.gateway.helloState == .idle)
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
        pair.trafficFlows = true
        pair.run(for: .seconds(5))
        #expect(pair.gateway.helloState == .active)
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
    }

    /// The bond falls idle before DSL joins: what is said then the aggregator forgets when DSL does.
    @Test func aReserveIsSaidAnewWhenTheOtherLegJoins() {
        var pair = Pair(monitorsTraffic: true, fetchesAddresses: true)
        pair.give(.secondaryReserve(true))
        pair.start()
        while pair.gateway.helloState != .idle, pair.now < Instant(nanoseconds: 3_000_000_000) {
            pair.run(for: .milliseconds(1))
        }
        #expect(pair.gateway.helloState == .idle)
        pair.run(for: .milliseconds(15))
        pair.give(HomeGatewaySession.Input.addressed)
        pair.run(for: .seconds(20))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.primary))
    }

    /// A gateway that goes on after a restart says its Hello state again, by the slower leg.
    @Test func aReserveOutlastsARestartInTheIdleState() throws {
        var pair = up(monitorsTraffic: true)
        pair.give(.secondaryReserve(true))
        pair.run(for: .seconds(10))
        #expect(pair.gateway.helloState == .idle && pair.agreed)
        let record = try #require(pair.gateway.record)
        pair.gateway = HomeGatewaySession(settings: pair.gateway.settings, random: SplitMix(state: 9))
        let fits = pair.gateway.resume(record, now: pair.now)
        #expect(fits)
        pair.give(.secondaryReserve(true))
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.primary))
        pair.run(for: .seconds(20))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.primary))
    }

    /// It made the aggregator forget that the secondary leg is left.
    @Test func aLateCopyOfIdleDoesNotBringALegBack() throws {
        var pair = up(monitorsTraffic: true)
        pair.trafficFlows = true
        pair.run(for: .seconds(5))
        pair.give(.leaveSecondary(true))
        pair.run(for: .seconds(5))
        let bond = try #require(pair.gatewayBond)
        #expect(bond.distribution == .only(.primary) && pair.agreed && pair.gateway.helloState == .active)
        let stray = ControlMessage(
            type: .notify, leg: .secondary, key: bond.key, attributes: [.switchingToIdleHelloState])
        pair.give(AggregationPoint.Input.message(stray, from: Pair.addresses[.secondary]!, to: Pair.h))
        pair.run(for: .seconds(1))
        #expect(pair.agreed && pair.gatewayBond == bond && session(pair)?.helloState == .active)
    }

    /// A late copy of a request comes after what it makes the aggregator forget, its Accept before the echo of that.
    @Test func anAcceptThatOvertakesAnEchoDoesNotBringAReserveBack() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        pair.give(.secondaryReserve(true))
        pair.run(for: .milliseconds(11))
        pair.delay[.secondary] = .milliseconds(1)
        let request = ControlMessage(
            type: .setupRequest, leg: .secondary, key: bond.key,
            attributes: [.clientIdentificationName(Pair.name), .sessionID(bond.sessionID)])
        pair.give(AggregationPoint.Input.message(request, from: Pair.addresses[.secondary]!, to: Pair.h))
        pair.run(for: .seconds(20))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.primary))
    }

    /// Either reason is enough, and one that ends does not end the other.
    @Test func roundTripsDoNotBringAReserveBack() {
        var pair = up {
            $0.rttDifferenceThreshold = 100
            $0.activeHelloInterval = 1
        }
        pair.give(.secondaryReserve(true))
        pair.delay[.secondary] = .milliseconds(200)
        pair.run(for: .seconds(8))
        pair.delay[.secondary] = .milliseconds(25)
        pair.run(for: .seconds(8))
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
        pair.delay[.secondary] = .milliseconds(200)
        pair.run(for: .seconds(8))
        pair.give(.secondaryReserve(false))
        pair.run(for: .seconds(1))
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
    }

    @Test func lossOfALegForgetsTheRoundTrips() {
        var pair = up {
            $0.rttDifferenceThreshold = 1
            $0.rttDifferenceThresholdViolation = 1
            $0.activeHelloInterval = 1
        }
        pair.run(for: .seconds(4))
        #expect(pair.gatewayBond?.distribution == .only(.primary) && pair.agreed)
        pair.give(.wanDown(.primary, .carrierLost))
        #expect(pair.gatewayBond?.distribution == .only(.secondary))
        pair.give(.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .milliseconds(200))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    // MARK: Hello states, §5.2.14, §5.2.15, §5.6.13, §5.6.14

    @Test func quietBondIsIdleUntilTrafficComes() {
        var pair = up(monitorsTraffic: true) { $0.noTrafficMonitoredInterval = 30 }
        #expect(pair.gateway.helloState == .idle && session(pair)?.helloState == .idle)
        pair.keepsSent = true
        pair.run(for: .seconds(1500))
        #expect(!pair.sent.contains { $0.message.type == .hello }, "the interval is 1800 s")
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2, "the aggregator is as patient")
        pair.trafficFlows = true
        pair.run(for: .seconds(2))
        #expect(pair.gateway.helloState == .active && session(pair)?.helloState == .active)
        pair.sent = []
        pair.run(for: .seconds(60))
        #expect(pair.sent.filter { $0.message.type == .hello && !$0.toGateway }.count == 12)
        pair.trafficFlows = false
        pair.run(for: .seconds(29))
        #expect(pair.gateway.helloState == .active)
        pair.run(for: .seconds(20))
        #expect(pair.gateway.helloState == .idle && session(pair)?.helloState == .idle)
        #expect(pair.gateway.roundTripTime(of: .primary)?.last == nil, "RTT state is cleared")
    }

    @Test func theStateHoldsOnlyWhenItIsAcknowledged() {
        var pair = up(monitorsTraffic: true)
        pair.blackholes = [.primary, .secondary]
        pair.trafficFlows = true
        while pair.gateway.wantedHelloState == .idle { pair.run(for: .milliseconds(50)) }
        // Less than it takes to give up the legs.
        pair.run(for: .milliseconds(300))
        #expect(pair.gateway.helloState == .idle)
        pair.blackholes = []
        pair.run(for: .seconds(2))
        #expect(pair.gateway.helloState == .active && pair.agreed)
    }

    @Test func trafficFindsALostAggregatorWithoutWaitingForTheHello() {
        var pair = up(monitorsTraffic: true)
        let old = pair.gatewayBond
        pair.restartPoint()
        pair.run(for: .seconds(60))
        #expect(pair.gatewayBond == old, "nobody noticed")
        pair.trafficFlows = true
        pair.run(for: .seconds(6))
        #expect(pair.agreed && pair.gatewayBond != nil && pair.gatewayBond?.key != old?.key)
    }

    @Test func withoutSamplesTheBondStaysActive() {
        var pair = up()
        pair.run(for: .seconds(600))
        #expect(pair.gateway.helloState == .active && pair.gateway.wantsTrafficSampleAt == nil && pair.agreed)
    }

    // MARK: Idle timeout, §5.2.8

    @Test func dslWithoutLTEEndsAfterTheIdleTimeout() {
        var pair = up { $0.idleTimeout = 120 }
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.run(for: .seconds(119))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.primary))
        pair.run(for: .seconds(2))
        #expect(pair.gatewayBond == nil && pair.pointBonds.isEmpty)
        #expect(pair.events.contains { if case .bondDown(_, .idleTimeout) = $0 { true } else { false } })
        pair.give(.wanUp(.secondary, Pair.addresses[.secondary]!))
        pair.run(for: .seconds(4))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2)
    }

    @Test func returnOfLTEStopsTheIdleTimer() throws {
        var pair = up { $0.idleTimeout = 120 }
        let before = try #require(pair.gatewayBond)
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.run(for: .seconds(100))
        pair.keepsSent = true
        pair.give(.wanUp(.secondary, Pair.addresses[.secondary]!))
        let request = try #require(pair.sent.first?.message)
        #expect(request.sessionID == before.sessionID && request.key == before.key, "revived, not anew")
        pair.run(for: .seconds(100))
        #expect(pair.agreed && pair.gatewayBond == before)
    }

    @Test func zeroNeverExpires() {
        var pair = up { $0.idleTimeout = 0 }
        pair.give(.wanDown(.secondary, .carrierLost))
        pair.run(for: .seconds(200_000))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .only(.primary))
    }

    // MARK: Bypass and prefixes, §5.6.1, §5.6.7, §5.4.2

    @Test func bypassLowersTheDownstreamRate() {
        var pair = up()
        pair.bypass = 12_000
        pair.run(for: .seconds(11))
        #expect(session(pair)?.bond?.committedInformationRate == 38_000)
        pair.bypass = 4_000_000_000
        pair.run(for: .seconds(11))
        #expect(session(pair)?.bond?.committedInformationRate == 1)
        pair.bypass = nil
        pair.give(.wanDown(.primary, .carrierLost))
        pair.run(for: .seconds(1))
        #expect(session(pair)?.bypassRate == 0)
    }

    @Test func bypassLowersTheOwnUpstreamRate() {
        var pair = up()
        let full = pair.gatewayBond?.committedInformationRate ?? 0
        #expect(full > 3000)
        pair.give(.bypassTraffic(0, upstream: 3000))
        #expect(pair.gatewayBond?.committedInformationRate == full - 3000)
        pair.give(.bypassTraffic(0, upstream: .max))
        #expect(pair.gatewayBond?.committedInformationRate == 1, "0 would be a rate that is not known")
        pair.give(.wanDown(.primary, .carrierLost))
        pair.give(.wanUp(.primary, Pair.addresses[.primary]!))
        pair.run(for: .seconds(5))
        #expect(pair.agreed && pair.gatewayBond?.committedInformationRate == full, "what was before the loss is no measure")
    }

    @Test func prefixIsToldAndCarriedByHellos() throws {
        var pair = up()
        pair.keepsSent = true
        pair.run(for: .seconds(10))
        let before = try #require(pair.sent.last { $0.message.type == .hello && $0.toGateway })
        #expect(before.message.ipv6PrefixAssignedByHAAP == AssignedIPv6Prefix.none)
        let prefix = Sample.prefix
        pair.give(.prefixAssigned(prefix))
        pair.run(for: .seconds(11))
        #expect(session(pair)?.hostPrefix == prefix)
        let after = try #require(pair.sent.last { $0.message.type == .hello && $0.toGateway })
        #expect(after.message.ipv6PrefixAssignedByHAAP == prefix)
    }

    // MARK: Diagnostics, §5.6.8–§5.6.11

    @Test(arguments: [
        (Diagnostic.dsl, Bond.Distribution.only(.primary)), (.lte, .only(.secondary)),
        (.bonding, .overflow(.primary, .secondary)),
    ])
    func diagnosticPinsBothEnds(kind: Diagnostic, expected: Bond.Distribution) {
        var pair = up()
        pair.give(.startDiagnostic(kind))
        #expect(pair.gatewayBond?.distribution == expected)
        pair.run(for: .milliseconds(100))
        #expect(pair.agreed && session(pair)?.diagnostic == kind)
        pair.give(.endDiagnostic)
        pair.run(for: .milliseconds(100))
        #expect(pair.agreed && session(pair)?.diagnostic == nil)
        #expect(pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    @Test func bondingDiagnosticOverridesTheRTTThreshold() {
        var pair = up {
            $0.rttDifferenceThreshold = 1
            $0.rttDifferenceThresholdViolation = 1
            $0.activeHelloInterval = 1
        }
        pair.run(for: .seconds(4))
        #expect(pair.gatewayBond?.distribution == .only(.primary))
        pair.give(.startDiagnostic(.bonding))
        pair.run(for: .milliseconds(100))
        #expect(pair.agreed && pair.gatewayBond?.distribution == .overflow(.primary, .secondary))
    }

    @Test func diagnosticOfALegThatIsNotUpIsNotStarted() {
        var pair = up()
        pair.give(.wanDown(.primary, .carrierLost))
        pair.give(.startDiagnostic(.dsl))
        #expect(pair.gateway.diagnostic == nil)
        pair.run(for: .seconds(1))
        #expect(pair.agreed)
    }
}
