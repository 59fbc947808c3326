import Configuration
import EventLog
import GREBonding
import Leases
import Logging
import NetlinkKit

// What this run leaves for the next one, and what it takes over from the one before.
extension HomeGateway {
    /// What a bond is made for: with another one of these it cannot go on.
    static func identity(_ settings: HomeGatewayConfiguration) -> [String] {
        [
            "hg", "\(settings.haap)", settings.cin.description, "\(settings.dialect)", "\(settings.family)",
            settings.dsl.interface.description, settings.lte.interface.description, settings.tunnel.name.description,
        ]
    }

    /// Whether a run before was killed and this one can go on with what it has left. Nothing in the kernel is touched.
    func recall() -> Bool {
        guard let lines = record.read() else { return false }
        guard let run = GatewayRun(lines) else {
            common.log(.warning, "record-unreadable", "what the run before has left cannot be read: starting anew")
            return false
        }
        if let bond = run.bond {
            guard session.resume(bond, now: Clock.now()) else {
                common.log(.notice, "record-does-not-fit", "the bond of the run before is another one: starting anew")
                return false
            }
            filterList = bond.filterList?.items ?? []
            leases.adopt(run.lease4, run.lease6)
            lteRecalled = run.rate
        }
        common.state.beginAdoption(run.filters)
        return true
    }

    /// The session has its legs by now, as far as they are still there.
    func adopt() {
        for leg in legs where session.isUp(leg.id) && sockets[leg.id] == nil {
            run(session.handle(.wanDown(leg.id, .addressLost), now: Clock.now()))
        }
        if session.bond == nil { run(session.handle(.timeout, now: Clock.now())) }
        if !filterList.isEmpty { takeFilterList() }
        for id in session.legsUp {
            if let address = wans[id]?.address { note(.legUp(id, address)) }
        }
        if session.bond != nil { primaryLost = !session.isUp(.primary) && legs.contains { $0.id == .primary } }
        lteRecalled = nil
        let scope = SweepScope(settings.kernel, settings.ipsec, takesAddresses: true)
        while !common.state.adopt(scope, slice: .seconds(1)) {}
        if session.bond != nil { leases.bondUp(link: common.state.index(of: settings.tunnel.name.description)) }
        ipsec?.sample(Clock.now())
        common.log(
            .notice, "adopted", "goes on with what the run before has left",
            ["session": session.bond.map { "\($0.sessionID)" } ?? "none", "differed": common.state.quietDrift])
    }

    /// What the next run needs, were this one to be killed now.
    func writeRecord() {
        guard !common.state.isAdopting else { return }
        let run = GatewayRun(
            filters: common.state.formerFilters, bond: session.record, lease4: leases.lease4, lease6: leases.lease6,
            rate: lteRate == nil ? nil : lteKept.record)
        guard run != recorded else { return }
        recorded = run
        do throws(SystemError) {
            try record.write(run.lines)
        } catch {
            common.log(.warning, "record-not-written", "\(error)")
        }
    }
}

/// What a gateway's run leaves.
struct GatewayRun: Hashable {
    /// Reverse path filters as they were before any run.
    var filters: [String: ReversePathFilter] = [:]
    var bond: GatewayRecord?
    var lease4: DHCPv4Lease?
    var lease6: DHCPv6Lease?
    /// What is known of LTE upstream; only of a bond.
    var rate: LegRateRecord?

    init(
        filters: [String: ReversePathFilter], bond: GatewayRecord?, lease4: DHCPv4Lease?, lease6: DHCPv6Lease?,
        rate: LegRateRecord? = nil
    ) {
        (self.filters, self.bond, self.lease4, self.lease6) = (filters, bond, lease4, lease6)
        self.rate = bond == nil ? nil : rate
    }

    var lines: [String] {
        let rateLine: String? = if let bond, let rate { rate.line(sessionID: bond.sessionID) } else { nil }
        return ReversePathFilter.lines(filters) + [lease4?.line, lease6?.line, rateLine].compactMap { $0 }
            + (bond?.lines ?? [])
    }

    /// nil for anything that ``lines`` does not give.
    init?(_ lines: [Substring]) {
        var rest = lines[...]
        var rateOf: UInt32?
        while let line = rest.first, !line.hasPrefix("bond ") {
            rest = rest.dropFirst()
            if let (name, filter) = ReversePathFilter.read(line) {
                filters[name] = filter
            } else if lease4 == nil, let lease = DHCPv4Lease(line: line) {
                lease4 = lease
            } else if lease6 == nil, let lease = DHCPv6Lease(line: line) {
                lease6 = lease
            } else if rate == nil, let (rate, id) = LegRateRecord.read(line) {
                self.rate = rate
                rateOf = id
            } else {
                return nil
            }
        }
        guard !rest.isEmpty else {
            if rate != nil { return nil }
            return
        }
        guard let bond = GatewayRecord(lines: rest), rateOf == nil || rateOf == bond.sessionID else { return nil }
        self.bond = bond
    }
}

extension ReversePathFilter {
    static func lines(_ filters: [String: ReversePathFilter]) -> [String] {
        filters.sorted { $0.key < $1.key }.map { "rp_filter \($0.key) \($0.value.rawValue)" }
    }

    static func read(_ line: Substring) -> (String, ReversePathFilter)? {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "rp_filter", (1...15).contains(words[1].utf8.count),
            let filter = UInt32(words[2]).flatMap(ReversePathFilter.init(rawValue:))
        else { return nil }
        return (String(words[1]), filter)
    }
}
