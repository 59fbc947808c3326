import TestSupport
import Testing

@testable import NetlinkKit

@Suite struct AttributeTableTests {
    /// What a reader finds of anything, a table finds, and nothing else.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func asAReader(_ seed: UInt64) {
        var chance = SplitMix(state: seed)
        var found = 0
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<8, using: &chance) {
                // Lengths that end somewhere, one that is too short now and then; numbers within the table and beyond.
                let length = UInt16.random(in: 3...20, using: &chance)
                bytes.appendBytes(of: length)
                bytes.appendBytes(of: UInt16.random(in: 0..<90, using: &chance) | (chance.next() & 1 == 0 ? 0 : 0x8000))
                bytes += (0..<max(0, (Int(length) + 3) & ~3 - 4)).map { _ in UInt8.random(in: 0...255, using: &chance) }
            }
            bytes = Array(bytes.dropLast(Int.random(in: 0..<3, using: &chance)))
            let reader = AttributeReader<Outer>(bytes.span.bytes)
            let table = AttributeTable(reader)
            for number in 0..<100 as Range<UInt16> {
                let whole = Attribute<Outer, [UInt8]>(number, "ANY")
                #expect(table.get(whole) == reader.get(whole))
                if table.get(whole) != nil { found += 1 }
                let big = Attribute<Outer, BigEndian<UInt32>>(number, "BIG")
                #expect(table.get(big) == reader.get(big))
                let nest = Nest<Outer, Inner>(number, "NEST")
                #expect(table.nested(nest).get(Inner.small) == reader.nested(nest).get(Inner.small))
            }
        }
        #expect(found > 100)
    }
}
