/// Whose timer is due next. A binary heap with the places of what is in it, so that moving one of ten thousand
/// deadlines costs a handful of swaps and an outdated entry never stays behind.
package struct DeadlineQueue<Time: Comparable & Sendable, ID: Hashable & Sendable>: Sendable {
    @usableFromInline var heap: [(time: Time, id: ID)] = []
    @usableFromInline var places: [ID: Int] = [:]

    @inlinable package init() {}

    @inlinable package var first: Time? { heap.first?.time }
    @inlinable package var count: Int { heap.count }

    @inlinable
    package mutating func set(_ id: ID, _ time: Time) {
        if let place = places[id] {
            heap[place].time = time
            sink(rise(place))
        } else {
            heap.append((time, id))
            places[id] = heap.count - 1
            _ = rise(heap.count - 1)
        }
    }

    @inlinable
    package mutating func remove(_ id: ID) {
        guard let place = places[id] else { return }
        swap(place, heap.count - 1)
        heap.removeLast()
        places[id] = nil
        if place < heap.count { sink(rise(place)) }
    }

    /// What has the earliest deadline when that is not later than `now`; its entry is removed.
    @inlinable
    package mutating func popDue(_ now: Time) -> ID? {
        guard let top = heap.first, top.time <= now else { return nil }
        remove(top.id)
        return top.id
    }

    @inlinable
    mutating func swap(_ a: Int, _ b: Int) {
        guard a != b else { return }
        heap.swapAt(a, b)
        places[heap[a].id] = a
        places[heap[b].id] = b
    }

    @inlinable
    mutating func rise(_ start: Int) -> Int {
        var place = start
        while place > 0, heap[place].time < heap[(place - 1) / 2].time {
            swap(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
        return place
    }

    @inlinable
    mutating func sink(_ start: Int) {
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
