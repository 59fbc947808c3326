import Addresses
import GREBonding
import Observation
import Testing

@testable import Controller

struct BondTallyTests {
    private func bond(_ legs: [LegID], _ distribution: Bond.Distribution) -> Bond {
        let address = IPAddress.v4(IPv4Address(10, 1, 0, 2))
        return Bond(
            sessionID: 1, key: 7, aggregator: .v4(IPv4Address(10, 9, 0, 1)),
            legs: Dictionary(uniqueKeysWithValues: legs.map { ($0, address) }), distribution: distribution,
            committedInformationRate: 1000, client: ClientIdentificationName("gateway-1")!)
    }

    private func bonds(_ tally: BondTally) -> [Int] {
        var bonds = Facts.Bonds()
        tally.count(&bonds)
        return [bonds.up, bonds.both, bonds.onlyDSL, bonds.onlyLTE, tally.up(.primary), tally.up(.secondary)]
    }

    @Test func bondsAreCountedAsTheyAreNow() {
        var tally = BondTally()
        #expect(bonds(tally) == [0, 0, 0, 0, 0, 0])
        tally.set(1, bond([.primary, .secondary], .overflow(.primary, .secondary)))
        tally.set(2, bond([.primary, .secondary], .only(.primary)))
        tally.set(3, bond([.secondary], .only(.secondary)))
        tally.set(3, bond([.secondary], .only(.secondary)))
        #expect(bonds(tally) == [3, 1, 1, 1, 2, 3], "a leg that is up may be left")
        tally.set(1, bond([.primary], .only(.primary)))
        tally.set(2, nil)
        tally.set(2, nil)
        tally.set(4, nil)
        #expect(bonds(tally) == [2, 0, 1, 1, 1, 1])
        tally.set(1, nil)
        tally.set(3, nil)
        #expect(bonds(tally) == [0, 0, 0, 0, 0, 0])
    }
}
