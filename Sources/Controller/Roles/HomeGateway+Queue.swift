import Configuration
import EventLog
import GREBonding
import Logging
import NFTables

// What the queue before both legs is told of LTE: its rate upstream, and by how much it is later.
extension HomeGateway {
    /// Half of what its round trip is longer by, without queues.
    var secondaryDelay: Duration {
        guard let first = session.roundTripTime(of: .primary)?.least,
            let second = session.roundTripTime(of: .secondary)?.least
        else { return .zero }
        return max(.zero, (second - first) / 2)
    }

    var secondLeg: SecondLeg { SecondLeg(lteRate, configured: settings.lte.upstream, delay: secondaryDelay) }

    func setLTERate(_ bond: Bond) {
        guard settings.colour.overflow == .queue, settings.colour.distribution == .overflow, bond.legs.count > 1 else {
            return restLTE(isUp: bond.legs[.secondary] != nil)
        }
        let cir = BitRate(kilobitsPerSecond: UInt64(bond.committedInformationRate)).bytesPerSecond
        let limits = LegRate.Settings(
            ceiling: settings.lte.upstream.map(SecondLeg.ceiling),
            least: max(cir / Colouring.Queue.leastShare, 1))
        guard lteRate == nil else {
            lteRate?.settings = limits
            return
        }
        let now = Clock.now()
        lteRate = LegRate(limits, lteRemembered?.record(now: now) ?? lteRecalled, now: now)
        lteRemembered = nil
        lteKept = KeptLegRate()
        keepLTE(now)
    }

    /// There are not both legs any more.
    func restLTE(isUp: Bool) {
        RememberedLegRate.rest(&lteRemembered, lteRate?.record, isUp: isUp, now: Clock.now())
        lteRate = nil
    }

    func sampleLTE(_ now: Instant) {
        guard lteRate != nil, let given = common.state.givenToSecond(settings.tunnel.name.description) else { return }
        let hasDSL = session.isUp(.primary)
        let asks = lteRate?.sampled(given: given.bytes, waiting: given.waiting, hasOther: hasDSL, now: now) ?? false
        let asksDSL = lteRate?.wantsSign ?? false
        adjustQueue()
        if keepLTE(now) { writeRecord() }
        if asks { run(session.handle(.probe(.secondary), now: now)) }
        if asksDSL { run(session.handle(.probe(.primary), now: now)) }
    }

    func measuredRoundTrip(_ time: Duration, on id: LegID) {
        guard lteRate != nil else { return }
        let sent = receivedAt + (.zero - time)
        if id == .primary { lteRate?.answeredByOther(sent: sent) }
        guard id == .secondary else { return }
        lteRate?.measured(time, sent: sent, now: receivedAt)
        adjustQueue()
        keepLTE(receivedAt)
    }

    /// - Returns: whether the record is to be written
    @discardableResult
    private func keepLTE(_ now: Instant) -> Bool { lteRate?.record.map { lteKept.keep($0, now: now) } ?? false }

    /// Whether LTE adds anything to what a flow gets from the network, by its losses and by how late it is: once a second.
    func judgeLTE(_ now: Instant) {
        guard let bond = session.bond, bond.legs.count > 1, let path = lossPath else {
            judged = nil
            return lteWorth.reset()
        }
        if lteWorth.isLeft, !session.leavesSecondary { lteWorth.reset() }
        let statistics = common.queue.statistics(of: bond.key)?.0
        let gone = (statistics?.passedOver ?? 0) &+ (statistics?.timedOut ?? 0)
        let late = (statistics?.late ?? 0) - (statistics?.overtaken ?? 0)
        let losses = gone - min(gone, late)
        let packets = traffic[.secondary]?.received.packets ?? 0
        guard let last = judged, packets >= last.packets, losses >= last.losses else {
            return judged = (now, packets, losses)
        }
        guard now - last.at >= .seconds(1) else { return }
        judged = (now, packets, losses)
        guard lteWorth.counted(packets: packets - last.packets, losses: losses - last.losses, path, now: now) else {
            return
        }
        common.log(
            .info, "lte-worth", lteWorth.isLeft ? "LTE adds nothing" : "LTE is tried again",
            ["loss_ppm": Int(lteWorth.loss * 1e6), "later_us": path.later.nanoseconds / 1000])
        run(session.handle(.leaveSecondary(lteWorth.isLeft), now: now))
    }

    /// What a flow from the network meets; nil while DSL's rate is not known.
    private var lossPath: LegWorth.Path? {
        let told = session.configuredDownstreamRate
        let kilobits = told > 0 ? UInt64(told) : settings.dsl.downstream.map { UInt64($0.kilobitsPerSecond) } ?? 0
        guard kilobits > 0, let first = session.roundTripTime(of: .primary)?.least, let key = session.bond?.key else {
            return nil
        }
        let lateness = Duration.nanoseconds(common.queue.lateness(of: key) ?? 0)
        return LegWorth.Path(
            primaryRate: Double(kilobits) * 125 / 1500, primaryRoundTrip: first, later: max(secondaryDelay, lateness))
    }

    private func adjustQueue() {
        guard lteRate != nil else { return }
        lteRate?.arrivesLater(by: secondaryDelay)
        let second = secondLeg
        common.state.adjust(.bond(0)) { $0.second = second }
    }
}
