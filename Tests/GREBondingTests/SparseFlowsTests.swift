import TestSupport
import Testing

@testable import GREBonding

@Suite struct SparseFlowsTests {
    private let ms: Int64 = 1_000_000

    @Test func aCallIsSparseAndADownloadIsNot() {
        var flows = SparseFlows()
        var call = 0
        var download = 0
        for i in 0..<500 as Range<Int64> {
            // 50 packets a second of 200 bytes, and one of 1486 bytes each millisecond.
            if i % 20 == 0, flows.isSparse(flow: 7, leg: 0, bytes: 200, now: i * ms) { call += 1 }
            if flows.isSparse(flow: 8, leg: 0, bytes: 1486, now: i * ms) { download += 1 }
        }
        #expect(call == 25 && download == 1)
    }

    @Test func aFlowThatWasOnAnotherLegIsPutInOrderForAWhile() {
        var flows = SparseFlows()
        func sparse(_ leg: Int, _ at: Int64) -> Bool { flows.isSparse(flow: 7, leg: leg, bytes: 100, now: at * ms) }
        #expect(sparse(0, 0))
        #expect(!sparse(1, 10))
        #expect(!sparse(0, 20) && !sparse(0, 1900))
        #expect(sparse(0, 2100))
    }

    @Test func whatIsNotKnownIsPutInOrder() {
        var flows = SparseFlows()
        let sparse = flows.isSparse(flow: 0, leg: 0, bytes: 100, now: 0)
        #expect(!sparse)
    }

    @Test func manyFlowsNeedNoMoreRoom() {
        var random = SplitMix(state: 3)
        var flows = SparseFlows()
        for i in 0..<100_000 as Range<Int64> {
            _ = flows.isSparse(
                flow: random.next(), leg: Int(random.next(upperBound: UInt64(3))), bytes: random.next(),
                now: Int64(bitPattern: random.next()) &+ i)
        }
        // One that is heard often keeps its place.
        var kept = true
        for i in 0..<5000 as Range<Int64> {
            _ = flows.isSparse(flow: random.next(), leg: 0, bytes: 1400, now: i * ms)
            let sparse = flows.isSparse(flow: 7, leg: 0, bytes: 1400, now: i * ms)
            if i > 2, sparse { kept = false }
        }
        #expect(kept)
    }

    @Test func extremesOfLateAreForgotten() {
        var least = RecentExtreme(.least, window: .milliseconds(10))
        #expect(least.value == nil)
        least.add(5, at: 0)
        least.add(7, at: 1 * ms)
        #expect(least.value == 5)
        least.add(9, at: 11 * ms)
        #expect(least.value == 5)
        least.add(8, at: 22 * ms)
        #expect(least.value == 8)
        // A pause longer than both windows, and a clock that went back.
        least.add(20, at: 100 * ms)
        #expect(least.value == 20)
        least.add(30, at: 0)
        #expect(least.value == 20)
        var greatest = RecentExtreme(.greatest, window: .seconds(1))
        greatest.add(.max, at: .max)
        greatest.add(.min, at: .min)
        #expect(greatest.value == .max)
    }
}
