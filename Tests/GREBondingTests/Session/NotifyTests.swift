import Addresses
import Testing

@testable import GREBonding

/// Notify messages and their acknowledgements (RFC 8157 §5.6), filter lists (§5.6.2, §5.6.12) and verification
/// (§5.6.15).
@Suite struct NotifyTests {
    private func up() -> Pair {
        var pair = Pair()
        pair.start()
        pair.run(for: .seconds(3))
        return pair
    }

    private func items(_ count: Int) -> [FilterItem] {
        (0..<count).map { FilterItem(.dscp, description: "an item with some description \($0)", value: "\($0 % 64)") }
    }

    private let start = Instant(nanoseconds: 0)

    // MARK: The queue

    @Test func aNewerStateTakesThePlaceOfTheOlder() {
        var queue = NotifyQueue()
        queue.add(.switchingToDSLTunnel, preferring: .primary, now: start)
        queue.add(.dslLinkFailure, preferring: .secondary, now: start)
        queue.add(.overflowingToLTETunnel, preferring: .primary, now: start)
        #expect(queue.entries.map(\.attribute) == [.dslLinkFailure, .overflowingToLTETunnel])
        let taken = queue.add(.sessionID(1), preferring: .primary, now: start)
        #expect(!taken, "not a Notify")
    }

    @Test func repeatedUntilAcknowledged() {
        var queue = NotifyQueue()
        queue.add(.diagnosticEnd, preferring: .primary, now: start)
        var times: [Int64] = []
        while times.count < 10, let next = queue.next {
            while case .send? = queue.due(now: next) { times.append((next - start).milliseconds / 1000) }
        }
        #expect(times == [0, 1, 3, 7, 15, 23, 31, 39, 47, 107])
        let wrong = queue.acknowledge(.diagnosticStartDSLTunnel, now: start)
        #expect(wrong == nil)
        let right = queue.acknowledge(.diagnosticEnd, now: start)
        #expect(right != nil && queue.isEmpty)
    }

    @Test func whatIsNotSentIsNotAcknowledged() {
        var queue = NotifyQueue()
        queue.add(.diagnosticEnd, preferring: .primary, now: start)
        let wrong = queue.acknowledge(.diagnosticEnd, now: start)
        #expect(wrong == nil)
    }

    @Test func anOutdatedRateIsGivenUp() {
        var queue = NotifyQueue()
        queue.add(.bypassTrafficRate(1), preferring: .primary, now: start)
        var abandoned = false
        while let next = queue.next {
            if case .abandoned? = queue.due(now: next) { abandoned = true }
        }
        #expect(abandoned && queue.isEmpty)
    }

    @Test func whatFollowsAStrayCopyIsSaidTwice() {
        var queue = NotifyQueue()
        queue.add(.switchingToDSLTunnel, preferring: .primary, now: start)
        _ = queue.due(now: start)
        queue.add(.overflowingToLTETunnel, preferring: .primary, now: start)
        _ = queue.due(now: start)
        let first = queue.acknowledge(.overflowingToLTETunnel, now: start)
        #expect(first != nil)
        #expect(queue.next == start + Constants.strayLife)
        _ = queue.due(now: start + Constants.strayLife)
        let second = queue.acknowledge(.overflowingToLTETunnel, now: start)
        #expect(second != nil && queue.isEmpty)
    }

    // MARK: Both ends

