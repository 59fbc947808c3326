import Configuration
import EventLog
import Formatting
import GREBonding
import NetlinkKit

// `spillway explain`: which bond a packet takes, and why a leg is not used.
extension Aggregator {
    func explain(_ flow: Flow) -> String {
        let explainer = FlowExplainer(state: common.state, kernel: settings.kernel, role: "haap")
        do {
            let found = try explainer.explain(flow, hasLists: false) { bonded in
                guard let id = described.first(where: { $0.value.device == bonded.device })?.key,
                    let session = point.sessions[id]
                else { return }
                bonded.session = id
                bonded.client = session.client.description
                let used = bonded.choice?.legs ?? []
                bonded.unused = [LegID.primary, .secondary].filter { !used.contains($0) }.map { leg in
                    let (code, text) = whyUnused(leg, session)
                    return Explanation.Unused(leg: leg, code: code, text: text)
                }
            }
            return found.json.description
        } catch {
            return Answer.done(unless: "\(error)")
        }
    }

    private func whyUnused(_ leg: LegID, _ session: AggregationSession) -> (String, String) {
        guard let bond = session.bond, bond.legs[leg] != nil else {
            let loss = losses[session.id].flatMap { $0.leg == leg ? $0 : nil }
            let reason = loss.map { " (\($0.why) \((Clock.now() - $0.at).milliseconds / 1000) s ago)" } ?? ""
            return ("down", "its leg is not up\(reason)")
        }
        if let diagnostic = session.diagnostic, diagnostic != .bonding {
            return ("diagnostic", "a diagnostic of \(diagnostic.name) binds the traffic")
        }
        if leg == .secondary {
            if session.primaryOnly { return ("asked", "the gateway has asked for DSL alone") }
            let rates = subscribers[session.client]?.rates
            if lteRates[session.id] != nil, !secondLeg(of: session.id, rates?.lteDownstream).isUsed {
                return ("slow", "it carries too little to be worth its use")
            }
            let policy = rates.map { LegPolicy(settings.colour, $0) }
            if let policy, policy.committed(bond.committedInformationRate, settings.colour) == nil {
                return ("rate_unknown", "DSL's rate is not known, so nothing can be beyond it")
            }
        }
        return ("not_needed", "this packet does not come to it")
    }
}
