import Addresses
import Testing

@testable import Leases

/// A client in every state, and all that can happen there: see ``DHCPv4ClientStateTests``.
@Suite struct DHCPv6ClientStateTests {
    static let table = StateTable(
        """
                   | start       | reboot      | suspend   | stop         | timeout      | end           | refuse
        stopped    | init        | rebooting   | stopped   | stopped      | stopped      | stopped       | stopped
        init       | init        | rebooting   | stopped   | stopped      | soliciting s | soliciting s  | init
        soliciting | init        | rebooting   | stopped   | stopped      | soliciting s | soliciting s  | soliciting
        requesting | init        | rebooting   | stopped   | stopped      | requesting s | requesting s  | requesting
        rebooting  | rebooting   | rebooting   | stopped   | stopped      | rebooting s  | rebooting s   | rebooting
        bound      | rebooting n | rebooting n | stopped n | releasing ns | renewing s   | soliciting ns | init n
        renewing   | rebooting n | rebooting n | stopped n | releasing ns | renewing s   | soliciting ns | init n
        rebinding  | rebooting n | rebooting n | stopped n | releasing ns | rebinding s  | soliciting ns | init n
        releasing  | init        | rebooting   | stopped   | releasing    | releasing s  | releasing s   | releasing
        """)
    /// What a server may send: RFC 8415 §18.2.9, §18.2.10.
    static let answers = StateTable(
        """
                   | advertise    | low          | reply        | rapid        | zeroTimes    | infinite
        stopped    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d
        init       | init d       | init d       | init d       | init d       | init d       | init d
        soliciting | requesting s | soliciting   | soliciting d | soliciting d | soliciting d | soliciting d
        requesting | requesting d | requesting d | bound c      | bound c      | bound c      | bound c
        rebooting  | rebooting d  | rebooting d  | bound c      | bound c      | bound c      | bound c
        bound      | bound d      | bound d      | bound d      | bound d      | bound d      | bound d
        renewing   | renewing d   | renewing d   | bound c      | bound c      | bound c      | bound c
        rebinding  | rebinding d  | rebinding d  | bound c      | bound c      | bound c      | bound c
        releasing  | releasing d  | releasing d  | stopped      | stopped      | stopped      | stopped
        """)
    /// What takes the lease away or changes it.
    static let refusals = StateTable(
        """
                   | noPrefix     | noBinding    | zero         | renumbered   | empty        | otherServer
        stopped    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d
        init       | init d       | init d       | init d       | init d       | init d       | init d
        soliciting | soliciting d | soliciting d | soliciting d | soliciting d | soliciting d | soliciting d
        requesting | init         | requesting d | init         | bound c      | requesting d | requesting d
        rebooting  | init         | requesting s | init         | bound c      | rebooting d  | bound c
        bound      | bound d      | bound d      | bound d      | bound d      | bound d      | bound d
        renewing   | init n       | requesting s | init n       | bound c      | bound c      | renewing d
        rebinding  | init n       | requesting s | init n       | bound c      | bound c      | bound c
        releasing  | stopped      | stopped      | stopped      | stopped      | stopped      | releasing d
        """)
    static let wrongAnswers = StateTable(
        """
                   | unspecFail   | useMulticast | otherIAID    | lateT1       | otherXID     | otherClient
        stopped    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d
        init       | init d       | init d       | init d       | init d       | init d       | init d
        soliciting | soliciting d | soliciting d | soliciting d | soliciting d | soliciting d | soliciting d
        requesting | requesting d | requesting d | requesting d | requesting d | requesting d | requesting d
        rebooting  | rebooting d  | rebooting d  | rebooting d  | rebooting d  | rebooting d  | rebooting d
        bound      | bound d      | bound d      | bound d      | bound d      | bound d      | bound d
        renewing   | renewing d   | renewing d   | renewing d   | renewing d   | renewing d   | renewing d
        rebinding  | rebinding d  | rebinding d  | rebinding d  | rebinding d  | rebinding d  | rebinding d
        releasing  | stopped      | stopped      | stopped      | stopped      | releasing d  | releasing d
        """)
    static let otherAnswers = StateTable(
        """
                   | noServer     | reconfigure  | longLife     | noPrefixes   | useless      | advertiseNone
        stopped    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d
        init       | init d       | init d       | init d       | init d       | init d       | init d
        soliciting | soliciting d | soliciting d | soliciting d | soliciting d | soliciting d | soliciting d
        requesting | requesting d | requesting d | requesting d | requesting d | requesting d | requesting d
        rebooting  | rebooting d  | rebooting d  | rebooting d  | rebooting d  | rebooting d  | rebooting d
        bound      | bound d      | bound d      | bound d      | bound d      | bound d      | bound d
        renewing   | renewing d   | renewing d   | bound c      | renewing d   | bound c      | renewing d
        rebinding  | rebinding d  | rebinding d  | bound c      | rebinding d  | bound c      | rebinding d
        releasing  | releasing d  | releasing d  | stopped      | stopped      | stopped      | releasing d
        """)

