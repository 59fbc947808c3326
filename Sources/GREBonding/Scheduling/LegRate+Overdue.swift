// Probes that do not come back.
extension LegRate {
    /// A probe that does not come back waits in a queue, or is lost: the rate is cut, and restored when the next one
    /// finds no queue. Where no probe ever comes back nothing can be known.
    mutating func overdue(_ probe: Probe, _ now: Instant) {
        let age = now - probe.sent
        guard let base = base.value, lostInARow < Self.lostLimit else {
            guard age > Self.loss * 2 else { return }
            lostInARow += 1
            return self.probe = nil
        }
        let expected = Duration.nanoseconds(base)
        guard age > expected + allowed + Self.doubt else { return }
        guard isAnswering(now) else {
            if age > expected + Self.loss { self.probe = nil }
            return
        }
        guard age > expected + allowed + Self.patience else { return }
        if isTold { return toldTooMuch(age - expected, now) }
        let cuts = min(3, (age - expected - allowed).nanoseconds / Self.patience.nanoseconds)
        if beforeCut == nil { beforeCut = rate }
        while cutCount < cuts {
            cutCount += 1
            rate /= 2
            note(now)
        }
        // Even so little was too much.
        if cutCount > 1, capacity == nil, beforeCut ?? rate <= settings.least &* 2 { isWorthUsing = false }
        if age > expected + Self.loss {
            self.probe = nil
            lostInARow += 1
            if lostInARow >= Self.lostLimit { rate = max(rate, beforeCut ?? rate) }
        }
        limit()
    }

    /// Takes that the peer has answered by the other leg. Only the answer to what was asked for the probe's sake counts: a
    /// peer that comes back speaks before it can have heard the probe.
    /// - Parameter sent: when that left which it answers
    public mutating func answeredByOther(sent: Instant) { if sent == signAsked { isSignAnswered = true } }

    /// Whether the peer has answered by the other leg since it was asked there; it is asked now if it was not yet.
    mutating func isAnswering(_ now: Instant) -> Bool {
        guard hasOther else { return true }
        if signAsked == nil {
            signAsked = now
            isSignAnswered = false
            wantsSign = true
        }
        return isSignAnswered
    }
}
