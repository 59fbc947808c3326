import Addresses
import Configuration
import Formatting
import GREBonding
import Leases
import Observation

// What the control socket tells of an aggregation point.
extension Aggregator {
    func answer(_ request: Request) -> StatusServer.Reply {
        switch request {
        case .status(let query): return status(query)
        case .drain:
            putAddresses(Clock.now(), takesBonds: false)
            run(point.handle(.drain, now: Clock.now()))
            return .text(Answer.done(unless: nil))
        case .diagnose: return .text(Answer.done(unless: "a diagnostic begins at the gateway"))
        case .top(let count): return .text(facts(.extremes(count)).json.description)
        case .explain(let flow): return .text(explain(flow))
        case .monitor, .reload: return .text(Answer.done(unless: "not a question"))
        }
    }

    /// "12 bonds", "3 bonds, draining"
    var summary: String {
        "\(point.sessions.count) bond\(point.sessions.count == 1 ? "" : "s")\(point.isDraining ? ", draining" : "")"
    }

    /// The bonds come last, and where they are many piece by piece; one that ends meanwhile is left out.
    func status(_ query: StatusQuery) -> StatusServer.Reply {
        let now = Clock.now()
        isWatched(now)
        let facts = facts(.totals)
        var object = JSONObject()
        object.add("version", 1)
        object.add("role", "haap")
        object.add("uptime_s", facts.uptime)
        object.add("draining", point.isDraining)
        let found = bonds(query)
        var counts = JSONObject()
        counts.add("configured", facts.bonds.configured)
        counts.add("up", facts.bonds.up)
        counts.add("both_legs", facts.bonds.both)
        counts.add("only_dsl", facts.bonds.onlyDSL)
        counts.add("only_lte", facts.bonds.onlyLTE)
        counts.add("matching", found.matching)
        counts.add("shown", found.shown.count)
        object.add("summary", counts)
        // Few are read anew, unless they have just been.
        if found.shown.count <= Self.leastBatch {
            read(found.shown.filter { now - (ledger.entries[$0]?.at ?? Instant(nanoseconds: 0)) > .seconds(1) }, now)
        }
        if let leases { object.add("addresses", leases.json) }
        if let forged = common.counter(SourceTable.counter, in: SourceTable.table) { object.add("forged_sources", forged) }
        if let radius { object.add("radius", radius.json) }
        if let ipsec { object.add("ipsec", ipsec.json) }
        object.add("queue", common.queueJSON)
        object.add("kernel", common.kernelJSON)
        common.sampleFlood(Clock.now(), isDue: true)
        object.add("discarded", common.discardedJSON)
        object.add("control_drops", controlDrops)
        common.addEvents(to: &object)
        var start = object.description
        start.replaceSubrange(start.index(before: start.endIndex)..., with: ",\"bonds\":[")
        guard found.shown.count > StatusQuery.standardLimit else {
            return .text(start + found.shown.compactMap { status(of: $0)?.description }.joined(separator: ",") + "]}")
        }
        var list = BondList(rest: found.shown[...])
        return .pieces { [weak self] slice in
            guard let self, !list.isOver else { return nil }
            defer { start = "" }
            return start + list.next(slice, status) + (list.isOver ? "]}" : "")
        }
    }

    private func status(of id: UInt32) -> JSONObject? { point.sessions[id].map { status(of: $0, Clock.now()) } }

