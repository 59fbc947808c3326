/// Whose timer is due next. A binary heap that knows where in it everybody is, so that an outdated entry never stays behind.
///
/// Most deadlines are put off long before they are due, as each sign of life of ten thousand peers does: an entry that
/// is put off stays where it is, and moves when it has come to the top.
package struct DeadlineQueue<Time: Comparable & Sendable, ID: Hashable & Sendable>: Sendable {
    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline var id: ID
        @usableFromInline var time: Time
        /// By which the entry has its place: `time`, or earlier. That of the first one in the heap is `time`.
        @usableFromInline var placed: Time
        /// Where it is in the heap.
        @usableFromInline var place: Int

        @inlinable
        init(_ id: ID, _ time: Time, _ place: Int) {
            self.id = id
            self.time = time
            placed = time
            self.place = place
        }
    }

    /// In any order. What moves in the heap is a number, so that nobody has to be looked up by name when others move.
    @usableFromInline var entries: [Entry] = []
    /// Numbers of entries.
    @usableFromInline var heap: [Int] = []
    @usableFromInline var numbers: [ID: Int] = [:]

    @inlinable package init() {}

    @inlinable package var first: Time? { heap.isEmpty ? nil : entries[heap[0]].time }
    @inlinable package var count: Int { heap.count }

    @inlinable
    package mutating func reserve(_ count: Int) {
        entries.reserveCapacity(count)
        heap.reserveCapacity(count)
        numbers.reserveCapacity(count)
    }

    @inlinable
    package mutating func set(_ id: ID, _ time: Time) {
        guard let number = numbers[id] else {
            numbers[id] = entries.count
            heap.append(entries.count)
            entries.append(Entry(id, time, heap.count - 1))
            rise(heap.count - 1)
            return
        }
        entries[number].time = time
        let place = entries[number].place
        if time < entries[number].placed {
            entries[number].placed = time
            rise(place)
        } else if place == 0 {
            settle()
        }
    }

    @inlinable
    package mutating func remove(_ id: ID) {
        guard let number = numbers.removeValue(forKey: id), let last = heap.popLast() else { return }
        let place = entries[number].place
        if place < heap.count {
            put(last, place)
            sink(rise(place))
        }
        // The last entry takes the number that is free now.
        if let moved = entries.popLast(), number < entries.count {
            entries[number] = moved
            heap[moved.place] = number
            numbers[moved.id] = number
        }
        settle()
    }

    /// What has the earliest deadline when that is not later than `now`; its entry is removed.
    @inlinable
    package mutating func popDue(_ now: Time) -> ID? {
        guard let top = heap.first, entries[top].time <= now else { return nil }
        let id = entries[top].id
        remove(id)
        return id
    }

    /// Until the first entry is where it belongs.
    @inlinable
    mutating func settle() {
        while let top = heap.first, entries[top].placed < entries[top].time {
            entries[top].placed = entries[top].time
            sink(0)
        }
    }

    @inlinable
    @discardableResult
    mutating func rise(_ start: Int) -> Int {
        var place = start
        let number = heap[start]
        while place > 0, entries[number].placed < entries[heap[(place - 1) / 2]].placed {
            put(heap[(place - 1) / 2], place)
            place = (place - 1) / 2
        }
        put(number, place)
        return place
    }

    @inlinable
    mutating func sink(_ start: Int) {
        var place = start
        let number = heap[start]
        while true {
            var child = 2 * place + 1
            if child + 1 < heap.count, entries[heap[child + 1]].placed < entries[heap[child]].placed { child += 1 }
            guard child < heap.count, entries[heap[child]].placed < entries[number].placed else { break }
            put(heap[child], place)
            place = child
        }
        put(number, place)
    }

    @inlinable
    mutating func put(_ number: Int, _ place: Int) {
        heap[place] = number
        entries[number].place = place
    }
}
