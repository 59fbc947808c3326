import Addresses
import Testing

@testable import Leases

/// A server, whatever it knows of a client, and all that this can send. What comes of it is the answer ("-": none),
/// the next state, and + for a route added, - for one removed, d for a message discarded. The state "other" is a lease
/// of something else than the messages speak of.
@Suite struct DHCPv4ServerStateTests {
    private static let one = ClientIdentity("one")!
    private static let two = ClientIdentity("two")!

    /// RFC 2131 §4.3.2.
    static let requests = StateTable(
        """
                 | discover       | select         | selectOther    | selectTaken    | nothing
        unknown  | offer offered  | ack active +   | - unknown d    | nak offered    | - unknown d
        offered  | offer offered  | ack active +   | - held d       | nak offered    | - offered d
        active   | offer active   | ack active     | - active d     | nak active     | - active d
        other    | offer active   | nak active     | - active d     | nak active     | - active d
        held     | offer offered  | ack active +   | - held d       | nak offered    | - held d
        reserved | offer offered  | ack active +   | - unknown d    | nak offered    | - unknown d
        """)
    /// A client that restarted, or renews.
    static let returns = StateTable(
        """
                 | reboot         | rebootTaken    | rebootForeign  | renew          | renewTaken     | renewForeign
        unknown  | - unknown d    | - unknown d    | nak offered    | ack active +   | nak offered    | nak offered
        offered  | ack active +   | nak offered    | nak offered    | ack active +   | nak offered    | nak offered
        active   | ack active     | nak active     | nak active     | ack active     | nak active     | nak active
        other    | nak active     | nak active     | nak active     | nak active     | nak active     | nak active
        held     | ack active +   | nak offered    | nak offered    | ack active +   | nak offered    | nak offered
        reserved | ack active +   | nak offered    | nak offered    | ack active +   | nak offered    | nak offered
        """)
    /// What gives up a lease, or is about none.
    static let ends = StateTable(
        """
                 | release        | releaseOther   | decline        | inform         | relayed        | reply
        unknown  | - unknown d    | - unknown d    | - unknown d    | ack unknown    | - unknown d    | - unknown d
        offered  | - offered d    | - offered d    | - offered d    | ack offered    | - offered d    | - offered d
        active   | - held -       | - active d     | - unknown -    | ack active     | - active d     | - active d
        other    | - active d     | - active d     | - active d     | ack active     | - active d     | - active d
        held     | - held d       | - held d       | - held d       | ack held       | - held d       | - held d
        reserved | - unknown d    | - unknown d    | - unknown d    | ack unknown    | - unknown d    | - unknown d
        """)
    static let times = StateTable(
        """
                 | minute         | hour           | withdraw
        unknown  | - unknown      | - unknown      | - unknown
        offered  | - held         | - held         | - held
        active   | - active       | - held -       | - held -
        other    | - active       | - held -       | - held -
        held     | - held         | - held         | - held
        reserved | - unknown      | - unknown      | - unknown
        """)

    /// The client's address is 100.64.0.2, of a pool of four; the other one's is 100.64.0.5.
    private func server(in state: String) -> DHCPv4Server {
        var settings = LeaseTable.Settings(pools: ["a": [Sample.pool4(4)]])
        if state == "reserved" { settings.reservations[Self.one] = prefix("100.64.0.2/32") }
        var server = Sample.server4(settings)
        func has(_ client: ClientIdentity, _ address: IPv4Address) {
            let message = request(.request) {
                $0.requestedAddress = address
                $0.serverIdentifier = Sample.serverAddress
            }
            _ = server.handle(.message(message, from: client, group: "a"), now: at(1))
        }
        has(Self.two, IPv4Address(100, 64, 0, 5))
        if ["active", "held"].contains(state) { has(Self.one, IPv4Address(100, 64, 0, 2)) }
        if state == "other" { has(Self.one, IPv4Address(100, 64, 0, 3)) }
        if state == "held" { server.book.end(Self.one, .released, at(1)) }
        if state == "offered" {
            _ = server.handle(.message(request(.discover), from: Self.one, group: "a"), now: at(1))
        }
        return server
    }

    private func request(
        _ type: DHCPv4Message.MessageType, change: (inout DHCPv4Message) -> Void = { _ in }
    ) -> DHCPv4Message {
        var message = DHCPv4Message(.request, transactionID: 1, hardwareAddress: [2, 0, 0, 0, 0, 1])
        message.messageType = type
        change(&message)
        return message
    }

    private func message(_ event: String) -> DHCPv4Message? {
        let addresses: [(String, IPv4Address)] = [
            ("Taken", IPv4Address(100, 64, 0, 5)), ("Foreign", IPv4Address(10, 0, 0, 1)),
        ]
        let address = addresses.first { event.hasSuffix($0.0) }?.1 ?? IPv4Address(100, 64, 0, 2)
        let other = IPv4Address(192, 0, 2, 1)
        return switch event {
        case "discover": request(.discover)
        case "select", "selectTaken", "selectOther":
            request(.request) {
                $0.requestedAddress = address
                $0.serverIdentifier = event == "selectOther" ? other : Sample.serverAddress
            }
        case "nothing": request(.request)
        case "reboot", "rebootTaken", "rebootForeign": request(.request) { $0.requestedAddress = address }
        case "renew", "renewTaken", "renewForeign": request(.request) { $0.clientAddress = address }
        case "release", "releaseOther":
            request(.release) {
                $0.clientAddress = address
                $0.serverIdentifier = event == "release" ? Sample.serverAddress : other
            }
        case "decline": request(.decline) { $0.requestedAddress = address }
        case "inform": request(.inform) { $0.clientAddress = address }
        case "relayed": request(.discover) { $0.relayAddress = other }
        case "reply": request(.discover) { $0.operation = .reply }
        default: nil
        }
    }

