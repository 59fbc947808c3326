import Addresses
import Configuration
import GREBonding
import Observation

// The gateway's facts for its metrics, its page and `spillway top`.
extension HomeGateway {
    /// From what was sampled last: no question to the kernel.
    func facts(_ detail: FactsDetail) -> Facts {
        let now = Clock.now()
        var facts = common.facts(.gateway, summary: summary)
        facts.bonds.configured = 1
        facts.controlDrops = sockets.values.reduce(0) { $0 + UInt64($1.drops) }
        facts.ipsec = ipsec?.facts
        facts.legs = legs.map { leg in
            var one = Facts.Leg(leg.label)
            let isUp = session.bond?.legs[leg.id] != nil
            one.configured = 1
            one.up = isUp ? 1 : 0
            one.state = session.stateName(of: leg.id)
            if let change = lastChange[leg.id] {
                one.why = change.state == "up" ? nil : change.state
                one.since = (now - change.since).milliseconds / 1000
            }
            one.interface = leg.settings.interface.description
            one.address = wans[leg.id]?.address?.description
            if isUp, let rate = meter.last[leg.id] {
                one.rate = Facts.Rate(down: UInt64(rate.received) * 1000, up: UInt64(rate.sent) * 1000)
            }
            one.capacity = Facts.Rate(
                down: downstream(of: leg.id, leg.settings) * 1000, up: leg.settings.upstream?.bitsPerSecond ?? 0)
            one.traffic = ledger.totals[leg.id] ?? Facts.Traffic()
            if let rtt = session.roundTripTime(of: leg.id) {
                one.roundTrip = rtt.last.map { $0.nanoseconds / 1000 }
                one.smoothedRoundTrip = rtt.smoothed.map { $0.nanoseconds / 1000 }
            }
            one.roundTrips = roundTrips[leg.id] ?? []
            if let hellos = session.hellos(of: leg.id) { (one.hellosSent, one.hellosAnswered) = hellos }
            return one
        }
        var bond = Facts.Bond(name: settings.cin.description)
        if let up = session.bond {
            facts.bonds.count(up.distribution)
            bond.isUp = true
            bond.session = up.sessionID
            bond.distribution = up.distribution.name(label, LegPolicy(settings))
            bond.helloState = session.helloState.rawValue
            bond.committed = UInt64(up.committedInformationRate) * 1000
            bond.bypass = Facts.Rate(down: UInt64(bypass.last) * 1000, up: UInt64(upstreamBypass.last) * 1000)
            bond.device = settings.tunnel.name.description
        }
        facts.bond = bond
        return facts
    }

    /// Kbit/s as configured or told; 0: not known.
    func downstream(of id: LegID, _ settings: LegConfiguration) -> UInt64 {
        settings.downstream.map { UInt64($0.kilobitsPerSecond) }
            ?? UInt64(id == .primary ? session.configuredDownstreamRate : 0)
    }

    /// For the picture of the last minutes.
    func remember(_ roundTrip: Duration, of id: LegID) {
        var times = roundTrips[id] ?? []
        if times.count == Self.rememberedRoundTrips { times.removeFirst() }
        times.append(UInt32(clamping: roundTrip.nanoseconds / 1000))
        roundTrips[id] = times
    }

    private static let rememberedRoundTrips = 60
}

extension Facts.Bonds {
    mutating func count(_ distribution: Bond.Distribution, _ number: Int = 1) {
        up += number
        switch distribution {
        case .overflow: both += number
        case .only(.primary): onlyDSL += number
        case .only: onlyLTE += number
        }
    }
}

/// How much is wanted of the facts.
enum FactsDetail {
    case totals
    /// With so many of the busiest and of the unhealthiest bonds.
    case extremes(Int)
    /// With every bond.
    case each

    static let page = Self.extremes(10)
}
