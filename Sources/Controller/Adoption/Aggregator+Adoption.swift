import Addresses
import Configuration
import EventLog
import GREBonding
import Logging
import NetlinkKit

// What this run leaves for the next one, and what it takes over from the one before. What RADIUS servers granted is in
// the record, too: they are not asked again.
extension Aggregator {
    static func identity(_ settings: AggregationPointConfiguration) -> [String] {
        ["haap", "\(settings.dialect)", settings.tunnel.prefix.description] + settings.addresses.map { "\($0)" }
    }

    /// Whether a run before was killed and this one can go on with what it has left. Nothing in the kernel is touched.
    func recall() -> AggregatorRun? {
        guard let lines = record.read() else { return nil }
        guard let run = AggregatorRun(lines) else {
            common.log(.warning, "record-unreadable", "what the run before has left cannot be read: starting anew")
            return nil
        }
        guard !haveAddressesLapsed() else {
            common.log(.notice, "addresses-lapsed", "others may have its bonds by now: starting anew")
            return nil
        }
        common.state.beginAdoption(run.filters)
        return run
    }

    /// Where gateways with configured keys were at the very end.
    func protect(_ run: AggregatorRun) {
        guard ipsec?.settings.keys == .configured else { return }
        for (bond, _) in run.bonds.values where subscribers[bond.client] != nil {
            for (leg, address) in bond.legs {
                gateways[ProtectedLeg(client: bond.client, leg: leg, local: bond.local)] = address
            }
        }
    }

    /// Takes over the sessions: from now on gateways are answered. What their bonds have in the kernel works meanwhile, and
    /// follows piece by piece (``goOn(_:)``): with thousands of them gateways would not wait for it.
    func resume(_ run: AggregatorRun) {
        let now = Clock.now()
        lteRecalled = run.rates
        var takeover = Takeover(of: run.bonds.count)
        point.reserve(run.bonds.count)
        for (number, id) in run.bonds.map({ ($1.number, $0) }).sorted(by: <) {
            guard let bond = run.bonds[id]?.bond else { continue }
            if let effects = resume(bond, number, run.grants[id], now) {
                keys[id] = bond.key
                tally.set(id, point.sessions[id]?.bond)
                resequence(id)
                takeover.add(id, effects)
            } else if let grant = run.grants[id] {
                radius?.abandon(grant, traffic(of: bond, number))
            }
        }
        self.takeover = takeover
    }

    /// Goes on with taking over for a while.
    /// - Returns: when to go on; nil: it is over
    func goOn(_ slice: Duration) -> Instant? {
        let end = Clock.now() + slice
        while let effects = takeover?.next() {
            run(effects)
            if Clock.now() >= end { return end }
        }
        let scope = SweepScope(settings.kernel, settings.ipsec, takesAddresses: true)
        guard common.state.adopt(scope, slice: slice) else { return end }
        lteRecalled = [:]
        ipsec?.sample(Clock.now())
        common.log(
            .notice, "adopted", "goes on with what the run before has left",
            [
                "bonds": takeover?.count ?? 0, "of": takeover?.of ?? 0, "differed": common.state.quietDrift,
            ])
        takeover = nil
        beginRecord()
        return nil
    }

    /// All of it at once.
    func finishTakeover() {
        while takeover != nil { _ = goOn(.seconds(1)) }
    }

    /// Until now the record is that of the run before.
    func beginRecord() {
        isRecording = true
        do throws(SystemError) {
            try writeAllRecords()
        } catch {
            common.log(.warning, "record-not-written", "\(error)")
        }
    }

    /// nil: the record does not fit, or the settings no longer allow the bond; the gateway hears so when it next says
    /// something.
    private func resume(
        _ bond: AggregationRecord, _ number: UInt32, _ granted: GrantRecord?, _ now: Instant
    ) -> [AggregationPoint.Effect]? {
        let id = bond.sessionID
        guard point.canResume(bond), numbers.take(id, as: number) else { return nil }
        if let authorization = authorization(of: bond, granted),
            let effects = point.resume(bond, authorization, now: now)
        {
            return effects
        }
        numbers.release(id)
        return nil
    }

    private func authorization(of bond: AggregationRecord, _ granted: GrantRecord?) -> Authorization? {
        if let radius {
            guard let granted, let (subscriber, authorization) = radius.resume(granted, of: bond.client) else {
                return nil
            }
            subscribers.grant(bond.client, subscriber)
            return authorization
        }
        let answers = bond.legs.keys.sorted().map { subscribers.authorization(of: bond.client, leg: $0) }
        let grants = answers.compactMap { if case .granted(let grant) = $0 { grant } else { nil } }
        return grants.count == answers.count ? grants.first : nil
    }