    @Test(arguments: requests.cells + returns.cells + ends.cells + times.cells)
    func outcome(_ cell: StateTable.Cell) {
        var server = server(in: cell.state)
        let input: DHCPv4Server.Input =
            message(cell.event).map { .message($0, from: Self.one, group: "a") }
            ?? (cell.event == "withdraw" ? .withdraw(Self.one) : .timeout)
        let now = at(cell.event == "minute" ? 62 : cell.event == "hour" ? 3602 : 2)
        let effects = server.handle(input, now: now).filter { !$0.isAbout(Self.two) }
        var answer = "-"
        for case .send(let sent, Self.one) in effects {
            let message = sent.message
            answer = message.messageType.map { "\($0)" } ?? "?"
            // Only what is granted has times, and only an INFORM is acknowledged without.
            let isGrant = message.messageType == .offer || message.messageType == .ack && cell.event != "inform"
            #expect((message.leaseTime == 3600) == isGrant && (message.yourAddress != .any) == isGrant)
            #expect(message.serverIdentifier == Sample.serverAddress && message.transactionID == 1)
        }
        #expect(server.book.outcome(answer, Self.one, effects) == cell.outcome)
        #expect(server.book.table.isConsistent)
    }

    @Test func theTablesAreComplete() {
        #expect(Self.requests.cells.count == 6 * 5 && Self.returns.cells.count == 6 * 6)
        #expect(Self.ends.cells.count == 6 * 6 && Self.times.cells.count == 6 * 3)
    }

    @Test func whatIsDeclinedIsSetAside() throws {
        var server = server(in: "active")
        let client = DHCPv4Server.Input.message(message("decline")!, from: Self.one, group: "a")
        let effects = server.handle(client, now: at(2))
        let lines = effects.compactMap { if case .event(let event) = $0 { event.line(clock(at(2))) } else { nil } }
        #expect(lines == ["declined one a 100.64.0.2/32 1700086402"])
        func offered(_ name: String, _ now: Double) -> IPv4Address? {
            let wish = request(.discover) { $0.requestedAddress = IPv4Address(100, 64, 0, 2) }
            let client = ClientIdentity(name)!
            for case .send(let answer, _) in server.handle(.message(wish, from: client, group: "a"), now: at(now)) {
                return answer.message.yourAddress
            }
            return nil
        }
        #expect(offered("one", 3) == IPv4Address(100, 64, 0, 3) && offered("three", 3) == IPv4Address(100, 64, 0, 4))
        #expect(offered("four", 3) == nil)
        // It is so after a restart, too.
        for file in [server.lines(clock(at(4))), lines] {
            server = DHCPv4Server(server.settings)
            #expect(server.load(file, clock(at(5))).rejected == [])
            #expect(offered("one", 6) != IPv4Address(100, 64, 0, 2) && server.book.table.isConsistent)
        }
        #expect(offered("five", 86_403) == IPv4Address(100, 64, 0, 2))
    }

    @Test func whatIsDeclinedDoesNotTakeTheNextLeaseAtARestart() {
        var server = server(in: "active")
        _ = server.handle(.message(message("decline")!, from: Self.one, group: "a"), now: at(2))
        let select = request(.request) { $0.requestedAddress = IPv4Address(100, 64, 0, 3) }
        _ = server.handle(.message(message("discover")!, from: Self.one, group: "a"), now: at(3))
        _ = server.handle(.message(select, from: Self.one, group: "a"), now: at(3))
        #expect(server.lease(of: Self.one)?.resource == prefix("100.64.0.3/32"))
        var next = DHCPv4Server(server.settings)
        #expect(next.load(server.lines(clock(at(4))), clock(at(5))).rejected == [])
        #expect(next.lease(of: Self.one)?.resource == prefix("100.64.0.3/32"))
        #expect(next.book.table.records.count == server.book.table.records.count)
    }

    @Test func aClientThatDeclinesAllItIsGivenDoesNotEmptyThePool() {
        var server = server(in: "unknown")
        for n in 0..<100 {
            var address = IPv4Address.any
            let discover = DHCPv4Server.Input.message(request(.discover), from: Self.one, group: "a")
            for case .send(let answer, _) in server.handle(discover, now: at(Double(n))) {
                address = answer.message.yourAddress
            }
            #expect(address != .any)
            for type in [DHCPv4Message.MessageType.request, .decline] {
                let message = request(type) {
                    $0.requestedAddress = address
                    $0.serverIdentifier = Sample.serverAddress
                }
                _ = server.handle(.message(message, from: Self.one, group: "a"), now: at(Double(n)))
            }
            #expect(server.book.table.isConsistent && server.book.table.records.count <= 4)
        }
    }
}
