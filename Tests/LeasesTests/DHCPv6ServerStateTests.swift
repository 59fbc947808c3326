import Addresses
import Testing

@testable import Leases

/// A server, whatever it knows of a client, and all that this can send: see ``DHCPv4ServerStateTests``. The answer is
/// followed by the status of its IA_PD when that is not success.
@Suite struct DHCPv6ServerStateTests {
    private static let one = ClientIdentity("one")!
    private static let two = ClientIdentity("two")!

    /// RFC 8415 §18.3.1, §18.3.2. A Request for what another has is answered with something else.
    static let requests = StateTable(
        """
                 | solicit           | rapid            | request          | requestTaken     | bare
        unknown  | advertise offered | reply active +   | reply active +   | reply active +   | reply active +
        offered  | advertise offered | reply active +   | reply active +   | reply active +   | reply active +
        active   | advertise active  | reply active     | reply active     | reply active     | reply active
        other    | advertise active  | reply active     | reply active     | reply active     | reply active
        held     | advertise offered | reply active +   | reply active +   | reply active +   | reply active +
        reserved | advertise offered | reply active +   | reply active +   | reply active +   | reply active +
        """)
    /// RFC 8415 §18.3.4, §18.3.5: what is not bound any more is bound again if it is free.
    static let returns = StateTable(
        """
                 | renew          | renewTaken         | rebind         | rebindTaken        | release
        unknown  | reply active + | reply:3 offered    | reply active + | reply:3 offered    | reply:3 unknown
        offered  | reply active + | reply:3 offered    | reply active + | reply:3 offered    | reply:3 offered
        active   | reply active   | reply active       | reply active   | reply active       | reply held -
        other    | reply active   | reply active       | reply active   | reply active       | reply:3 active
        held     | reply active + | reply:3 offered    | reply active + | reply:3 offered    | reply:3 held
        reserved | reply active + | reply:3 offered    | reply active + | reply:3 offered    | reply:3 unknown
        """)
    /// What is not for this server, or is not answered: RFC 8415 §16.
    static let others = StateTable(
        """
                 | otherServer | noServer    | noClient    | solicitServer | confirm     | decline     | advertise
        unknown  | - unknown d | - unknown d | - unknown d | - unknown d   | - unknown d | - unknown d | - unknown d
        offered  | - offered d | - offered d | - offered d | - offered d   | - offered d | - offered d | - offered d
        active   | - active d  | - active d  | - active d  | - active d    | - active d  | - active d  | - active d
        other    | - active d  | - active d  | - active d  | - active d    | - active d  | - active d  | - active d
        held     | - held d    | - held d    | - held d    | - held d      | - held d    | - held d    | - held d
        reserved | - unknown d | - unknown d | - unknown d | - unknown d   | - unknown d | - unknown d | - unknown d
        """)
    static let times = StateTable(
        """
                 | information   | informationIA | minute    | hour      | withdraw
        unknown  | reply unknown | - unknown d   | - unknown | - unknown | - unknown
        offered  | reply offered | - offered d   | - held    | - held    | - held
        active   | reply active  | - active d    | - active  | - held -  | - held -
        other    | reply active  | - active d    | - active  | - held -  | - held -
        held     | reply held    | - held d      | - held    | - held    | - held
        reserved | reply unknown | - unknown d   | - unknown | - unknown | - unknown
        """)

    private static let own = "2001:db8:0:100::/56"
    private static let taken = "2001:db8:0:500::/56"

    private func server(in state: String) -> DHCPv6Server {
        var settings = LeaseTable.Settings(pools: ["a": [Sample.pool6()]])
        if state == "reserved" { settings.reservations[Self.one] = prefix(Self.own) }
        var server = Sample.server6(settings)
        func send(_ type: DHCPv6Message.MessageType, _ client: ClientIdentity, _ wish: String) {
            _ = server.handle(.message(message(type, wish), from: client, group: "a"), now: at(1))
        }
        send(.request, Self.two, Self.taken)
        if ["active", "held"].contains(state) { send(.request, Self.one, Self.own) }
        if state == "other" { send(.request, Self.one, "2001:db8:0:300::/56") }
        if state == "held" { send(.release, Self.one, Self.own) }
        if state == "offered" { send(.solicit, Self.one, Self.own) }
        return server
    }

