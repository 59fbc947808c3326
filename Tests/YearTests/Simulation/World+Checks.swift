import Addresses
import ProtocolSupport

@testable import GREBonding
@testable import Leases
@testable import Quota

// What must hold: at every moment, and when nothing has gone wrong for a while.
extension World {
    /// After each input of the aggregation point: nothing is kept for what is gone.
    func checkPoint() {
        func expect(_ condition: Bool, _ what: @autoclosure () -> String) { if !condition { report(what()) } }
        let sessions = point.sessions.count
        expect(sessions <= homes.count, "\(sessions) sessions for \(homes.count) gateways")
        expect(point.sessionOfKey.count == sessions && point.sessionOfClient.count == sessions, "an index of sessions")
        expect(point.deadlines.count == sessions, "\(point.deadlines.count) deadlines for \(sessions) sessions")
        expect(point.recorded.count <= sessions && point.unrecorded.isEmpty, "records of sessions that are gone")
        expect(pointBonds.count == sessions, "\(pointBonds.count) bonds, \(sessions) sessions")
        let pending = point.pending
        expect(pending.isConsistent && pending.count <= 8 * homes.count, "\(pending.count) pending")
        for session in point.sessions.values {
            expect(!session.legs.isEmpty, "a session without legs")
            expect(session.notifies.entries.count <= NotifyTopic.allCases.count, "notifies of a session")
        }
        // Two windows of what is measured, and some Hellos at the longest interval.
        if let quietSince, now - quietSince > .seconds(500) { checkDelays() }
    }

    /// After each message of DHCP: nobody has what another has, what is used is routed, and ends first at its client.
    func checkLeases() {
        var seen: Set<IPPrefix> = []
        for home in homes {
            var had = home.address.map { [$0.remembered] } ?? []
            had += home.delegation?.prefixes.map { .init(resource: $0.prefix, expiry: $0.validUntil) } ?? []
            for lease in had where lease.expiry > leaseTime {
                if !seen.insert(lease.resource).inserted { report("\(lease.resource) is used by two") }
                if routes[lease.resource] != home.identity { report("\(lease.resource) is not routed") }
                let isV6 = lease.resource.address.family == .v6
                let known = isV6 ? server6.lease(of: home.identity) : server4.lease(of: home.identity)
                if known?.resource != lease.resource || known.map({ $0.expiry < lease.expiry }) ?? true {
                    report("\(home.identity) has \(lease), the server \(String(describing: known))")
                }
            }
        }
        if !server4.book.table.isConsistent || !server6.book.table.isConsistent { report("tables of leases differ") }
        if routes.count > 2 * homes.count { report("\(routes.count) routes") }
    }

    /// What a wrong clock has counted elsewhere may be counted twice, but never makes anything available.
    func checkQuota(_ i: Int) {
        guard let quota = homes[i].quota else { return }
        if quota.record.periods.count > QuotaRecord.limit { report("\(quota.record.periods.count) periods") }
        guard clockStep == 0, let period = quota.current else { return }
        let used = homes[i].used[period] ?? 0
        if quota.used < used { report("\(quota.used) bytes counted, \(used) were carried") }
        let text = quota.record.text
        if QuotaRecord(text: text)?.text != text { report("the record of the quota cannot be read back") }
        homes[i].used = homes[i].used.filter { $0.key >= period }
    }

    /// What both ends do not agree on, or what a gateway does not have; empty when all is well.
    func disagreements() -> [String] {
        var found: [String] = []
        if pointBonds.count != homes.count { found.append("\(pointBonds.count) bonds of \(homes.count)") }
        if point.pending.count != 0 { found.append("\(point.pending.count) pending") }
        for home in homes {
            guard let mine = home.bond, let theirs = pointBonds[mine.sessionID],
                let session = point.sessions[mine.sessionID]
            else {
                found.append("gateway \(home.index): \(home.bond == nil ? "no bond" : "not at the other end")")
                continue
            }
            func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
                if !condition { found.append("gateway \(home.index): \(what())") }
            }
            expect(mine.key == theirs.key && mine.legs == theirs.legs, "other legs at the other end")
            expect(mine.distribution == theirs.distribution, "\(mine.distribution), \(theirs.distribution)")
            expect(mine.legs == home.links, "legs \(mine.legs.keys.sorted()) of \(home.links.keys.sorted())")
            expect(session.helloState == home.session.helloState, "Hello state")
            expect(session.diagnostic == home.session.diagnostic, "diagnostic")
            expect((home.session.diagnostic != nil) == home.isDiagnosing, "diagnostic is not \(home.isDiagnosing)")
            expect(session.hostPrefix == home.session.hostPrefix, "prefix")
            expect(home.session.hostPrefix != .none, "no prefix told")
            expect(home.filterList == filterList && session.filters.current == nil, "filter list")
            expect(home.address != nil && home.delegation != nil, "no lease")
            expect(home.session.isSecondaryReserve == home.isReserve, "reserve")
            if home.isDiagnosing { continue }
            let wanted: Bond.Distribution = home.isReserve ? .only(.primary) : .overflow(.primary, .secondary)
            expect(mine.distribution == wanted, "\(mine.distribution) instead of \(wanted)")
        }
        return found
    }

    /// How much later LTE is, as the aggregation point finds it: what it puts packets in order by.
    private func checkDelays() {
        for home in homes {
            guard let session = point.session(of: home.name), session.helloState == .active,
                let found = session.delays.difference
            else { continue }
            let wanted = home.delay[.secondary]! - home.delay[.primary]!
            // The time in a Hello is in whole milliseconds.
            if found < wanted - .milliseconds(1) || found > wanted + .milliseconds(1) {
                report("gateway \(home.index): LTE is \(found) later, should be \(wanted)")
            }
        }
    }

    /// What gateways measure, when nothing has changed for some minutes.
    func checkMeasurements() {
        for home in homes {
            guard home.bond != nil, home.session.helloState == .active else { continue }
            for leg in [LegID.primary, .secondary] {
                let delay = home.delay[leg]!
                guard let trip = home.session.roundTripTime(of: leg)?.last else { continue }
                if trip != delay * 2 { report("gateway \(home.index): round trip of \(trip), should be \(delay * 2)") }
            }
        }
    }

    /// All that is remembered anywhere, in values: bonds, timers, leases and what was measured.
    var size: Int {
        var size = weight(of: point) + weight(of: server4) + weight(of: server6) + timersSet
        for home in homes {
            size += weight(of: home.session) + weight(of: home.client4) + weight(of: home.client6)
            size += home.quota.map { weight(of: $0) } ?? 0
        }
        return size
    }
}
