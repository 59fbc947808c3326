@testable import GREBonding

/// What is due when. There are a few dozen at most, so looking at all of them is the quickest way.
struct Timers<ID: Equatable> {
    private var entries: [(time: Instant, id: ID)] = []

    var count: Int { entries.count }

    /// The earliest; of those at one time the one that was set first.
    var first: (time: Instant, id: ID)? { entries.min { $0.time < $1.time } }

    mutating func set(_ id: ID, _ time: Instant?) {
        let place = entries.firstIndex { $0.id == id }
        switch (place, time) {
        case (let place?, let time?): entries[place].time = time
        case (nil, let time?): entries.append((time, id))
        case (let place?, nil): entries.remove(at: place)
        case (nil, nil): break
        }
    }
}
