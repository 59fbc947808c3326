@testable import GREBonding

/// What goes wrong, and how long after its end both ends may take until all is as it should be.
enum Trouble: String, CaseIterable {
    case carrier, bothCarriers, silence, bothSilent, renumbered, gatewayRestarted, gatewayAdopted, pointRestarted
    case pointAdopted, pointStopped, tornDown, drained, refused, operatorSilent, serversAway, serversRestarted
    case clockStep, drift, traffic, bypass, diagnostic, filterList, secondaryAway, noise

    /// Seconds from the end of the trouble, each from what the protocol's timers say, the longest first.
    var limit: Double {
        switch self {
        // Nothing may change.
        case .clockStep, .bypass, .gatewayAdopted, .pointAdopted, .serversRestarted: 3
        // A request, its answer, a filter list, a lease.
        case .carrier, .renumbered, .traffic, .diagnostic, .filterList: 15
        // Verification takes 3 s, a waiting request up to 10 s.
        case .gatewayRestarted: 30
        // Requests come once a minute, a quarter more at most; then what a new bond needs.
        case .bothCarriers, .silence, .bothSilent, .secondaryAway: 100
        // A Hello in the Idle state comes each 100 s, and its answer says that the bond is gone.
        case .pointRestarted: 220
        case .pointStopped, .tornDown, .drained: 100
        // A request that was asked about just before is denied after 30 s, the next one follows in a minute and a
        // quarter; then what a new bond needs.
        case .operatorSilent: 120
        // Round trips must be short for some Hellos in a row, at 100 s each.
        case .drift: 450
        // What was abandoned or lost is said once a minute; a leg may be given up after four silent Hello Intervals.
        case .noise: 500
        // Who is refused asks once in an hour and a quarter.
        case .refused: 4600
        // A client solicits once in an hour.
        case .serversAway: 4000
        }
    }

    var changesRoundTrips: Bool { self == .drift || self == .noise }

    /// How long it lasts, seconds.
    var length: ClosedRange<Double> {
        switch self {
        case .carrier, .bothCarriers, .renumbered: 0.1...120
        case .silence, .bothSilent: 1...900
        case .secondaryAway: 1...600
        case .gatewayRestarted, .gatewayAdopted, .pointAdopted, .serversRestarted, .tornDown, .filterList: 0.1...2
        case .pointRestarted, .pointStopped: 0.1...300
        case .drained: 5...60
        case .refused, .serversAway: 60...20_000
        case .operatorSilent: 10...300
        case .clockStep: 60...20_000
        case .drift: 30...900
        case .traffic: 1...90
        case .bypass, .diagnostic: 5...60
        case .noise: 10...300
        }
    }
}

extension World {
    /// It begins.
    func begin(_ trouble: Trouble, _ i: Int) {
        quietSince = nil
        remember("\(trouble) \(i)")
        let leg = random.leg()
        switch trouble {
        case .carrier: link(i, leg, nil)
        case .secondaryAway: link(i, .secondary, nil)
        case .bothCarriers: for leg in [LegID.primary, .secondary] { link(i, leg, nil) }
        case .silence: homes[i].silent.formUnion([leg])
        case .bothSilent: homes[i].silent = [.primary, .secondary]
        case .renumbered:
            homes[i].addresses[leg] = Home.address(leg, i, UInt8(random.number(2...250)))
            link(i, leg, homes[i].addresses[leg])
        case .gatewayRestarted: restartGateway(i, adopts: false)
        case .gatewayAdopted: restartGateway(i, adopts: true)
        case .pointRestarted: restartPoint(adopts: false)
        case .pointAdopted: restartPoint(adopts: true)
        case .pointStopped: give(AggregationPoint.Input.stop)
        case .tornDown: tearDown(i)
        case .drained: give(AggregationPoint.Input.drain)
        case .refused:
            homes[i].refusal = random.pick([.dslUserNotAllowed, .userAliasNotAllowed, .managementErrorDuringLTESetup])
            tearDown(i)
        case .operatorSilent:
            authority = random.happens(percent: 50) ? .isSilent : .delays(.milliseconds(random.number(1...3000)))
            tearDown(i)
        case .serversAway: serversAreUp = false
        case .serversRestarted: restartServers()
        case .clockStep: setClock(step: Int64(random.number(-34_000_000...34_000_000)) * 1_000_000_000)
        case .drift: homes[i].delay[.secondary] = .milliseconds(random.number(10...400))
        case .traffic:
            homes[i].trafficFlows.toggle()
            give(i, .timeout)
        case .bypass: homes[i].bypass = UInt32(random.number(0...60_000))
        case .diagnostic:
            guard let kind = Diagnostic.allCases.randomElement(using: &random) else { return }
            give(i, .startDiagnostic(kind))
        case .filterList: changeList()
        case .noise:
            channel = Channel(
                loss: random.number(0...30), duplication: random.number(0...20),
                jitter: .milliseconds(random.number(0...600)))
        }
    }

    /// All of it is over.
    func calm() {
        channel = Channel()
        authority = .answers
        serversAreUp = true
        if clockStep != 0 { setClock(step: 0) }
        if point.stopped || point.isDraining { restartPoint(adopts: false) }
        for i in homes.indices {
            homes[i].silent = []
            homes[i].refusal = nil
            homes[i].trafficFlows = false
            homes[i].delay[.secondary] = .milliseconds(25)
            if homes[i].session.diagnostic != nil { give(i, .endDiagnostic) }
            for (leg, address) in homes[i].addresses.sorted(by: { $0.key < $1.key }) where homes[i].links[leg] == nil {
                link(i, leg, address)
            }
        }
        quietSince = now
        remember("calm")
    }

    private func tearDown(_ i: Int) {
        guard let session = point.session(of: homes[i].name) else { return }
        give(.tearDown(sessionID: session.id, random.pick([.maintenance, .managementErrorDuringLTESetup])))
    }

    func changeList() {
        // Two packages; as large as the one before, so that what is remembered does not grow by it.
        let number = random.number(10_000...99_999)
        filterList = (10..<50).map { FilterItem(.dscp, description: "an item of list \(number)", value: "\($0)") }
        for id in point.sessions.keys.sorted() { give(.setFilterList(sessionID: id, filterList)) }
    }
}
