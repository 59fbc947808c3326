// A leg of which nothing is known yet gets little at a time, or what configuration says.
extension LegRate {
    /// Half of what configuration says, which is found to be more or less within some round trips; less takes longer than
    /// TCP's first growth, which is over when the first leg is full.
    mutating func beginAsTold() {
        guard let ceiling = settings.ceiling, ceiling / 2 > rate else { return }
        rate = ceiling / 2
        trial = nil
        isTold = true
        limit()
    }

    /// Takes by how much its packets arrive later than by the other leg. What is told is not begun with on a leg that is
    /// later by more than the other one can wait, as flows that grow do not use it and too much is noticed late: it is
    /// tried, and then gets a quarter.
    public mutating func arrivesLater(by delay: Duration) {
        guard isTold, !isLowered, delay.nanoseconds > Resequencer.longestRest else { return }
        beginTrial()
        afterTrial = settings.ceiling.map { $0 / 4 }
    }

    /// Whether what is told was found to be far too much, and what is queued has to go.
    private var isLowered: Bool { isTold && rate <= Self.first(settings) }

    /// What is told is far more than the leg carries. What is queued there has to go before anything can be measured, which
    /// the next probe is to say.
    mutating func toldTooMuch(_ late: Duration, _ now: Instant) {
        guard isLowered else {
            rate = min(Self.slowest, settings.least)
            probe = nil
            return note(now)
        }
        // Longer than any queue.
        if late > .seconds(3) { beginTrial() }
    }

    /// - Returns: whether the search begins anew, as what is told was far too much
    mutating func judgeTold(_ probe: Probe) -> Bool {
        guard !isLowered else {
            beginTrial()
            return true
        }
        isTold = !probe.isFull && probe.wait <= allowed
        return false
    }

    mutating func beginTrial() {
        probe = nil
        isTold = false
        afterTrial = nil
        trialAt = nil
        isWorthUsing = true
        beforeCut = nil
        rate = Self.first(settings)
        trial = LegTrial(rate: rate)
        trial?.begin(at: total)
        isSearching = true
        capacity = nil
        answered = nil
        limit()
    }

    mutating func tried(_ bytes: UInt64, _ last: Probe, _ now: Instant) -> Bool {
        if bytes - last.bytes >= Self.some { loaded = now }
        if let probe {
            let time = base.value.map { .nanoseconds($0) + Self.loss } ?? Self.loss * 2
            let isAnswering = now - probe.sent <= time / 2 || isAnswering(now)
            guard now - probe.sent > time else { return false }
            self.probe = nil
            guard isAnswering else {
                trial?.begin(at: total)
                return false
            }
            lostInARow += 1
            // Who has never answered a probe may not answer any.
            if base.value != nil, trial?.lost() == .isTooSlow { isWorthUsing = false }
            trial?.begin(at: total)
            return false
        }
        let isUsed = trial?.isUsed(at: bytes, since: last.sent) ?? false
        guard isWorthUsing, base.value == nil || isUsed else { return false }
        probe = Probe(sent: now, bytes: bytes, isFull: isUsed && trial?.isBurst(now) ?? false)
        signAsked = nil
        return true
    }

    mutating func judgeTrial(_ probe: Probe) {
        // What a link's own scheduler makes of single packets says nothing.
        let allowed = max(allowed, Self.patience)
        switch trial?.answered(wait: probe.wait, isFull: probe.isFull, allowed: allowed) {
        case .isTooSlow: isWorthUsing = false
        case .passed:
            trial = nil
            rate = max(rate, afterTrial ?? 0)
            return limit()
        case .goesOn, nil: break
        }
        trial?.begin(at: total)
    }
}
