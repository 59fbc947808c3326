/// Whose timer is due next. A binary heap with the places of what is in it, so that an outdated entry never stays behind.
///
/// Most deadlines are put off long before they are due, as each sign of life of ten thousand peers does: an entry that
/// is put off stays where it is, and moves when it has come to the top.
package struct DeadlineQueue<Time: Comparable & Sendable, ID: Hashable & Sendable>: Sendable {
    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline var time: Time
        /// By which the entry has its place: `time`, or earlier. That of the first entry is `time`.
        @usableFromInline var placed: Time
        @usableFromInline var id: ID

        @inlinable
        init(_ id: ID, _ time: Time) {
            self.id = id
            self.time = time
            placed = time
        }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var places: [ID: Int] = [:]

    @inlinable package init() {}

    @inlinable package var first: Time? { heap.isEmpty ? nil : heap[0].time }
    @inlinable package var count: Int { heap.count }

    @inlinable
    package mutating func set(_ id: ID, _ time: Time) {
        if let place = places[id] {
            heap[place].time = time
            if time < heap[place].placed {
                heap[place].placed = time
                rise(place)
            } else if place == 0 {
                settle()
            }
        } else {
            heap.append(Entry(id, time))
            rise(heap.count - 1)
        }
    }

    @inlinable
    package mutating func remove(_ id: ID) {
        guard let place = places.removeValue(forKey: id), let last = heap.popLast(), place < heap.count else { return }
        heap[place] = last
        sink(rise(place))
        settle()
    }

    /// What has the earliest deadline when that is not later than `now`; its entry is removed.
    @inlinable
    package mutating func popDue(_ now: Time) -> ID? {
        guard let top = heap.first, top.time <= now else { return nil }
        remove(top.id)
        return top.id
    }

    /// Until the first entry is where it belongs.
    @inlinable
    mutating func settle() {
        while let top = heap.first, top.placed < top.time {
            heap[0].placed = top.time
            sink(0)
        }
    }

    @inlinable
    @discardableResult
    mutating func rise(_ start: Int) -> Int {
        var place = start
        let entry = heap[start]
        while place > 0, entry.placed < heap[(place - 1) / 2].placed {
            put(heap[(place - 1) / 2], place)
            place = (place - 1) / 2
        }
        put(entry, place)
        return place
    }

    @inlinable
    mutating func sink(_ start: Int) {
        var place = start
        let entry = heap[start]
        while true {
            var child = 2 * place + 1
            if child + 1 < heap.count, heap[child + 1].placed < heap[child].placed { child += 1 }
            guard child < heap.count, heap[child].placed < entry.placed else { break }
            put(heap[child], place)
            place = child
        }
        put(entry, place)
    }

    @inlinable
    mutating func put(_ entry: Entry, _ place: Int) {
        heap[place] = entry
        places[entry.id] = place
    }
}
