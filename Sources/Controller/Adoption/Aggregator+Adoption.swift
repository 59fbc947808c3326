import Configuration
import EventLog
import GREBonding
import Logging
import NetlinkKit

// What this run leaves for the next one, and what it takes over from the one before. Bonds of subscribers whom RADIUS
// servers know are set up anew: who they are is the servers' word, which a killed process has not kept.
extension Aggregator {
    static func identity(_ settings: AggregationPointConfiguration) -> [String] {
        ["haap", "\(settings.dialect)", settings.tunnel.prefix.description] + settings.addresses.map { "\($0)" }
    }

    /// Whether a run before was killed and this one can go on with what it has left. Nothing in the kernel is touched.
    func recall() -> AggregatorRun? {
        guard radius == nil, let lines = record.read() else { return nil }
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

    func adopt(_ run: AggregatorRun) {
        let now = Clock.now()
        var count = 0
        lteRecalled = run.rates
        defer { lteRecalled = [:] }
        for (id, (bond, number)) in run.bonds.sorted(by: { $0.key < $1.key }) {
            let answers = bond.legs.keys.sorted().map { subscribers.authorization(of: bond.client, leg: $0) }
            let grants = answers.compactMap { if case .granted(let grant) = $0 { grant } else { nil } }
            // Whom the settings no longer allow hears so when he next says something.
            guard grants.count == answers.count, let grant = grants.first, numbers.take(id, as: number)
            else { continue }
            guard let effects = point.resume(bond, grant, now: now) else {
                numbers.release(id)
                continue
            }
            self.run(effects)
            count += 1
        }
        let requestIDs = (settings.ipsec ?? IPsecConfiguration(keys: .configured)).requestIDs
        let differed = common.state.adopt(settings.kernel, requestIDs)
        ipsec?.sample(Clock.now())
        common.log(
            .notice, "adopted", "goes on with what the run before has left",
            ["bonds": count, "of": run.bonds.count, "differed": differed])
    }

    /// Tells the next run of the bonds that changed, were this one to be killed now.
    func writeRecords() {
        let changed = point.takeChangedRecords()
        let rates = lteUnwritten.sorted()
        lteUnwritten = []
        guard radius == nil, !common.state.isAdopting, isRecording else { return }
        do throws(SystemError) {
            if record.appended > 2 * point.sessions.count + 1000 { return try writeAllRecords() }
            let lines = changed.sorted { $0.key < $1.key }.map { id, bond in
                bond.map { $0.line(number: numbers.number(of: id) ?? 0) } ?? "gone \(id)"
            }
            let all = lines + rates.compactMap(rateLine)
            if !all.isEmpty { try record.append(all) }
        } catch {
            common.log(.warning, "record-not-written", "\(error)")
        }
    }

    /// At the start, and when much has been appended.
    func writeAllRecords() throws(SystemError) {
        _ = point.takeChangedRecords()
        lteUnwritten = []
        let bonds = point.records.sorted { $0.sessionID < $1.sessionID }
            .map { $0.line(number: numbers.number(of: $0.sessionID) ?? 0) }
        let rates = lteKept.keys.sorted().compactMap(rateLine)
        try record.write(ReversePathFilter.lines(common.state.formerFilters) + bonds + rates)
    }

    private func rateLine(_ id: UInt32) -> String? { lteKept[id]?.record?.line(sessionID: id) }
}

/// What an aggregation point's run leaves.
struct AggregatorRun {
    var filters: [String: ReversePathFilter] = [:]
    var bonds: [UInt32: (bond: AggregationRecord, number: UInt32)] = [:]
    /// What is known of their LTE legs.
    var rates: [UInt32: LegRateRecord] = [:]

    /// nil for anything that no run writes.
    init?(_ lines: [Substring]) {
        for line in lines {
            if let (name, filter) = ReversePathFilter.read(line) {
                filters[name] = filter
            } else if let (bond, number) = AggregationRecord.read(line) {
                // What was known of LTE was known of that leg; one that comes back may be another path.
                if bonds[bond.sessionID]?.bond.legs[.secondary] != bond.legs[.secondary] { rates[bond.sessionID] = nil }
                bonds[bond.sessionID] = (bond, number)
            } else if let (rate, id) = LegRateRecord.read(line) {
                if bonds[id] != nil { rates[id] = rate }
            } else if line.hasPrefix("gone "), let id = UInt32(line.dropFirst(5)) {
                bonds[id] = nil
                rates[id] = nil
            } else {
                return nil
            }
        }
    }
}
