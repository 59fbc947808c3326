import Configuration
import GREBonding

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
            return lteRate = nil
        }
        let cir = BitRate(kilobitsPerSecond: UInt64(bond.committedInformationRate)).bytesPerSecond
        let limits = LegRate.Settings(
            ceiling: settings.lte.upstream.map(SecondLeg.ceiling),
            least: max(cir / Colouring.Queue.leastShare, 1))
        if lteRate == nil { lteRate = LegRate(limits) } else { lteRate?.settings = limits }
    }

    func sampleLTE(_ now: Instant) {
        guard lteRate != nil, let bytes = common.state.sentOnSecond(.bond(0)) else { return }
        let asks = lteRate?.sampled(bytes: bytes, now: now) ?? false
        adjustQueue()
        if asks { run(session.handle(.probe(.secondary), now: now)) }
    }

    func measuredRoundTrip(_ time: Duration, on id: LegID) {
        guard id == .secondary, lteRate != nil else { return }
        lteRate?.measured(time, sent: receivedAt + (.zero - time), now: receivedAt)
        adjustQueue()
    }

    private func adjustQueue() {
        guard lteRate != nil else { return }
        let second = secondLeg
        common.state.adjust(.bond(0)) { $0.second = second }
    }
}
