import GREBonding

// What takes the kernel milliseconds for each bond, and may be asked for by thousands at once: it has a turn in each round
// of events, so that Hellos of all others are answered between.
extension Aggregator {
    func line(_ request: SetupLine.Request) {
        switch setups.add(request) {
        case .waits: break
        case .waitsAlready: common.count(DiscardReason.duplicate.rawValue)
        case .noRoom: common.count("flood")
        }
    }

    /// Those of sessions; what is still due after that has its turn when messages have been read again.
    func runTimers(_ now: Instant) {
        while let deadline = point.deadline, deadline <= now, Clock.now() < now + SetupLine.turn {
            run(point.handle(.timeout, now: now))
        }
    }

    /// Many together take the kernel less time, but nobody is answered until all are gone.
    func deleteEnded(_ now: Instant) {
        let moreMayEnd = !setups.isEmpty || point.deadline.map { $0 <= now } == true
        if !moreMayEnd || common.state.ended.count >= 64 { common.state.deleteEnded() }
    }

    /// - Returns: when the next one has its turn; nil: none waits
    func takeSetups(_ now: Instant) -> Instant? {
        // What is made must not be held to be there.
        if takeover != nil { return nil }
        repeat {
            guard let next = setups.next() else { return nil }
            run(point.handle(.message(next.message, from: next.source, to: next.destination), now: Clock.now()))
        } while Clock.now() < now + SetupLine.turn
        return setups.isEmpty ? nil : now
    }
}
