// The first leg's packets come past the resequencer while no other leg is in use, so that they cost nothing. Once one
// is, the first leg's next packet tells how far it has come meanwhile.
extension Resequencer {
    /// After a pause the first leg's packets have come past this; its next one tells how far it is.
    mutating func further(_ sequence: UInt32, _ now: Int64, _ release: (UInt64) -> Void) {
        defer { furtherSeen = now }
        guard let pause = settings.pause, furtherSeen == .min || now &- furtherSeen >= pause else { return }
        flush(release: release)
        isJoining = true
        expected = sequence
        horizon = sequence
        lateInARow = 0
    }

    /// The first leg keeps its order: what it had before this number has been delivered. Further legs may have been
    /// faster; their numbers after it are kept.
    mutating func join(at sequence: UInt32) {
        isJoining = false
        guard let start = expected else { return }
        if Int32(bitPattern: sequence &- start) > 0 { joined = (start, sequence) }
        let ahead = Int32(bitPattern: horizon &- sequence)
        guard depth > 0, ahead > 0, Int(ahead) < settings.bufferLimit else {
            for slot in ring.indices { ring[slot].arrival = .min }
            depth = 0
            if ahead < 0, ahead > -Int32(clamping: settings.bufferLimit), joiningSilence != nil {
                // A further leg has what is between, or the first one had it. What a further leg brings next tells.
                return expected = horizon
            }
            expected = sequence
            horizon = sequence
            return
        }
        if Int32(bitPattern: sequence &- start) < 0 { grow(toHold: Int(ahead) + 1) }
        var number = start
        while Int32(bitPattern: sequence &- number) >= 0 {
            if ring[Int(number & mask)].arrival != .min { depth -= 1 }
            ring[Int(number & mask)].arrival = .min
            number &+= 1
        }
        expected = sequence
        firstHeld = number
        while depth > 0, ring[Int(firstHeld & mask)].arrival == .min { firstHeld &+= 1 }
    }

    /// Nanoseconds of silence of a further leg that end the first gap after a pause. A sender lets its first leg rest for
    /// so long when it begins to use another, where that is not long; nil: no sender does, or nothing is known.
    var joiningSilence: Int64? {
        guard let expected = settings.expected, expected > 0, expected <= Self.longestRest else { return nil }
        return min(expected &+ expected / 4 &+ Self.margin, silence)
    }

    /// Whether the first leg may have had a number while it went past this.
    func mayHavePassed(_ number: UInt32) -> Bool { number &- joined.from < joined.to &- joined.from }

    /// How many of these numbers were under way: what the first leg had while it went past this was not.
    func gone(from next: UInt32, to end: UInt32) -> UInt64 {
        let all = end &- next
        guard mayHavePassed(next) else { return UInt64(all) }
        return UInt64(all - min(all, joined.to &- next))
    }

    /// Remembers the number of a packet that did not wait.
    mutating func keep(_ sequence: UInt32, _ distance: Int, _ now: Int64) {
        guard distance < settings.bufferLimit else { return }
        grow(toHold: distance + 1)
        guard ring[Int(sequence & mask)].arrival == .min else { return }
        ring[Int(sequence & mask)] = Slot(arrival: now, isReleased: true)
        if depth == 0 || Int32(bitPattern: sequence &- firstHeld) < 0 { firstHeld = sequence }
        depth += 1
        if Int32(bitPattern: sequence &- horizon) >= 0 { horizon = sequence &+ 1 }
    }
}
