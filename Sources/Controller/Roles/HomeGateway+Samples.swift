import Configuration
import EventLog
import GREBonding
import NFTables
import Logging
import NetlinkKit

// What the session wants to know of the kernel's counters, and what the user asks to be tested.
extension HomeGateway {
    func sampleTraffic(_ now: Instant) {
        readCounters()
        run(session.handle(.traffic(TrafficSample(traffic)), now: now))
        sampleLTE(now)
        judgeLTE(now)
    }

    /// Keeps the old counts where the kernel does not answer.
    func readCounters() {
        guard let bond = session.bond else { return }
        let counters = LegCounters(
            outer: outer, key: bond.key, receiveFrom: bond.legs.mapValues { _ in bond.aggregator },
            canonicalRemote: settings.kernel.canonical(outer.family).remote)
        do {
            traffic = try counters.read(common.state.tables)
            meter.sample(traffic, Clock.now())
            ledger.sample(bond.key, traffic, Clock.now())
        } catch {
            common.kernelLog(.warning, "no-counters", "\(error)")
        }
    }

    /// RFC 8157 §5.6.1; upstream the same for this end's own CIR.
    func sampleBypass(_ now: Instant) {
        let (down, up) = measureBypass(now)
        run(session.handle(.bypassTraffic(down, upstream: up), now: now))
    }

    /// From here on: what was before the leg came up is no measure of it.
    func beginBypass(_ now: Instant) {
        bypass = BypassMeter()
        upstreamBypass = BypassMeter()
        _ = measureBypass(now)
    }

    private func measureBypass(_ now: Instant) -> (down: UInt32, up: UInt32) {
        readCounters()
        var (down, up): (UInt32, UInt32) = (0, 0)
        if let leg = legs.first(where: { $0.id == .primary }), let wan = wans[leg.id],
            let statistics = (try? common.state.route.linkStatistics(.index(wan.index))) ?? nil
        {
            let bonded = traffic[leg.id] ?? LegTraffic()
            let header = wan.headerLength + UInt64(esp?.typical ?? 0)
            down = bypass.rate(
                link: statistics.receivedBytes, bonded: bonded.received, header: header, now: now)
            up = upstreamBypass.rate(
                link: statistics.transmittedBytes, bonded: bonded.sent, header: header, now: now)
        }
        return (down, up)
    }

    /// Where LTE's quota is used up LTE is left, at both ends, as long as DSL is there.
    func countQuota(_ now: Instant) {
        guard let isReserve = quota?.count(common.state.route, common.events, now) else { return }
        if isReserve != session.isSecondaryReserve { run(session.handle(.secondaryReserve(isReserve), now: now)) }
    }

    // MARK: Diagnostics, RFC 8157 §5.6.8–§5.6.11

    /// Why it cannot be started; nil when it was.
    func startDiagnostic(_ kind: Diagnostic, for duration: Duration) -> String? {
        let now = Clock.now()
        run(session.handle(.startDiagnostic(kind), now: now))
        guard session.diagnostic == kind else { return "the legs that it needs are not up" }
        diagnosticUntil = now + duration
        return nil
    }

    func endDiagnostic(_ now: Instant) {
        diagnosticUntil = nil
        run(session.handle(.endDiagnostic, now: now))
    }
}