    /// The sessions that a query asks for, in its order, and how many there would be without its limit.
    private func bonds(_ query: StatusQuery) -> (shown: [UInt32], matching: Int) {
        // One alone is found at once.
        if let name = query.bond, let client = ClientIdentificationName(name), let session = point.session(of: client) {
            return query.matches(session, grade: grade(of: session)) ? ([session.id], 1) : ([], 0)
        }
        // What they are put in order by, so that no more is copied than is shown.
        var keys: [(id: UInt32, name: String, number: Int64)] = []
        for session in point.sessions.values {
            let grade = query.filter == .unhealthy || query.order == .health ? grade(of: session) : 0
            guard query.matches(session, grade: grade) else { continue }
            switch query.order {
            case .session: keys.append((session.id, "", 0))
            case .name: keys.append((session.id, session.client.description, 0))
            case .rate:
                let rate = ledger.entries[session.id]?.rate ?? Facts.Rate()
                keys.append((session.id, "", -Int64(clamping: rate.down &+ rate.up)))
            case .health:
                let at = lostAt(session).nanoseconds / 1_000_000_000
                keys.append((session.id, "", -(Int64(grade) << 40 + at)))
            }
        }
        keys.sort { ($0.number, $0.name, $0.id) < ($1.number, $1.name, $1.id) }
        return (keys.prefix(query.limit).map(\.id), keys.count)
    }

    private func status(of session: AggregationSession, _ now: Instant) -> JSONObject {
        let facts = facts(of: session, now)
        var bond = JSONObject()
        bond.add("state", session.bond == nil ? "down" : "up")
        bond.add("session_id", session.id)
        bond.add("client", session.client.description)
        if let trouble = facts.trouble { bond.add("trouble", trouble) }
        if let up = session.bond {
            bond.add("distribution", facts.distribution)
            policy(of: session).write(to: &bond)
            bond.add("cir_kbit", up.committedInformationRate)
            bond.add("hello_state", session.helloState.rawValue)
            bond.add("primary_only", session.primaryOnly)
            if lteRates[session.id] != nil { bond.add("lte", secondLeg(of: session.id, nil).json) }
            if let kind = session.diagnostic { bond.add("diagnostic", kind.name) }
            bond.add("bypass_kbit", session.bypassRate)
            if let share = facts.overflow(\.down) { bond.add("overflow_down_percent", share) }
            if let share = facts.overflow(\.up) { bond.add("overflow_up_percent", share) }
            if let client = ClientIdentity(session.client), let leases {
                let leased = leases.resources(of: client).map { JSONText.quoted($0.description) }
                bond.addRaw("leases", "[\(leased.joined(separator: ","))]")
            }
            if session.hostPrefix != .none { bond.add("host_prefix", "\(session.hostPrefix)") }
            if let device = facts.device { bond.add("device", device) }
            if let resequencer = common.resequencerJSON(up.key) { bond.add("resequencer", resequencer) }
        }
        var legs = JSONObject()
        for leg in [LegID.primary, .secondary] {
            var state = JSONObject()
            let address = session.gatewayAddresses[leg]
            state.add("state", address == nil ? "down" : "up")
            if let address { state.add("address", address.description) }
            if let measured = ledger.entries[session.id], session.bond?.legs[leg] != nil {
                state.add("traffic", JSONObject(measured[leg].traffic))
                var rate = JSONObject()
                rate.add("received_kbit", measured[leg].received.rate / 1000)
                rate.add("sent_kbit", measured[leg].sent.rate / 1000)
                state.add("rate", rate)
            }
            if address == nil, let loss = losses[session.id], loss.leg == leg {
                state.add("reason", loss.why)
                state.add("since_s", (now - loss.at).milliseconds / 1000)
            }
            legs.add(leg.statusName, state)
        }
        bond.add("legs", legs)
        return bond
    }
}

/// Members of a list that are made a few at a time.
private struct BondList {
    var rest: ArraySlice<UInt32>
    private var isFirst = true

    init(rest: ArraySlice<UInt32>) { self.rest = rest }

    var isOver: Bool { rest.isEmpty }

    /// As many as can be made in a while, and one at least.
    mutating func next(_ slice: Duration, _ make: (UInt32) -> JSONObject?) -> String {
        let end = Clock.now() + slice
        var text = ""
        repeat {
            guard let member = rest.popFirst().flatMap(make) else { continue }
            text += isFirst ? member.description : "," + member.description
            isFirst = false
        } while !isOver && Clock.now() < end
        return text
    }
}
