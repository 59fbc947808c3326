import Configuration
import EventLog
import Formatting
import GREBonding
import NetlinkKit

// `spillway explain`: the way of a flow, and why a leg is not used.
extension HomeGateway {
    func explain(_ flow: Flow) -> String {
        let explainer = FlowExplainer(state: common.state, kernel: settings.kernel, role: "hg")
        do {
            var found = try explainer.explain(flow, hasLists: true) { bonded in
                bonded.session = session.bond?.sessionID
                let used = bonded.choice?.legs ?? []
                bonded.unused = [LegID.primary, .secondary].filter { !used.contains($0) }.map(unused)
            }
            found.hasBond = session.bond != nil
            return found.json.description
        } catch {
            return Answer.done(unless: "\(error)")
        }
    }

    private func unused(_ id: LegID) -> Explanation.Unused {
        let (code, text) = whyUnused(id)
        return Explanation.Unused(leg: id, code: code, text: text)
    }

    private func whyUnused(_ id: LegID) -> (String, String) {
        guard legs.contains(where: { $0.id == id }) else { return ("off", "it is switched off in the settings") }
        guard let bond = session.bond, bond.legs[id] != nil else {
            let age = lastChange[id].map { (Clock.now() - $0.since).milliseconds / 1000 } ?? 0
            let reason = lastChange[id].map { ", \($0.state) \(age) s ago" } ?? ""
            return ("down", "its leg is not up (\(session.stateName(of: id))\(reason))")
        }
        if let diagnostic = session.diagnostic, diagnostic != .bonding {
            return ("diagnostic", "a diagnostic of \(diagnostic.name) binds the traffic")
        }
        if id == .secondary {
            if session.isSecondaryReserve { return ("quota", "the month's volume is used up: it is only a reserve") }
            if session.rtt.primaryOnly {
                let far = session.rtt.difference.map { ": \($0.milliseconds) ms" } ?? ""
                return ("round_trip", "its round trip is too far from DSL's\(far)")
            }
            if session.leavesSecondary { return ("adds_nothing", "it loses too much, or is too late, to be of use") }
            if settings.colour.overflow == .queue, !secondLeg.isUsed {
                return ("slow", "it carries too little to be worth its use")
            }
            if LegPolicy(settings).committed(bond.committedInformationRate, settings.colour) == nil {
                return ("rate_unknown", "DSL's rate is not known, so nothing can be beyond it")
            }
        }
        return ("not_needed", "this packet does not come to it")
    }
}