    private func message(
        _ type: DHCPv6Message.MessageType, _ wish: String?, change: (inout DHCPv6Message) -> Void = { _ in }
    ) -> DHCPv6Message {
        var message = DHCPv6Message(type, transactionID: 7)
        message.client = DUID(linkLayer: [2, 0, 0, 0, 0, 1])
        if [.request, .renew, .release].contains(type) { message.server = Sample.serverDUID }
        var ia = IAPD(iaid: 1)
        ia.prefixes = wish.map { [IAPrefix(prefix($0), preferredLifetime: 0, validLifetime: 0)!] } ?? []
        message.ias = [ia]
        change(&message)
        return message
    }

    private func message(_ event: String) -> DHCPv6Message? {
        switch event {
        case "solicit": message(.solicit, Self.own)
        case "rapid": message(.solicit, Self.own) { $0.rapidCommit = true }
        case "request": message(.request, Self.own)
        case "requestTaken": message(.request, Self.taken)
        case "bare": message(.request, nil)
        case "renew": message(.renew, Self.own)
        case "renewTaken": message(.renew, Self.taken)
        case "rebind": message(.rebind, Self.own)
        case "rebindTaken": message(.rebind, Self.taken)
        case "release": message(.release, Self.own)
        case "otherServer": message(.request, Self.own) { $0.server = DUID(linkLayer: [9]) }
        case "noServer": message(.renew, Self.own) { $0.server = nil }
        case "noClient": message(.request, Self.own) { $0.client = nil }
        case "solicitServer": message(.solicit, Self.own) { $0.server = Sample.serverDUID }
        case "confirm": message(.confirm, Self.own)
        case "decline": message(.decline, Self.own) { $0.server = Sample.serverDUID }
        case "advertise": message(.advertise, Self.own) { $0.server = Sample.serverDUID }
        case "information": message(.informationRequest, nil) { $0.ias = [] }
        case "informationIA": message(.informationRequest, Self.own)
        default: nil
        }
    }

    @Test(arguments: requests.cells + returns.cells + others.cells + times.cells)
    func outcome(_ cell: StateTable.Cell) {
        var server = server(in: cell.state)
        let input: DHCPv6Server.Input =
            message(cell.event).map { .message($0, from: Self.one, group: "a") }
            ?? (cell.event == "withdraw" ? .withdraw(Self.one) : .timeout)
        let now = at(cell.event == "minute" ? 62 : cell.event == "hour" ? 3602 : 2)
        let effects = server.handle(input, now: now).filter { !$0.isAbout(Self.two) }
        var answer = "-"
        for case .send(let message, Self.one) in effects {
            answer = "\(message.type)" + (message.ias.first?.status.map { ":\($0.code.rawValue)" } ?? "")
            #expect(message.server == Sample.serverDUID && message.transactionID == 7)
            #expect(message.client == DUID(linkLayer: [2, 0, 0, 0, 0, 1]))
            // What the client may not use any longer is said to be at its end; what it may use is its own.
            for option in message.ias.flatMap(\.prefixes) {
                let isOwn = server.book.table.records[Self.one]?.lease.resource == option.prefix
                #expect(option.validLifetime == (isOwn ? 3600 : 0))
            }
        }
        #expect(server.book.outcome(answer, Self.one, effects) == cell.outcome)
        #expect(server.book.table.isConsistent)
    }

    @Test func theTablesAreComplete() {
        #expect(Self.requests.cells.count == 6 * 5 && Self.returns.cells.count == 6 * 5)
        #expect(Self.others.cells.count == 6 * 7 && Self.times.cells.count == 6 * 5)
    }

    @Test func theSecondIAOfAClientHasNoPrefix() {
        var server = server(in: "unknown")
        let both = message(.request, Self.own) { $0.ias.append(IAPD(iaid: 2)) }
        for case .send(let answer, _) in server.handle(.message(both, from: Self.one, group: "a"), now: at(1)) {
            #expect(answer.ias.map(\.iaid) == [1, 2] && answer.ias[0].prefixes.count == 1)
            #expect(answer.ias[1].status?.code == .noPrefixAvail && answer.ias[1].prefixes.isEmpty)
        }
    }
}
