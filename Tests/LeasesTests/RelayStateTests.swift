import Addresses
import Testing

@testable import Leases

/// A relay, whatever it knows of a client, and all that comes from both sides. What comes of it is the next state, and
/// f for a message forwarded, s for one sent to the client, + for a route added, - for one removed, d for a message
/// discarded. The client has asked for one resource in every state but "unknown"; it is another's in "taken", and there
/// is no room in "full".
@Suite struct RelayStateTests {
    private static let one = ClientIdentity("one")!
    private static let two = ClientIdentity("two")!

    static let fromClient4 = StateTable(
        """
                | discover | request  | renew    | release    | decline    | inform
        unknown | asked f  | asked f  | asked f  | unknown f  | unknown f  | asked f
        asked   | asked f  | asked f  | asked f  | unknown f  | unknown f  | asked f
        leased  | leased f | leased f | leased f | unknown -f | unknown -f | leased f
        taken   | taken f  | taken f  | taken f  | taken d    | taken d    | taken f
        full    | full f   | full f   | full f   | full f     | full f     | full f
        """)
    static let wrongOfClient4 = StateTable(
        """
                | reply     | relayed   | hops
        unknown | unknown d | unknown d | unknown d
        asked   | asked d   | asked d   | asked d
        leased  | leased d  | leased d  | leased d
        taken   | taken d   | taken d   | taken d
        full    | full d    | full d    | full d
        """)
    static let fromServer4 = StateTable(
        """
                | offer     | ack       | ackLate   | ackNothing | nak       | stranger  | foreign
        unknown | unknown s | unknown d | unknown d | unknown s  | unknown s | unknown d | unknown d
        asked   | asked s   | leased +s | asked d   | asked s    | asked s   | asked d   | asked d
        leased  | leased s  | leased s  | leased d  | leased s   | asked -s  | leased d  | leased d
        taken   | taken s   | taken d   | taken d   | taken s    | taken s   | taken d   | taken d
        full    | full s    | full d    | full d    | full s     | full s    | full d    | full d
        """)
    static let fromClient6 = StateTable(
        """
                | solicit  | request  | renew    | rebind   | confirm  | nested
        unknown | asked f  | asked f  | asked f  | asked f  | asked f  | asked f
        asked   | asked f  | asked f  | asked f  | asked f  | asked f  | asked f
        leased  | leased f | leased f | leased f | leased f | leased f | leased f
        taken   | taken f  | taken f  | taken f  | taken f  | taken f  | taken f
        full    | full f   | full f   | full f   | full f   | full f   | full f
        """)
    static let endsOfClient6 = StateTable(
        """
                | release    | decline    | advertise | deep
        unknown | unknown f  | unknown f  | unknown d | unknown d
        asked   | unknown f  | unknown f  | asked d   | asked d
        leased  | unknown -f | unknown -f | leased d  | leased d
        taken   | taken d    | taken d    | taken d   | taken d
        full    | full f     | full f     | full d    | full d
        """)
    static let fromServer6 = StateTable(
        """
                | advertised | reply     | replyLate | replyZero | replyNothing | reconfigure | stranger  | forward
        unknown | unknown s  | unknown d | unknown d | unknown d | unknown s    | unknown s   | unknown d | unknown d
        asked   | asked s    | leased +s | asked d   | asked s   | asked s      | asked s     | asked d   | asked d
        leased  | leased s   | leased s  | leased d  | asked -s  | leased s     | leased s    | leased d  | leased d
        taken   | taken s    | taken d   | taken d   | taken s   | taken s      | taken s     | taken d   | taken d
        full    | full s     | full d    | full d    | full s    | full s       | full s      | full d    | full d
        """)
    static let times = StateTable(
        """
                | hour    | withdraw
        unknown | unknown | unknown
        asked   | asked   | unknown
        leased  | asked - | unknown -
        taken   | asked - | taken
        full    | asked - | full
        """)

    // MARK: The relays in a state