    private let known = RememberedLease(resource: prefix("2001:db8:0:100::/56"), expiry: at(5000))

    private func answer(
        _ type: DHCPv6Message.MessageType, to client: DHCPv6Client, _ prefixes: [(String, UInt32, UInt32)]? = nil,
        change: (inout DHCPv6Message) -> Void = { _ in }
    ) -> DHCPv6Client.Input {
        var message = DHCPv6Message(type, transactionID: client.transactionID)
        message.client = client.settings.identifier
        message.server = Sample.serverDUID
        message.preference = 255
        var ia = IAPD(iaid: client.settings.iaid)
        (ia.t1, ia.t2) = (500, 800)
        ia.prefixes = (prefixes ?? [("2001:db8:0:100::/56", 1000, 1000)]).map {
            IAPrefix(prefix($0.0), preferredLifetime: $0.1, validLifetime: $0.2)!
        }
        message.ias = [ia]
        change(&message)
        return .message(message)
    }

    private func input(_ event: String, _ client: DHCPv6Client) -> DHCPv6Client.Input {
        let old = "2001:db8:0:100::/56"
        func status(_ code: DHCPv6Status.Code) -> DHCPv6Client.Input {
            answer(.reply, to: client, []) { $0.ias[0].status = DHCPv6Status(code) }
        }
        return switch event {
        case "start": .start(remembered: nil)
        case "reboot": .start(remembered: known)
        case "suspend": .suspend
        case "stop": .stop
        case "refuse": .refuse
        case "advertise": answer(.advertise, to: client)
        case "low": answer(.advertise, to: client) { $0.preference = nil }
        case "advertiseNone": answer(.advertise, to: client, []) { $0.ias[0].status = DHCPv6Status(.noPrefixAvail) }
        case "reply": answer(.reply, to: client)
        case "rapid": answer(.reply, to: client) { $0.rapidCommit = true }
        case "zeroTimes": answer(.reply, to: client) { ($0.ias[0].t1, $0.ias[0].t2) = (0, 0) }
        case "infinite":
            answer(.reply, to: client, [(old, .max, .max)]) { ($0.ias[0].t1, $0.ias[0].t2) = (.max, .max) }
        case "noPrefix": status(.noPrefixAvail)
        case "noBinding": status(.noBinding)
        case "zero": answer(.reply, to: client, [(old, 0, 0)])
        case "renumbered": answer(.reply, to: client, [("2001:db8:0:200::/56", 1000, 1000), (old, 0, 0)])
        case "empty": answer(.reply, to: client, [])
        case "otherServer": answer(.reply, to: client) { $0.server = DUID(linkLayer: [9]) }
        case "unspecFail": answer(.reply, to: client) { $0.status = DHCPv6Status(.unspecFail) }
        case "useMulticast": answer(.reply, to: client) { $0.status = DHCPv6Status(.useMulticast) }
        case "otherIAID": answer(.reply, to: client) { $0.ias[0].iaid += 1 }
        case "lateT1": answer(.reply, to: client) { $0.ias[0].t1 = 801 }
        case "otherXID":
            answer(.reply, to: client) {
                var other = DHCPv6Message(.reply, transactionID: $0.transactionID &+ 1)
                (other.client, other.server, other.ias) = ($0.client, $0.server, $0.ias)
                $0 = other
            }
        case "otherClient": answer(.reply, to: client) { $0.client = DUID(linkLayer: [9]) }
        case "noServer": answer(.reply, to: client) { $0.server = nil }
        case "reconfigure": answer(.reconfigure, to: client)
        // A preferred lifetime that is longer than the valid one: the prefix does not count (RFC 8415 §21.22).
        case "longLife": answer(.reply, to: client, [("2001:db8:0:300::/56", 1001, 1000)])
        case "useless": answer(.reply, to: client, [("fe80::/64", 1000, 1000)])
        case "noPrefixes": answer(.reply, to: client) { $0.ias = [] }
        default: .timeout
        }
    }

