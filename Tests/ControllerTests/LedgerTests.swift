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
        ledger.remove(1)
        ledger.remove(3)
        #expect(ledger.rates[.primary]?.down == 0)
        var other = TrafficLedger(isGateway: false)
        for second in 0...1 as ClosedRange<Int64> { other.sample(1, traffic(UInt64(second) * 1000), at(second)) }
        #expect(other.rates[.primary] == Facts.Rate(down: 0, up: 8000), "what an aggregation point receives goes up")
    }
}

@Suite struct SampleRoundsTests {
    /// Every bond once a round, few at a time, and a round takes 2 to 10 s.
    @Test(arguments: [(1, 2000, 1), (500, 2000, 25), (2000, 2000, 100), (5000, 5000, 100), (10_000, 10_000, 100), (100_000, 10_000, 1000)])
    func round(bonds: Int, milliseconds: Int64, most: Int) throws {
        var rounds = SampleRounds()
        let begun = Instant(nanoseconds: 1_000_000_000)
        rounds.begin(begun)
        var seen: [UInt32] = []
        while seen.count < bonds {
            let now = try #require(rounds.due)
            let taken = rounds.take(now) { (0..<UInt32(bonds)).map { $0 } }
            #expect(!taken.isEmpty && taken.count <= most)
            seen += taken
        }
        #expect(Set(seen).count == bonds && seen.count == bonds)
        let took = (try #require(rounds.due) - begun).milliseconds
        #expect((milliseconds * 9 / 10...milliseconds).contains(took), "\(took)")
        // Not before its time.
        #expect(rounds.take(begun) { [1] }.isEmpty)
    }

    @Test func nothingToRead() throws {
        var rounds = SampleRounds()
        #expect(rounds.due == nil)
        rounds.begin(Instant(nanoseconds: 0))
        #expect(rounds.take(Instant(nanoseconds: 0)) { [] }.isEmpty)
        #expect(try #require(rounds.due) == Instant(nanoseconds: 2_000_000_000))
        rounds.end()
        #expect(rounds.due == nil)
    }
}