    private func prepared<Relay: RelayAgent>(_ relay: Relay, _ state: String, _ link: any Link) -> Relay {
        var relay = relay
        if state == "taken" || state == "full" {
            _ = relay.handle(link.request("request", Self.two), now: at(1))
            _ = relay.handle(link.answer(state == "full" ? "ackOther" : "ack", Self.two), now: at(1))
        }
        if state != "unknown" { _ = relay.handle(link.request("request", Self.one), now: at(1)) }
        if state == "leased" { _ = relay.handle(link.answer("ack", Self.one), now: at(1)) }
        return relay
    }

    private func state(_ relay: some RelayAgent, _ resource: IPPrefix) -> String {
        if relay.table.isOwner(Self.one, of: resource) { return "leased" }
        if relay.table.isOwner(Self.two, of: resource) { return "taken" }
        if !relay.leases.isEmpty { return "full" }
        return relay.table.isAnswer(7, to: Self.one) ? "asked" : "unknown"
    }

    private func outcome<Relay: RelayAgent>(_ relay: Relay, _ cell: StateTable.Cell, _ link: any Link) -> String {
        var relay = prepared(relay, cell.state, link)
        #expect(state(relay, link.resource) == cell.state)
        let input: RelayInput
        var now = at(2)
        switch cell.event {
        case "hour": (input, now) = (.timeout, at(3700))
        case "withdraw": input = .withdraw(Self.one)
        case let event where link.fromServer.contains(event): input = link.answer(event, Self.one)
        default: input = link.request(cell.event, Self.one)
        }
        let effects = relay.handle(input, now: now)
        let letters = effects.map { effect in
            switch effect {
            case .forward: "f"
            case .send: "s"
            case .addRoute: "+"
            case .removeRoute: "-"
            case .discarded: "d"
            case .event: ""
            }
        }
        #expect(relay.table.isConsistent)
        return "\(state(relay, link.resource)) \(letters.joined())".trimmed
    }

    @Test(arguments: fromClient4.cells + wrongOfClient4.cells + fromServer4.cells + times.cells)
    func dhcpv4(_ cell: StateTable.Cell) {
        let relay = Sample.relay4 { if cell.state == "full" { $0.capacity = 1 } }
        #expect(outcome(relay, cell, Link4()) == cell.outcome)
    }

    @Test(arguments: fromClient6.cells + endsOfClient6.cells + fromServer6.cells + times.cells)
    func dhcpv6(_ cell: StateTable.Cell) {
        let relay = Sample.relay6 { if cell.state == "full" { $0.capacity = 1 } }
        #expect(outcome(relay, cell, Link6()) == cell.outcome)
    }

    @Test func theTablesAreComplete() {
        #expect(Self.fromClient4.cells.count == 5 * 6 && Self.wrongOfClient4.cells.count == 5 * 3)
        #expect(Self.fromClient6.cells.count == 5 * 6 && Self.endsOfClient6.cells.count == 5 * 4)
        #expect(Self.fromServer4.cells.count == 5 * 7 && Self.fromServer6.cells.count == 5 * 8)
        #expect(Self.times.cells.count == 5 * 2)
    }
}

/// What each side may say, by the names of events.
private protocol Link {
    var resource: IPPrefix { get }
    var fromServer: Set<String> { get }
    func request(_ event: String, _ client: ClientIdentity) -> RelayInput
    func answer(_ event: String, _ client: ClientIdentity) -> RelayInput
}

private struct Link4: Link {
    let resource = prefix("100.64.0.2/32")
    let fromServer: Set = ["offer", "ack", "ackLate", "ackNothing", "ackOther", "nak", "stranger", "foreign"]
    private let address = IPv4Address(100, 64, 0, 2)

