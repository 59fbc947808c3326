import Configuration
import GREBonding
import NFTables
import Observation

// The aggregation point's facts for its metrics, its page and `spillway top`.
extension Aggregator {
    /// What was last said of a leg that is gone.
    struct Loss {
        var leg: LegID
        var why: String
        var at: Instant
    }

    /// From what was sampled last: no question to the kernel.
    func facts(_ detail: FactsDetail) -> Facts {
        let now = Clock.now()
        var facts = common.facts(.aggregationPoint, summary: summary)
        facts.isDraining = point.isDraining
        facts.controlDrops = controlDrops
        facts.ipsec = ipsec?.facts
        facts.bonds.configured = subscribers.bondCount
        facts.legs = [LegID.primary, .secondary].map { id in
            var leg = Facts.Leg(id.statusName)
            leg.configured = subscribers.legCount(id)
            leg.up = tally.up(id)
            leg.rate = ledger.rates[id] ?? Facts.Rate()
            leg.traffic = ledger.totals[id] ?? Facts.Traffic()
            return leg
        }
        tally.count(&facts.bonds)
        switch detail {
        case .totals: break
        case .each:
            facts.each = point.sessions.values.sorted { $0.id < $1.id }.map { self.facts(of: $0, now) }
        case .extremes(let count):
            isWatched(now)
            let busy = ledger.entries.lazy.map { (id: $0.key, rate: $0.value.rate) }
            facts.busiest = busy.filter { $0.rate.down &+ $0.rate.up > 0 }
                .sorted { $0.rate.down &+ $0.rate.up > $1.rate.down &+ $1.rate.up }.prefix(count)
                .compactMap { point.sessions[$0.id] }.map { self.facts(of: $0, now) }
            facts.unhealthiest = point.sessions.values.lazy.map { (session: $0, grade: self.grade(of: $0)) }
                .filter { $0.grade > 0 }
                .sorted { ($0.grade, self.lostAt($0.session)) > ($1.grade, self.lostAt($1.session)) }.prefix(count)
                .map { self.facts(of: $0.session, now) }
        }
        return facts
    }

    func facts(of session: AggregationSession, _ now: Instant) -> Facts.Bond {
        var one = Facts.Bond(name: session.client.description)
        one.session = session.id
        one.isUp = session.bond != nil
        one.helloState = session.helloState.rawValue
        one.trouble = trouble(of: session, now)
        one.device = device(of: session.id)
        one.bypass.down = UInt64(session.bypassRate) * 1000
        if let bond = session.bond {
            one.distribution = bond.distribution.name(\.statusName, policy(of: session))
            one.committed = UInt64(bond.committedInformationRate) * 1000
        }
        let entry = ledger.entries[session.id]
        one.legs = [LegID.primary, .secondary].map { id in
            var leg = Facts.Leg(id.statusName)
            leg.up = session.bond?.legs[id] == nil ? 0 : 1
            if let entry {
                leg.rate = entry[id].rate(isGateway: false)
                let traffic = entry[id].traffic
                leg.traffic.receivedBytes = traffic.received.bytes
                leg.traffic.receivedPackets = traffic.received.packets
                leg.traffic.sentBytes = traffic.sent.bytes
                leg.traffic.sentPackets = traffic.sent.packets
            }
            return leg
        }
        return one
    }

    func policy(of session: AggregationSession) -> LegPolicy {
        LegPolicy(settings.colour, subscribers[session.client]?.rates ?? settings.defaults)
    }

    /// How bad it is: 0 for a bond that uses all the legs its subscriber is to have.
    func grade(of session: AggregationSession) -> Int {
        guard let bond = session.bond else { return 3 }
        if missing(session, bond) != nil { return 2 }
        return session.primaryOnly ? 1 : 0
    }

    private func missing(_ session: AggregationSession, _ bond: Bond) -> LegID? {
        [LegID.primary, .secondary].first { bond.legs[$0] == nil && subscribers.allows($0, session.client) }
    }

    func lostAt(_ session: AggregationSession) -> Instant {
        losses[session.id]?.at ?? Instant(nanoseconds: 0)
    }

    /// In a few words; nil when nothing is wrong.
    private func trouble(of session: AggregationSession, _ now: Instant) -> String? {
        guard let bond = session.bond else { return "not up" }
        guard let leg = missing(session, bond) else {
            return session.primaryOnly ? "lte left out by its gateway" : nil
        }
        guard let loss = losses[session.id], loss.leg == leg else { return "no \(leg.statusName)" }
        return "no \(leg.statusName) for \(Wording.time((now - loss.at).milliseconds / 1000)): \(loss.why)"
    }
}
