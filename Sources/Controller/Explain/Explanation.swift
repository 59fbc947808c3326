import Addresses
import Formatting
import GREBonding
import NFTables
import NetlinkKit

/// What becomes of a packet, from what was read from the kernel at one moment.
struct Explanation {
    /// Where a packet goes in the end.
    enum Way: String, CaseIterable {
        /// By the bond.
        case bond
        /// By DSL, past the bond.
        case bypass
        /// By another route than one of ours.
        case route
        /// To this host.
        case host
        /// The kernel has no way for it, or a filter drops it.
        case none
    }

    /// The entry of a routing table that it meets.
    struct Routing {
        var route: Route
        /// The rule that led to its table; nil: none of those there are.
        var rule: Rule?
        /// Name of the device of the first next hop.
        var interface: String?
        /// Put there by this program.
        var isOurs: Bool
    }

    /// A leg of the bond, by what the chain `send` makes of a packet with its mark.
    struct Wire {
        var leg: LegID
        var source: IPAddress
        var destination: IPAddress
        var interface: String?
        var gateway: IPAddress?
    }

    /// Why a leg is not used.
    struct Unused: Hashable {
        var leg: LegID
        /// One word.
        var code: String
        var text: String
    }

    struct Bonded {
        var device: String
        var session: UInt32?
        /// At an aggregation point.
        var client: String?
        /// nil: the filters give it no leg.
        var choice: LegChoice?
        var wires: [Wire] = []
        var unused: [Unused] = []
    }

    var role: String
    /// With what the kernel had to be asked for.
    var flow: Flow
    /// This host sends it.
    var isOwn = false
    var connection: TrackedConnection?
    /// nil: there is no table of lists.
    var policy: PolicyDecision?
    /// For a flow that runs: what a new one like it would be given.
    var renewed: PolicyDecision?
    /// nil: the kernel refuses it.
    var routing: Routing?
    /// Its own words, if it does.
    var refusal: String?
    var translation: IPAddress?
    var bonded: Bonded?
    /// A rule drops it.
    var isDropped = false
    /// At a gateway: a bond is up.
    var hasBond = true

    var way: Way {
        guard !isDropped, let routing else { return .none }
        if [.local, .broadcast].contains(routing.route.type) { return .host }
        if let bonded { return bonded.choice == nil ? .none : .bond }
        return policy?.way == .bypass && routing.isOurs ? .bypass : .route
    }

    /// One line.
    var summary: String {
        let interface = routing?.interface ?? "?"
        switch way {
        case .none:
            return "nowhere: \(refusal ?? (isDropped ? "a rule drops it" : "the bond's device gives it no leg"))"
        case .host: return "to this host"
        case .bypass: return "past the bond, by \(interface)"
        case .route: return "by \(interface), \(hasBond ? "which is no bond's device" : "because there is no bond")"
        case .bond:
            let leg = bonded?.choice.map(\.text) ?? ""
            return "by the bond \(interface): \(leg)"
        }
    }

    /// What was looked at, in the order in which the kernel does.
    var steps: [(stage: String, text: String)] {
        var steps: [(stage: String, text: String)] = []
        let from = flow.interface.map { "by \($0)" } ?? "by this host"
        steps.append(("comes", isOwn ? "this host sends it" : from))
        if let connection {
            let seen = connection.replyDestination.flatMap { $0 == flow.source ? nil : " as \($0)" } ?? ""
            steps.append(("connection", "tracked\(seen)"))
        } else if !isOwn {
            steps.append(("connection", "not tracked"))
        }
        if let policy {
            steps.append(("lists", policy.text))
            if let renewed { steps.append(("lists", "a new flow like it: \(renewed.text)")) }
            for set in (renewed ?? policy).notAsked {
                steps.append(("lists", "not compared with \(set): say more of the packet"))
            }
        }
        if let routing {
            let hop = routing.route.nextHops.first?.gateway.map { " via \($0)" } ?? ""
            let rule = routing.rule.map { "rule \($0.priority), " } ?? ""
            let device = routing.interface.map { " by \($0)" } ?? ""
            let owner = routing.isOurs ? ", Spillway's" : ""
            steps.append(
                ("route", "\(rule)table \(routing.route.table): \(routing.route.destination)\(device)\(hop)\(owner)"))
            if !hasBond { steps.append(("bond", "there is none")) }
        } else {
            steps.append(("route", refusal ?? "none"))
        }
        if let translation { steps.append(("source", "becomes \(translation)")) }
        if let bonded { steps += Self.steps(bonded) }
        return steps
    }

    private static func steps(_ bonded: Bonded) -> [(stage: String, text: String)] {
        let none = "none: the filters at \(bonded.device) give it no mark of a leg"
        var steps = [("leg", bonded.choice?.text ?? none)]
        for unused in bonded.unused {
            steps.append(("leg", "\(unused.leg.statusName.uppercased()) is not used: \(unused.text)"))
        }
        for wire in bonded.wires {
            let hop = wire.gateway.map { " via \($0)" } ?? ""
            let device = wire.interface.map { " by \($0)" } ?? ""
            steps.append((wire.leg.statusName, "\(wire.source) to \(wire.destination)\(device)\(hop)"))
        }
        return steps
    }

    // MARK: JSON

    /// docs/explain.md
    var json: JSONObject {
        var object = JSONObject()
        object.add("version", 1)
        object.add("role", role)
        object.add("flow", flow.json)
        object.add("way", way.rawValue)
        object.add("summary", summary)
        if let connection {
            var tracked = JSONObject()
            if let seen = connection.replyDestination { tracked.add("seen_as", seen.description) }
            object.add("connection", tracked)
        }
        if let policy { object.add("policy", policy.json) }
        if let renewed { object.add("new_flow", renewed.json) }
        if let routing { object.add("route", Self.json(routing)) }
        if let refusal { object.add("refusal", refusal) }
        if let translation { object.add("source_becomes", translation.description) }
        if let bonded { object.add("bond", json(bonded)) }
        object.add(
            "steps",
            steps.map { step in
                var one = JSONObject()
                one.add("stage", step.stage)
                one.add("text", step.text)
                return one
            })
        return object
    }

    private static func json(_ routing: Routing) -> JSONObject {
        var object = JSONObject()
        if let rule = routing.rule { object.add("rule", rule.priority) }
        object.add("table", routing.route.table)
        object.add("to", routing.route.destination.description)
        if let interface = routing.interface { object.add("interface", interface) }
        if let gateway = routing.route.nextHops.first?.gateway { object.add("gateway", gateway.description) }
        object.add("ours", routing.isOurs)
        return object
    }

    private func json(_ bonded: Bonded) -> JSONObject {
        var object = JSONObject()
        object.add("device", bonded.device)
        if let session = bonded.session { object.add("session_id", session) }
        if let client = bonded.client { object.add("client", client) }
        bonded.choice?.write(to: &object)
        object.add(
            "legs",
            bonded.wires.map { wire in
                var one = JSONObject()
                one.add("leg", wire.leg.statusName)
                one.add("source", wire.source.description)
                one.add("destination", wire.destination.description)
                if let interface = wire.interface { one.add("interface", interface) }
                if let gateway = wire.gateway { one.add("gateway", gateway.description) }
                return one
            })
        object.add(
            "unused",
            bonded.unused.map { unused in
                var one = JSONObject()
                one.add("leg", unused.leg.statusName)
                one.add("why", unused.code)
                one.add("text", unused.text)
                return one
            })
        return object
    }
}
