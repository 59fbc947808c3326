import GREBonding
import NFTables
import Observation
import Testing

@testable import Controller

@Suite struct LedgerTests {
    private func traffic(_ bytes: UInt64) -> [LegID: LegTraffic] {
        var leg = LegTraffic()
        leg.received = Counter(packets: bytes / 1000, bytes: bytes)
        return [.primary: leg]
    }

    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    /// Totals grow by what was added, also when the kernel's counters begin anew and when bonds end.
    @Test func totalsNeverGoBack() {
        var ledger = TrafficLedger(isGateway: true)
        var last: UInt64 = 0
        for (second, bytes) in [(0, 5000), (1, 9000), (2, 2000), (3, 2000), (4, 12_000)] as [(Int64, UInt64)] {
            ledger.sample(1, traffic(bytes), at(second))
            let total = ledger.totals[.primary]?.receivedBytes ?? 0
            #expect(total >= last)
            last = total
        }
        #expect(last == 5000 + 4000 + 2000 + 0 + 10_000)
        ledger.remove(1)
        #expect(ledger.totals[.primary]?.receivedBytes == last && ledger.entries.isEmpty)
        ledger.sample(1, traffic(100), at(5))
        #expect(ledger.totals[.primary]?.receivedBytes == last + 100)
    }

    @Test func ratesAreThoseOfTheBondsThereAre() {
        var ledger = TrafficLedger(isGateway: true)
        for bond in 1...3 as ClosedRange<UInt32> { ledger.sample(bond, traffic(0), at(0)) }
        #expect(ledger.rates[.primary] == nil)
        for bond in 1...3 as ClosedRange<UInt32> { ledger.sample(bond, traffic(UInt64(bond) * 1000), at(2)) }
        #expect(ledger.rates[.primary]?.down == 24_000)
        ledger.sample(3, traffic(3000), at(4))
        #expect(ledger.rates[.primary]?.down == 12_000)
        ledger.remove(2)
        #expect(ledger.rates[.primary]?.down == 4000)
        ledger.stop(1, .secondary)
        #expect(ledger.rates[.primary]?.down == 4000)
        ledger.stop(1, .primary)
        #expect(ledger.rates[.primary]?.down == 0 && ledger.totals[.primary]?.receivedBytes == 6000)
        ledger.sample(1, traffic(1000), at(5))
        #expect(ledger.totals[.primary]?.receivedBytes == 7000, "it is counted anew when it comes again")
        ledger.remove(1)
        ledger.remove(3)
        #expect(ledger.rates[.primary]?.down == 0)
        var other = TrafficLedger(isGateway: false)
        for second in 0...1 as ClosedRange<Int64> { other.sample(1, traffic(UInt64(second) * 1000), at(second)) }
        #expect(other.rates[.primary] == Facts.Rate(down: 0, up: 8000), "what an aggregation point receives goes up")
    }
}

@Suite struct SampleRoundsTests {
    private let sets = [true, false].map {
        CountedSet(set: NamedSet(TableName(.ip, "spillway"), "dsl_to", key: []), leg: .primary, isReceived: $0)
    }

    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    /// Every set once a round, and a round takes 2 to 10 s.
    @Test(arguments: [(0, 2000), (1, 2000), (2000, 2000), (5000, 5000), (10_000, 10_000), (100_000, 10_000)])
    func round(bonds: Int, milliseconds: Int64) {
        var rounds = SampleRounds()
        #expect(!rounds.isDue(at(0)) { sets })
        rounds.begin(at(0))
        var seen: [Bool] = []
        for now in 0..<2 as Range<Int64> {
            #expect(rounds.isDue(at(now)) { sets })
            seen += rounds.waiting.last.map { [$0.isReceived] } ?? []
            rounds.next(bonds: bonds)
        }
        #expect(Set(seen).count == 2 && rounds.due == at(milliseconds))
        #expect(!rounds.isDue(at(milliseconds - 1)) { sets } && rounds.isDue(at(milliseconds)) { sets })
        rounds.end()
        #expect(rounds.due == nil && rounds.waiting.isEmpty)
    }

    /// What was read before a bond changed is not taken for what it is now; the next set that is asked for is of now.
    @Test func whatChangedMeanwhileIsLeftOut() {
        var rounds = SampleRounds()
        rounds.begin(at(0))
        rounds.hasChanged(3)
        #expect(rounds.isOfNow(3), "nothing is being read")
        #expect(rounds.isDue(at(0)) { sets })
        rounds.asks()
        rounds.hasChanged(3)
        #expect(!rounds.isOfNow(3) && rounds.isOfNow(4))
        rounds.next(bonds: 1)
        rounds.asks()
        #expect(rounds.isOfNow(3))
    }
}
