/// Which session's timer is due next. A binary heap with the sessions' places in it, so that moving one of ten
/// thousand deadlines costs a handful of swaps and an outdated entry never stays behind.
struct DeadlineQueue: Sendable {
    private var heap: [(time: Instant, id: UInt32)] = []
    private var places: [UInt32: Int] = [:]

    var first: Instant? { heap.first?.time }
    var count: Int { heap.count }

    mutating func set(_ id: UInt32, _ time: Instant) {
        if let place = places[id] {
            heap[place].time = time
            sink(rise(place))
        } else {
            heap.append((time, id))
            places[id] = heap.count - 1
            _ = rise(heap.count - 1)
        }
    }

    mutating func remove(_ id: UInt32) {
        guard let place = places[id] else { return }
        swap(place, heap.count - 1)
        heap.removeLast()
        places[id] = nil
        if place < heap.count { sink(rise(place)) }
    }

    /// The session with the earliest deadline when that is not later than `now`; its entry is removed.
    mutating func popDue(_ now: Instant) -> UInt32? {
        guard let top = heap.first, top.time <= now else { return nil }
        remove(top.id)
        return top.id
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        guard a != b else { return }
        heap.swapAt(a, b)
        places[heap[a].id] = a
        places[heap[b].id] = b
    }

    private mutating func rise(_ start: Int) -> Int {
        var place = start
        while place > 0, heap[place].time < heap[(place - 1) / 2].time {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
        return place
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < heap.count {
                if heap[child].time < heap[least].time { least = child }
            }
            if least == place { return }
            swap(place, least)
            place = least
        }
    }
}