    /// What the kernel still has of a bond that does not go on.
    private func traffic(of bond: AggregationRecord, _ number: UInt32) -> [LegID: LegTraffic] {
        guard let outer = outers[bond.local.family] else { return [:] }
        let counters = LegCounters(
            outer: outer, key: bond.key, receiveFrom: bond.legs,
            canonicalRemote: BondNumbers.address(number, outer.family))
        return (try? counters.read(common.state.tables)) ?? [:]
    }

    /// Tells the next run of the bonds that changed, were this one to be killed now.
    func writeRecords() {
        // What changes until then is in the whole that is written first.
        guard !common.state.isAdopting, isRecording else { return }
        let changed = point.takeChangedRecords()
        let rates = lteUnwritten.sorted()
        let grants = radius?.takeUnrecorded() ?? []
        lteUnwritten = []
        do throws(SystemError) {
            if record.appended > 2 * point.sessions.count + 1000 { return try writeAllRecords() }
            let lines = changed.sorted { $0.key < $1.key }.map { id, bond in
                bond.map { $0.line(number: numbers.number(of: id) ?? 0) } ?? "gone \(id)"
            }
            let all = lines + rates.compactMap(rateLine) + grants.sorted().compactMap { radius?.record(of: $0)?.line }
            if !all.isEmpty { try record.append(all) }
        } catch {
            common.log(.warning, "record-not-written", "\(error)")
        }
    }

    /// At the start, and when much has been appended.
    func writeAllRecords() throws(SystemError) {
        _ = point.takeChangedRecords()
        lteUnwritten = []
        _ = radius?.takeUnrecorded()
        let bonds = point.records.sorted { $0.sessionID < $1.sessionID }
            .map { $0.line(number: numbers.number(of: $0.sessionID) ?? 0) }
        let rates = lteKept.keys.sorted().compactMap(rateLine)
        let grants = radius?.sessions.keys.sorted().compactMap { radius?.record(of: $0)?.line } ?? []
        try record.write(ReversePathFilter.lines(common.state.formerFilters) + bonds + rates + grants)
    }

    private func rateLine(_ id: UInt32) -> String? { lteKept[id]?.record?.line(sessionID: id) }
}

/// Bonds that are taken over from a run before.
struct Takeover {
    /// Bonds that go on, and that there were.
    private(set) var count = 0
    let of: Int
    /// What has still to be done for bonds, the next one last.
    private var waiting: [UInt32] = []
    private var effects: [UInt32: [AggregationPoint.Effect]] = [:]

    init(of: Int) { self.of = of }

    mutating func add(_ id: UInt32, _ effects: [AggregationPoint.Effect]) {
        count += 1
        waiting.append(id)
        self.effects[id] = effects
    }

    /// What is to be done next; nil: nothing.
    mutating func next() -> [AggregationPoint.Effect]? {
        while let id = waiting.popLast() {
            if let effects = takeBond(id) { return effects }
        }
        return nil
    }

    /// What has still to be done for a bond; nil: nothing.
    mutating func takeBond(_ id: UInt32) -> [AggregationPoint.Effect]? { effects.removeValue(forKey: id) }
}

/// What an aggregation point's run leaves.
struct AggregatorRun {
    var filters: [String: ReversePathFilter] = [:]
    var bonds: [UInt32: (bond: AggregationRecord, number: UInt32)] = [:]
    /// What is known of their LTE legs.
    var rates: [UInt32: LegRateRecord] = [:]
    /// What RADIUS servers granted them.
    var grants: [UInt32: GrantRecord] = [:]

    /// nil for anything that no run writes.
    init?(_ lines: [Substring]) {
        for line in lines {
            // Thousands of bonds, and what is known of each, come first: each reader knows its kind by the first word.
            if let (bond, number) = AggregationRecord.read(line) {
                // What was known of LTE was known of that leg; one that comes back may be another path.
                if bonds[bond.sessionID]?.bond.legs[.secondary] != bond.legs[.secondary] { rates[bond.sessionID] = nil }
                bonds[bond.sessionID] = (bond, number)
            } else if let (rate, id) = LegRateRecord.read(line) {
                if bonds[id] != nil { rates[id] = rate }
            } else if let grant = GrantRecord.read(line) {
                if bonds[grant.sessionID] != nil { grants[grant.sessionID] = grant }
            } else if line.utf8.starts(with: "gone ".utf8), let id = UInt32(line.dropFirst(5)) {
                bonds[id] = nil
                rates[id] = nil
                grants[id] = nil
            } else if let (name, filter) = ReversePathFilter.read(line) {
                filters[name] = filter
            } else {
                return nil
            }
        }
    }

    /// Tells the names of its bonds' devices.
    /// - Parameter prefix: what they begin with
    func isDevice(_ prefix: String) -> (String) -> Bool {
        let numbers = Set(bonds.values.map(\.number))
        return { $0.hasPrefix(prefix) && UInt32($0.dropFirst(prefix.count)).map(numbers.contains) ?? false }
    }
}