    func request(_ event: String, _ client: ClientIdentity) -> RelayInput {
        var message = DHCPv4Message(
            event == "reply" ? .reply : .request, transactionID: 7, hardwareAddress: [2, 0, 0, 0, 0, 1])
        let types: [String: DHCPv4Message.MessageType] = [
            "request": .request, "renew": .request, "release": .release, "decline": .decline, "inform": .inform,
        ]
        message.messageType = types[event] ?? .discover
        if ["request", "decline"].contains(event) { message.requestedAddress = address }
        if ["renew", "release"].contains(event) { message.clientAddress = address }
        if event == "relayed" { message.relayAddress = address }
        if event == "hops" { message.hops = 5 }
        return .fromClient(message.serialized(), source: .any(.v4), client)
    }

    func answer(_ event: String, _ client: ClientIdentity) -> RelayInput {
        var message = DHCPv4Message(
            .reply, transactionID: event == "ackLate" ? 8 : 7, hardwareAddress: [2, 0, 0, 0, 0, 1])
        message.messageType = event == "offer" ? .offer : event == "nak" ? .nak : .ack
        if !["nak", "ackNothing"].contains(event) {
            message.yourAddress = event == "ackOther" ? IPv4Address(100, 64, 0, 9) : address
            message.leaseTime = 3600
        }
        message.relayAddress = event == "foreign" ? address : Sample.relayAddress
        message.relayAgentInformation = [.init(1, client.bytes)]
        return .fromServer(message.serialized(), source: .v4(event == "stranger" ? address : Sample.serverAddress))
    }
}

private struct Link6: Link {
    let resource = prefix("2001:db8:0:100::/56")
    let fromServer: Set = [
        "advertised", "reply", "ack", "ackOther", "replyLate", "replyZero", "replyNothing", "reconfigure", "stranger",
        "forward",
    ]
    private let peer = IPv6Address("fe80::1")!

    private func message(
        _ type: DHCPv6Message.MessageType, _ prefixes: [(IPPrefix, UInt32)], xid: UInt32 = 7
    ) -> [UInt8] {
        var message = DHCPv6Message(type, transactionID: xid)
        message.client = DUID(linkLayer: [2, 0, 0, 0, 0, 1])
        var ia = IAPD(iaid: 1)
        ia.prefixes = prefixes.compactMap { IAPrefix($0.0, preferredLifetime: $0.1, validLifetime: $0.1) }
        message.ias = [ia]
        return message.serialized()
    }

    func request(_ event: String, _ client: ClientIdentity) -> RelayInput {
        let types: [String: DHCPv6Message.MessageType] = [
            "request": .request, "renew": .renew, "rebind": .rebind, "release": .release, "decline": .decline,
            "confirm": .confirm, "advertise": .advertise,
        ]
        var bytes = message(types[event] ?? .solicit, ["solicit", "nested"].contains(event) ? [] : [(resource, UInt32(0))])
        if event == "nested" || event == "deep" {
            var nested = DHCPv6RelayMessage(.relayForward, link: .any, peer: peer, message: bytes)
            nested.hopCount = event == "deep" ? 8 : 0
            bytes = nested.serialized()
        }
        return .fromClient(bytes, source: .v6(peer), client)
    }

    func answer(_ event: String, _ client: ClientIdentity) -> RelayInput {
        let bytes =
            switch event {
            case "advertised": message(.advertise, [(resource, 3600)])
            case "reconfigure": message(.reconfigure, [])
            case "replyNothing": message(.reply, [])
            case "replyZero": message(.reply, [(resource, 0)])
            case "ackOther": message(.reply, [(prefix("2001:db8:0:900::/56"), 3600)])
            case "replyLate": message(.reply, [(resource, 3600)], xid: 8)
            default: message(.reply, [(resource, 3600)])
            }
        var relayed = DHCPv6RelayMessage(
            event == "forward" ? .relayForward : .relayReply, link: Sample.relayLink, peer: peer, message: bytes)
        relayed.interfaceID = client.bytes
        return .fromServer(relayed.serialized(), source: .v6(event == "stranger" ? peer : Sample.serverAddress6))
    }
}
