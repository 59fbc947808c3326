import Addresses
import CScheduler
import Configuration
import GREBonding
import NetlinkKit
import Testing

@testable import Controller

@Suite struct LegPolicyTests {
    private func policy(
        _ distribution: LegDistribution = .overflow, limits: [LegID: BitRate] = [:], weights: LegWeights? = nil,
        rates: (BitRate?, BitRate?) = (nil, nil)
    ) -> LegPolicy {
        LegPolicy(distribution, limits: limits, weights: weights, rates: rates)
    }

    private func mbit(_ rate: UInt64) -> BitRate { BitRate(kilobitsPerSecond: rate * 1000) }

    @Test func sharesFollowWeightsThenRatesThenNothing() {
        #expect(policy(weights: LegWeights(dsl: 1, lte: 3), rates: (mbit(9), mbit(1))).share == 16_384)
        #expect(policy(rates: (mbit(9), mbit(3))).share == 49_152)
        #expect(policy(limits: [.primary: mbit(1)], rates: (mbit(9), mbit(3))).share == 16_384)
        #expect(policy(rates: (mbit(9), nil)).share == 32_768)
        #expect(policy(weights: LegWeights(dsl: 1000, lte: 1)).share == 65_470)
    }

    /// Nobody is left out altogether, and nothing overflows.
    @Test func extremesStayInRange() {
        let (least, most) = (BitRate(kilobitsPerSecond: 1), BitRate(kilobitsPerSecond: 100_000_000))
        #expect(policy(rates: (least, most)).share == 1)
        #expect(policy(rates: (most, least)).share == 65_535)
        #expect(policy(rates: (most, most)).share == 32_768)
    }

    @Test func aLimitLowersTheRateAndStandsForIt() {
        let colour = ColourConfiguration()
        #expect(policy().committed(8000, colour) == BitRate(kilobitsPerSecond: 7920))
        #expect(policy(limits: [.primary: mbit(3)]).committed(8000, colour) == mbit(3))
        #expect(policy(limits: [.primary: mbit(9)]).committed(8000, colour) == BitRate(kilobitsPerSecond: 7920))
        #expect(policy(limits: [.primary: mbit(3)]).committed(0, colour) == mbit(3))
        #expect(policy(limits: [.secondary: mbit(3)]).committed(0, colour) == nil)
    }

    @Test func withoutARateNothingOverflows() {
        let both = Bond.Distribution.overflow(.primary, .secondary)
        #expect(policy().distribution(both, isRateKnown: false) == .only(.primary))
        #expect(policy().distribution(both, isRateKnown: true) == both)
        #expect(policy(.perFlow).distribution(both, isRateKnown: false) == both)
    }

    // MARK: What becomes of it in the kernel

    private static let table = OuterTable(
        family: .v4, canonical: .v4(IPv4Address(192, 0, 0, 8)), legs: [], source: .perLeg, markMask: 0xF000_0000,
        queues: 5300...5300, controlProtocol: 0xB7EA, overflowHold: 2000)

    private func colouring(
        _ distribution: Bond.Distribution, _ policy: LegPolicy, rate: UInt64 = 1_000_000, second: UInt64 = 2_000_000,
        isUsed: Bool = true
    ) -> Colouring {
        var leg = SecondLeg()
        leg.rate = second
        leg.isUsed = isUsed
        return Colouring(
            distribution, table: Self.table, rate: rate, burst: 4000, overhead: 46, secondary: leg,
            secondaryOverhead: 50, queues: true, policy: policy)
    }

    @Test func thePlanKnowsHowToShare() {
        let both = Bond.Distribution.overflow(.primary, .secondary)
        let weights = LegWeights(dsl: 1, lte: 3)
        let overflow = colouring(both, policy()).plan
        #expect(overflow.flow_share == 0 && overflow.packet_share == 0)
        let flows = colouring(both, policy(.perFlow, weights: weights)).plan
        #expect(flows.flow_share == 16_384 && flows.packet_share == 0)
        let packets = colouring(both, policy(.weighted, weights: weights)).plan
        #expect(packets.flow_share == 0 && packets.packet_share == 16_384)
        // A slow leg is left to itself only where packets of one flow would have to wait for it.
        #expect(colouring(both, policy(), isUsed: false).plan.legs == 1)
        #expect(colouring(both, policy(.perFlow), isUsed: false).plan.legs == 3)
    }

    @Test func thePlanKeepsToLimits() {
        func cost(_ rate: UInt64) -> UInt64 { (1_000_000_000 << 16) / rate }
        let limits = [LegID.primary: mbit(4), .secondary: mbit(8)]
        let plan = colouring(.overflow(.primary, .secondary), policy(limits: limits)).plan
        #expect(plan.cost.0 == cost(500_000) && plan.cost.1 == cost(1_000_000))
        let unknown = colouring(.only(.secondary), policy(limits: limits), second: 0).plan
        #expect(unknown.cost.1 == cost(1_000_000) && unknown.legs == 2)
    }

    private func polices(_ lists: [[Action.Kind]]) -> [(Police, legs: UInt32)] {
        lists.compactMap { list in
            guard case .police(let police)? = list.first, case .skbedit(let edit)? = list.last else { return nil }
            return (police, (edit.mark?.value ?? 0) >> 28)
        }
    }

    @Test func withoutLimitsThereIsOnePolice() {
        let lists = colouring(.overflow(.primary, .secondary), policy()).actions
        #expect(lists.map(\.count) == [2, 1])
        #expect(polices(lists).map(\.0.rate) == [1_000_000])
    }

    @Test func withoutAQueueLimitsArePoliced() throws {
        let limits = policy(limits: [.primary: mbit(4), .secondary: mbit(8)])
        let both = polices(colouring(.overflow(.primary, .secondary), limits, rate: 500_000).actions)
        #expect(both.map(\.0.rate) == [500_000, 1_000_000] && both.map(\.legs) == [1, 2])
        #expect(both.map(\.0.exceed) == [.continue, .drop] && both.map(\.0.overhead) == [46, 50])
        // With one leg the second filter takes what is too much, and drops it.
        for (leg, rate, overhead) in [(LegID.primary, 500_000, 46), (.secondary, 1_000_000, 50)] as [(LegID, UInt64, UInt16)] {
            let one = polices(colouring(.only(leg), limits).actions)
            #expect(one[0].0.rate == rate && one[0].0.overhead == overhead && one[0].0.exceed == .continue)
            #expect(one[1].0.rate == 1 && one[1].0.burst == 0 && one[1].0.exceed == .drop)
            #expect(Set(one.map(\.legs)) == [UInt32(leg.rawValue) + 1])
        }
        // A leg without a limit drops nothing.
        let free = polices(colouring(.only(.primary), policy(limits: [.secondary: mbit(8)])).actions)
        #expect(free.map(\.0.exceed) == [.continue, .pipe])
    }
}
