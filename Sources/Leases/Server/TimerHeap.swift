/// Which client's time is up next. A moved time leaves its old entry behind, to be skipped when it comes up; when most
/// entries are old, the heap is built anew, so it never holds more than about twice what is wanted.
struct TimerHeap: Sendable {
    private var heap: [(time: LeaseTime, client: ClientIdentity)] = []

    var first: (time: LeaseTime, client: ClientIdentity)? { heap.first }
    var count: Int { heap.count }

    mutating func insert(_ time: LeaseTime, _ client: ClientIdentity) {
        heap.append((time, client))
        var place = heap.count - 1
        while place > 0, heap[place].time < heap[(place - 1) / 2].time {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < heap.count {
                if heap[child].time < heap[least].time { least = child }
            }
            if least == place { return }
            heap.swapAt(place, least)
            place = least
        }
    }

    /// Keeps the entries that are still wanted.
    mutating func rebuild(_ isWanted: (LeaseTime, ClientIdentity) -> Bool) {
        // A sorted array is a heap.
        heap = heap.filter { isWanted($0.time, $0.client) }.sorted { $0.time < $1.time }
    }
}