    /// A client in a state, and the time. A lease counts from 3 s: T1 is at 503, T2 at 803, its end at 1003.
    private func client(in state: DHCPv6Client.State) throws -> (DHCPv6Client, LeaseTime) {
        var client = Sample.client6(1, seed: 1)
        func become(_ state: DHCPv6Client.State) throws { try #require(client.state == state) }
        if state == .stopped { return (client, at(1)) }
        if state == .rebooting {
            _ = client.handle(.start(remembered: known), now: at(1))
            _ = client.handle(.timeout, now: at(2))
            return (client, at(2))
        }
        _ = client.handle(.start(remembered: nil), now: at(1))
        if state == .initial { return (client, at(1)) }
        _ = client.handle(.timeout, now: at(2))
        try become(.soliciting)
        if state == .soliciting { return (client, at(2)) }
        _ = client.handle(answer(.advertise, to: client), now: at(3))
        try become(.requesting)
        if state == .requesting { return (client, at(3)) }
        _ = client.handle(answer(.reply, to: client), now: at(3))
        try become(.bound)
        if state == .bound { return (client, at(3)) }
        if state == .releasing {
            _ = client.handle(.stop, now: at(4))
            return (client, at(4))
        }
        _ = client.handle(.timeout, now: at(503))
        try become(.renewing)
        if state == .renewing { return (client, at(503)) }
        _ = client.handle(.timeout, now: at(803))
        try become(.rebinding)
        return (client, at(803))
    }

    @Test(arguments: table.cells + answers.cells + refusals.cells + wrongAnswers.cells + otherAnswers.cells)
    func outcome(_ cell: StateTable.Cell) throws {
        var (client, now) = try client(in: #require(DHCPv6Client.State(rawValue: cell.state)))
        if cell.event == "timeout" { now = client.deadline ?? now }
        if cell.event == "end" { now = client.lease?.expiry ?? client.deadline ?? now }
        let effects = client.handle(input(cell.event, client), now: now)
        #expect(summary(client.state.rawValue, effects) == cell.outcome)
        // Whatever happened, time goes on.
        if let deadline = client.deadline { #expect(deadline > now) }
        #expect(client.state != .stopped || client.deadline == nil)
        if cell.outcome == "bound c" {
            switch cell.event {
            case "infinite": #expect(client.deadline == nil)
            // T1 is a half of the preferred lifetime, T2 four fifths.
            case "zeroTimes":
                #expect(client.lease?.renewal == client.asked.adding(seconds: 500))
                #expect(client.lease?.rebinding == client.asked.adding(seconds: 800))
            case "renumbered": #expect(client.lease?.prefixes.map(\.prefix) == [prefix("2001:db8:0:200::/56")])
            default: #expect(client.lease?.prefixes.map(\.prefix) == [prefix("2001:db8:0:100::/56")])
            }
        }
    }

    @Test func theTablesAreComplete() {
        let states = DHCPv6Client.State.allCases.count
        let tables = [Self.answers, Self.refusals, Self.wrongAnswers, Self.otherAnswers]
        #expect(Self.table.cells.count == states * 7 && tables.allSatisfy { $0.cells.count == states * 6 })
    }
}
