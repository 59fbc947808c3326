import Configuration
import GREBonding

/// When bonds are looked at: all of them now and then, those that use LTE often.
struct SampleTimes {
    var busy: Set<UInt32> = []
    var nextAll: Instant?
    var nextBusy: Instant?

    /// Where they are few, LTE's first packets are noticed soon.
    static func pause(_ bonds: Int) -> Duration { .milliseconds(min(max(bonds, 200), 1000)) }

    /// From one look to the next: looking has a quarter of the processor at most. Thousands are busy at once when a probe
    /// of each has no answer, as after a start while their gateways are away.
    static func pause(atLeast least: Duration, took: Duration) -> Duration { max(least, took * 4) }

    var due: Instant? { busy.isEmpty ? nextAll : [nextAll, nextBusy].compactMap { $0 }.min() }
}

// What the queue before both legs is told of LTE: its rate downstream, and by how much it is later.
extension Aggregator {
    func secondaryDelay(of id: UInt32) -> Duration { point.sessions[id]?.delays.difference ?? .zero }

    func secondLeg(of id: UInt32, _ configured: BitRate?) -> SecondLeg {
        SecondLeg(lteRates[id], configured: configured, delay: secondaryDelay(of: id))
    }

    func setLTERate(of id: UInt32, _ bond: Bond, _ cir: BitRate, _ configured: BitRate?) {
        guard settings.colour.overflow == .queue, settings.colour.distribution == .overflow, bond.legs.count > 1 else {
            let isUp = bond.legs[.secondary] != nil
            RememberedLegRate.rest(&lteRemembered[id], lteRates[id]?.record, isUp: isUp, now: Clock.now())
            return forgetLTE(of: id)
        }
        let limits = LegRate.Settings(
            ceiling: configured.map(SecondLeg.ceiling),
            least: max(cir.bytesPerSecond / Colouring.Queue.leastShare, 1))
        if lteRates[id] == nil {
            let now = Clock.now()
            let known = lteRemembered.removeValue(forKey: id)?.record(now: now) ?? lteRecalled[id]
            lteRates[id] = LegRate(limits, known, now: now)
            keepLTE(of: id, now)
        } else {
            lteRates[id]?.settings = limits
        }
        if lteSampling.nextAll == nil { lteSampling.nextAll = Clock.now() }
    }

    func forgetLTE(of id: UInt32) {
        lteRates[id] = nil
        lteKept[id] = nil
        lteUnwritten.remove(id)
    }

    private func keepLTE(of id: UInt32, _ now: Instant) {
        guard let record = lteRates[id]?.record, lteKept[id, default: KeptLegRate()].keep(record, now: now) else {
            return
        }
        lteUnwritten.insert(id)
    }

    func sampleLTE(_ now: Instant) {
        if let due = lteSampling.nextAll, due <= now {
            // Of the dictionary itself there would be a copy each time, as each of them is changed.
            let took = sampleLTE(of: Array(lteRates.keys), now)
            let pause = SampleTimes.pause(atLeast: SampleTimes.pause(lteRates.count), took: took)
            lteSampling.nextAll = lteRates.isEmpty ? nil : now + pause
            lteSampling.nextBusy = now + SampleTimes.pause(atLeast: LegRate.interval, took: took)
        } else if let due = lteSampling.nextBusy, due <= now {
            let took = sampleLTE(of: lteSampling.busy, now)
            lteSampling.nextBusy = now + SampleTimes.pause(atLeast: LegRate.interval, took: took)
        }
        if !lteUnwritten.isEmpty { writeRecords() }
    }

    /// - Returns: how long it took
    private func sampleLTE(of bonds: some Sequence<UInt32>, _ now: Instant) -> Duration {
        let begun = Clock.now()
        for id in bonds { sampleLTE(of: id, now) }
        return Clock.now() - begun
    }

    private func sampleLTE(of id: UInt32, _ now: Instant) {
        guard let device = described[id]?.device, let given = common.state.givenToSecond(device) else {
            lteSampling.busy.remove(id)
            return
        }
        let canAsk = point.sessions[id]?.isConfirmed(.secondary) ?? false
        let isIdle = lteRates[id]?.isIdle(given: given.bytes, waiting: given.waiting, canAsk: canAsk, now: now)
        guard let isIdle else { return }
        if isIdle {
            if lteSampling.busy.contains(id), !(lteRates[id]?.isBusy ?? false) { lteSampling.busy.remove(id) }
            return
        }
        let hasDSL = point.sessions[id]?.isConfirmed(.primary) ?? false
        let asks = lteRates[id]?.sampled(given: given.bytes, waiting: given.waiting, hasOther: hasDSL, now: now) ?? false
        let asksDSL = lteRates[id]?.wantsSign ?? false
        if lteRates[id]?.isBusy ?? false { lteSampling.busy.insert(id) } else { lteSampling.busy.remove(id) }
        adjustQueue(of: id)
        keepLTE(of: id, now)
        if asks { run(point.handle(.probe(sessionID: id, .secondary), now: now)) }
        if asksDSL { run(point.handle(.probe(sessionID: id, .primary), now: now)) }
    }

    func measuredRoundTrip(_ time: Duration, of id: UInt32, _ leg: LegID) {
        let sent = receivedAt + (.zero - time)
        guard leg == .secondary else {
            lteRates[id]?.answeredByOther(sent: sent)
            return
        }
        lteRates[id]?.measured(time, sent: sent, now: receivedAt)
        adjustQueue(of: id)
        keepLTE(of: id, receivedAt)
    }

    func adjustQueue(of id: UInt32) {
        guard lteRates[id] != nil else { return }
        lteRates[id]?.arrivesLater(by: secondaryDelay(of: id))
        let second = secondLeg(of: id, nil)
        common.state.adjust(.bond(id)) { $0.second = second }
        resequence(id)
    }
}