    @Test func anEchoIsNotEchoed() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        pair.keepsSent = true
        for attribute in Sample.notifyAttributes + [.unknown(type: 99, value: [1])] {
            let message = ControlMessage(type: .notify, leg: .primary, key: bond.key, attributes: [attribute])
            pair.give(HomeGatewaySession.Input.message(message, on: .primary, from: Pair.h))
        }
        pair.run(for: .seconds(5))
        #expect(pair.sent.filter { $0.message.type == .notify }.count < 12, "nothing goes round and round")
        #expect(pair.agreed && pair.gatewayBond == bond)
    }

    @Test func severalAttributesInOneMessage() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        let attributes: [Attribute] = [
            .bypassTrafficRate(1000), .switchingToDSLTunnel, .ipv6PrefixAssignedToHost(Sample.prefix),
            .unknown(type: 99, value: [7]),
        ]
        let message = ControlMessage(type: .notify, leg: .primary, key: bond.key, attributes: attributes)
        let effects = pair.point.handle(
            .message(message, from: Pair.addresses[.primary]!, to: Pair.h), now: pair.now)
        #expect(effects.contains(.send(message, from: Pair.h, to: Pair.addresses[.primary]!)), "one echo of all")
        let session = try #require(pair.point.sessions.values.first)
        #expect(session.bypassRate == 1000 && session.primaryOnly && session.hostPrefix == Sample.prefix)
        let again = pair.point.handle(
            .message(message, from: Pair.addresses[.primary]!, to: Pair.h), now: pair.now)
        #expect(again.count == 1, "a duplicate is echoed and changes nothing: \(again)")
        #expect(pair.point.sessions.values.first == session)
    }

    @Test func aLateCopyIsPutRight() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        let stray = ControlMessage(
            type: .notify, leg: .primary, key: bond.key, attributes: [.switchingToDSLTunnel])
        pair.give(AggregationPoint.Input.message(stray, from: Pair.addresses[.primary]!, to: Pair.h))
        #expect(!pair.agreed)
        pair.run(for: .milliseconds(200))
        #expect(pair.agreed && pair.gatewayBond == bond)
    }

    @Test func aLateFailureReportCostsNoHelloTolerance() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        let stray = ControlMessage(type: .notify, leg: .secondary, key: bond.key, attributes: [.dslLinkFailure])
        pair.give(AggregationPoint.Input.message(stray, from: Pair.addresses[.secondary]!, to: Pair.h))
        #expect(!pair.agreed)
        pair.run(for: .seconds(2))
        #expect(pair.agreed && pair.gatewayBond == bond)
    }

    // MARK: Filter lists

    @Test(arguments: [0, 1, 14, 200])
    func aFilterListArrivesWhole(count: Int) throws {
        var pair = up()
        let id = try #require(pair.gatewayBond?.sessionID)
        pair.give(AggregationPoint.Input.setFilterList(sessionID: id, items(count)))
        pair.run(for: .seconds(2))
        #expect(pair.filterList == items(count))
        #expect(pair.pointEvents.contains(.filterListTaken(commitCount: 1)))
        pair.give(AggregationPoint.Input.setFilterList(sessionID: id, items(3)))
        pair.run(for: .seconds(2))
        #expect(pair.filterList == items(3) && pair.pointEvents.contains(.filterListTaken(commitCount: 2)))
        #expect(pair.point.sessions[id]?.notifies.isEmpty == true)
    }

    @Test func packagesAreRepeatedEveryThreeSeconds() throws {
        var pair = up()
        let id = try #require(pair.gatewayBond?.sessionID)
        pair.blackholes = [.primary, .secondary]
        pair.keepsSent = true
        pair.give(AggregationPoint.Input.setFilterList(sessionID: id, items(1)))
        let begin = pair.now
        pair.run(for: .seconds(7))
        let times = pair.sent.filter { $0.message.contains(.filterListPackage) }
            .map { ($0.at - begin - .milliseconds(10)).milliseconds }
        #expect(times == [0, 3000, 6000])
    }

    /// A bond whose Hellos are so rare that the network can be away for minutes without anybody's notice.
    private func patient() -> Pair {
        var parameters = SessionParameters()
        parameters.activeHelloInterval = 100
        var pair = Pair(parameters: parameters)
        pair.start()
        pair.run(for: .seconds(3))
        return pair
    }

    private func packages(_ pair: Pair) -> Int { pair.sent.count { $0.message.contains(.filterListPackage) } }

    /// Also when the leg that is preferred stays silent.
    @Test(arguments: [[], [LegID.primary]] as [Set<LegID>])
    func aListThatNobodyHeardIsSentAgainWhenTheGatewayIsHeard(stillSilent: Set<LegID>) throws {
        var pair = patient()
        let bond = try #require(pair.gatewayBond)
        pair.blackholes = [.primary, .secondary]
        pair.keepsSent = true
        pair.give(AggregationPoint.Input.setFilterList(sessionID: bond.sessionID, items(10)))
        pair.run(for: .seconds(90))
        #expect(pair.filterList == nil && packages(pair) == 20, "while nobody is heard nobody is reminded")
        pair.blackholes = stillSilent
        pair.run(for: .seconds(10))
        #expect(pair.gatewayBond == bond && pair.filterList == items(10), "with the first Hello")
        #expect(!pair.pointEvents.contains(.notifyAbandoned(.primary)))
    }

    @Test func aListComesByTheOtherLegWhenOneIsSilent() throws {
        var pair = patient()
        let bond = try #require(pair.gatewayBond)
        pair.blackholes = [.primary]
        pair.give(AggregationPoint.Input.setFilterList(sessionID: bond.sessionID, items(1)))
        pair.run(for: .seconds(12))
        #expect(pair.gatewayBond == bond && pair.filterList == items(1))
    }

    /// A gateway that says other things does not know filter lists: it is not asked for ever.
    @Test(arguments: [5, 100])
    func aGatewayWithoutFilterListsIsNotAskedForEver(seconds: Int) throws {
        var pair = patient()
        let bond = try #require(pair.gatewayBond)
        pair.blackholes = [.primary, .secondary]
        pair.keepsSent = true
        pair.give(AggregationPoint.Input.setFilterList(sessionID: bond.sessionID, items(1)))
        for _ in 0..<60 {
            pair.run(for: .seconds(seconds))
            for leg in [LegID.primary, .secondary] {
                let hello = ControlMessage(
                    type: .hello, leg: leg, key: bond.key, attributes: [.timestamp(Timestamp(pair.now))])
                pair.give(AggregationPoint.Input.message(hello, from: Pair.addresses[leg]!, to: Pair.h))
            }
        }
        #expect(packages(pair) == 30 && pair.pointEvents.contains(.notifyAbandoned(.primary)))
        #expect(pair.pointBonds[bond.sessionID] != nil && pair.point.sessions[bond.sessionID]?.notifies.isEmpty == true)
    }

    /// What was repeated for a minute was not acknowledged late for a minute.
    @Test func onlyACKsThatCanStillComeAreWaitedFor() {
        var sender = FilterListSender(nextCommitCount: 5)
        try? sender.replace(by: items(100))
        var late: [Bool] = []
        for _ in 0..<2 {
            _ = sender.taken(attempts: 20)
            late += (0..<3).map { _ in sender.isLate() }
        }
        #expect(late == [true, true, false, true, true, false])
    }

    @Test func aLostPackageIsNotTakenForAcknowledgedByALateACK() {
        var sender = FilterListSender(nextCommitCount: 5)
        try? sender.replace(by: items(60))
        let first = sender.current
        let early = sender.isLate()
        let last = sender.taken(attempts: 3)
        #expect(!early && !last && sender.current != first)
        let late = (0..<3).map { _ in sender.isLate() }
        #expect(late == [true, true, false])
    }

    @Test func anItemThatFitsNoPackageIsSaidToTheOperator() throws {
        var pair = up()
        let id = try #require(pair.gatewayBond?.sessionID)
        let item = FilterItem(.fqdn, description: String(repeating: "x", count: 1000), value: "a")
        pair.give(AggregationPoint.Input.setFilterList(sessionID: id, [item]))
        #expect(pair.pointEvents.contains { if case .filterListNotSendable = $0 { true } else { false } })
        #expect(pair.agreed)
    }

    @Test(arguments: [FilterListPackageACK.Code.noListYet, .oldListKept])
    func aRefusedListHasTheConsequenceOfItsCode(code: FilterListPackageACK.Code) throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        pair.blackholes = [.primary, .secondary]
        pair.give(AggregationPoint.Input.setFilterList(sessionID: bond.sessionID, items(1)))
        pair.blackholes = []
        let ack = ControlMessage(
            type: .notify, leg: .primary, key: bond.key,
            attributes: [.filterListPackageACK(FilterListPackageACK(commitCount: 1, code: code))])
        pair.give(AggregationPoint.Input.message(ack, from: Pair.addresses[.primary]!, to: Pair.h))
        #expect(pair.pointEvents.contains(.filterListRefused(commitCount: 1, code)))
        pair.run(for: .seconds(12))
        #expect(pair.agreed && pair.gatewayBond?.legs.count == 2)
        #expect((pair.gatewayBond?.key == bond.key) == (code == .oldListKept))
    }

    @Test func aMalformedPackageIsRefusedByTheGateway() throws {
        var pair = up()
        let bond = try #require(pair.gatewayBond)
        func answer(_ package: FilterListPackage) -> FilterListPackageACK? {
            let message = ControlMessage(
                type: .notify, leg: .secondary, key: bond.key,
                attributes: [.filterListPackage(package), .tunnelVerification])
            for case .send(let reply, _, _) in pair.gateway.handle(
                .message(message, on: .secondary, from: Pair.h), now: pair.now)
            {
                #expect(reply.attributes.count == 2 && reply.contains(.tunnelVerification))
                return reply.filterListPackageACK
            }
            return nil
        }
        let bad = FilterListPackage(commitCount: 1, items: items(1), malformedRemainder: [1])
        #expect(answer(bad)?.code == .noListYet)
        #expect(answer(FilterListPackage(commitCount: 2, items: items(1)))?.code == .acknowledged)
        #expect(answer(FilterListPackage(commitCount: 3, items: [], malformedRemainder: [1]))?.code == .oldListKept)
        #expect(pair.agreed)
    }

    @Test func theListEndsWithTheBond() throws {
        var pair = up()
        let id = try #require(pair.gatewayBond?.sessionID)
        pair.give(AggregationPoint.Input.setFilterList(sessionID: id, items(2)))
        pair.run(for: .seconds(1))
        #expect(pair.filterList?.count == 2)
        pair.give(HomeGatewaySession.Input.stop)
        #expect(pair.filterList == [])
    }

    // MARK: Verification

    /// The bond that is verified ends by its Hellos before the third attempt.
    @Test func aRequestIsTakenWhenTheBondEndsMeanwhile() throws {
        var pair = up()
        pair.run(for: .seconds(3))
        pair.blackholes = [.primary, .secondary]
        let last = try #require(pair.point.sessions.values.first?.legs.values.map(\.heard).max())
        let end = last + .seconds(40)
        pair.run(until: end + .milliseconds(-1500))
        let request = ControlMessage(
            type: .setupRequest, leg: .secondary, key: 0, attributes: [.clientIdentificationName(Pair.name)])
        let stranger = IPAddress.v4(IPv4Address(10, 66, 0, 1))
        pair.give(AggregationPoint.Input.message(request, from: stranger, to: Pair.h))
        #expect(pair.point.sessions.values.first?.verification != nil)
        pair.run(until: end + .milliseconds(100))
        #expect(pair.pointBonds.values.map(\.legs) == [[.secondary: stranger]] && pair.leaks.isEmpty)
    }

    @Test func verificationIsAskedThreeTimes() throws {
        var pair = up()
        pair.keepsSent = true
        pair.blackholes = [.primary, .secondary]
        let request = ControlMessage(
            type: .setupRequest, leg: .secondary, key: 0, attributes: [.clientIdentificationName(Pair.name)])
        let stranger = IPAddress.v4(IPv4Address(10, 66, 0, 1))
        for _ in 0..<5 {
            pair.give(AggregationPoint.Input.message(request, from: stranger, to: Pair.h))
            pair.run(for: .milliseconds(300))
        }
        pair.run(for: .seconds(3))
        let asked = pair.sent.filter { $0.message.contains(.tunnelVerification) }
        #expect(asked.count == 3 && asked.allSatisfy { $0.message.leg == .secondary })
        #expect(pair.pointBonds.values.map(\.legs) == [[.secondary: stranger]])
    }
}
