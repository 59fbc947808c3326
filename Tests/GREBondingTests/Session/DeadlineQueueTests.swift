import ProtocolSupport
import TestSupport
import Testing

@Suite struct DeadlineQueueTests {
    /// As a list of all deadlines that is searched each time, whatever is set, put off, brought forward or removed.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func asIfAllWereSearched(_ seed: UInt64) {
        var chance = SplitMix(state: seed)
        var queue = DeadlineQueue<Int, Int>()
        var all: [Int: Int] = [:]
        var now = 0
        for step in 0..<3000 {
            let id = Int.random(in: 0..<40, using: &chance)
            switch Int.random(in: 0..<10, using: &chance) {
            case 0..<5:
                // Mostly later than before, as a peer that is heard of.
                all[id] = now + Int.random(in: 50..<100, using: &chance)
                queue.set(id, all[id] ?? 0)
            case 5:
                all[id] = now + Int.random(in: 0..<200, using: &chance)
                queue.set(id, all[id] ?? 0)
            case 6:
                all[id] = nil
                queue.remove(id)
            default:
                now += Int.random(in: 0..<10, using: &chance)
                while let due = queue.popDue(now) {
                    let earliest = all.values.min()
                    #expect(all[due] != nil && all[due] == earliest, "step \(step)")
                    all[due] = nil
                }
            }
            #expect(queue.first == all.values.min() && queue.count == all.count, "step \(step)")
            #expect((queue.first ?? .max) > now || all.values.contains { $0 <= now })
        }
        while let due = queue.popDue(.max) { #expect(all.removeValue(forKey: due) != nil) }
        #expect(all.isEmpty && queue.count == 0 && queue.first == nil)
    }
}
