import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import NetlinkKit
import Observation

// What the control socket answers.
extension HomeGateway {
    func answer(_ request: Request) -> StatusServer.Reply { .text(text(for: request)) }

    private func text(for request: Request) -> String {
        switch request {
        case .status: return status()
        case .diagnose(let kind?, let duration): return Answer.done(unless: startDiagnostic(kind, for: duration))
        case .diagnose(nil, _):
            endDiagnostic(Clock.now())
            return Answer.done(unless: nil)
        case .drain: return Answer.done(unless: "only an aggregation point can be drained")
        case .top(let count): return facts(.extremes(count)).json.description
        case .explain(let flow): return explain(flow)
        case .monitor, .reload: return Answer.done(unless: "not a question")
        }
    }

    /// "bond on dsl and lte", "no bond"
    var summary: String {
        let up = legs.filter { session.bond?.legs[$0.id] != nil }.map(\.label)
        return up.isEmpty ? "no bond" : "bond on \(up.joined(separator: " and "))"
    }

    private func status() -> String {
        readCounters()
        var object = JSONObject()
        object.add("version", 1)
        object.add("role", "hg")
        object.add("uptime_s", (Clock.now() - started).milliseconds / 1000)
        var bond = JSONObject()
        bond.add("state", session.bond == nil ? "down" : "up")
        if let now = session.bond {
            bond.add("session_id", now.sessionID)
            bond.add("aggregator", now.aggregator.description)
            bond.add("distribution", now.distribution.name(label, LegPolicy(settings)))
            LegPolicy(settings).write(to: &bond)
            bond.add("cir_kbit", now.committedInformationRate)
            bond.add("device", settings.tunnel.name.description)
            bond.add("mtu", GatewayBond(settings: settings, outer: outer, paths: paths, inner: inner).mtu)
            bond.add("hello_state", session.helloState.rawValue)
            bond.add("primary_only", session.primaryOnly)
            if lteRate != nil { bond.add("lte", secondLeg.json) }
            if lteWorth.isLeft { bond.add("lte_adds_nothing", true) }
            if let difference = session.rtt.difference { bond.add("rtt_difference_us", difference.nanoseconds / 1000) }
            if let kind = session.diagnostic { bond.add("diagnostic", kind.name) }
            bond.add("bypass_kbit", bypass.last)
            bond.add("bypass_upstream_kbit", upstreamBypass.last)
            let facts = facts(.totals)
            if let share = facts.overflow(\.down) { bond.add("overflow_down_percent", share) }
            if let share = facts.overflow(\.up) { bond.add("overflow_up_percent", share) }
            bond.add("filter_items", filterList.count)
            if let resequencer = common.resequencerJSON(now.key) { bond.add("resequencer", resequencer) }
        }
        var states = JSONObject()
        for leg in legs { states.add(leg.label, status(of: leg.id, leg.settings)) }
        bond.add("legs", states)
        object.add("bond", bond)
        object.add("addresses", addressesJSON)
        object.add("policy", policyJSON)
        if let name { object.add("name", name.json) }
        if let names = names.json { object.add("names", names) }
        if let ipsec { object.add("ipsec", ipsec.json) }
        object.add("queue", common.queueJSON)
        object.add("kernel", common.kernelJSON)
        common.sampleFlood(Clock.now(), isDue: true)
        object.add("discarded", common.discardedJSON)
        object.add("control_drops", sockets.values.reduce(0) { $0 + $1.drops })
        common.addEvents(to: &object)
        return object.description
    }

    func status(of id: LegID, _ settings: LegConfiguration) -> JSONObject {
        var object = JSONObject()
        object.add("interface", settings.interface.description)
        object.add("state", session.stateName(of: id))
        if let change = lastChange[id] {
            object.add("reason", change.state)
            object.add("since_s", (Clock.now() - change.since).milliseconds / 1000)
        }
        if id == .secondary, let quota { object.add("quota", quota.json) }
        if let address = wans[id]?.address { object.add("address", address.description) }
        if let gateway = wans[id]?.gateway { object.add("gateway", gateway.description) }
        if let path = paths[id], session.bond?.legs[id] != nil { object.add("path_mtu", path) }
        if let rate = settings.upstream { object.add("upstream_kbit", rate.kilobitsPerSecond) }
        let downstream = downstream(of: id, settings)
        if downstream > 0 { object.add("downstream_kbit", downstream) }
        if let rates = meter.json(id), session.bond?.legs[id] != nil { object.add("rate", rates) }
        if let counted = traffic[id], session.bond?.legs[id] != nil { object.add("traffic", JSONObject(counted)) }
        if let rtt = session.roundTripTime(of: id) {
            if let last = rtt.last { object.add("rtt_us", last.nanoseconds / 1000) }
            if let smoothed = rtt.smoothed { object.add("rtt_smoothed_us", smoothed.nanoseconds / 1000) }
        }
        if let hellos = session.hellos(of: id) {
            object.add("hellos_sent", hellos.sent)
            object.add("hellos_answered", hellos.answered)
        }
        return object
    }
}

extension Bond.Distribution {
    /// "overflow dsl>lte", "only dsl", "per-flow dsl+lte"
    func name(_ label: (LegID) -> String, _ policy: LegPolicy) -> String {
        switch self {
        case .only(let leg): "only \(label(leg))"
        case .overflow(let first, let second) where policy.distribution == .overflow:
            "overflow \(label(first))>\(label(second))"
        case .overflow(let first, let second):
            "\(policy.distribution.rawValue) \(label(first))+\(label(second))"
        }
    }
}
