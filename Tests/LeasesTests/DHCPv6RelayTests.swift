import Addresses
import ProtocolSupport
import Testing

@testable import Leases

@Suite struct DHCPv6RelayTests {
    private let one = ClientIdentity("one")!
    private let two = ClientIdentity("two")!
    private let resource = prefix("2001:db8:0:100::/56")
    private let peer = IPv6Address("fe80::1")!

    private func message(
        _ type: DHCPv6Message.MessageType, _ prefixes: [(String, UInt32)] = [],
        change: (inout DHCPv6Message) -> Void = { _ in }
    ) -> [UInt8] {
        var message = DHCPv6Message(type, transactionID: 7)
        message.client = DUID(linkLayer: [2, 0, 0, 0, 0, 1])
        var ia = IAPD(iaid: 1)
        ia.prefixes = prefixes.map { IAPrefix(prefix($0.0), preferredLifetime: $0.1, validLifetime: $0.1)! }
        message.ias = [ia]
        change(&message)
        return message.serialized()
    }

    private func reply(
        _ inner: [UInt8], to client: ClientIdentity, change: (inout DHCPv6RelayMessage) -> Void = { _ in }
    ) -> RelayInput {
        var relayed = DHCPv6RelayMessage(.relayReply, link: Sample.relayLink, peer: peer, message: inner)
        relayed.interfaceID = client.bytes
        change(&relayed)
        return .fromServer(relayed.serialized(), source: .v6(Sample.serverAddress6))
    }

    /// A relay that has forwarded a request of each client.
    private func asked() -> DHCPv6Relay {
        var relay = Sample.relay6()
        for client in [one, two] { ask(&relay, client) }
        return relay
    }

    private func ask(_ relay: inout DHCPv6Relay, _ client: ClientIdentity) {
        _ = relay.handle(.fromClient(message(.request), source: .v6(peer), client), now: at(1))
    }

    @Test func aMessageIsForwardedAsItCame() throws {
        var relay = Sample.relay6 { $0.servers.append(DHCPv6Relay.allServers) }
        // A type that nobody knows goes on, too.
        for bytes in [message(.solicit), [200, 1, 2, 3, 0xFF]] {
            let forwarded = relay.handle(.fromClient(bytes, source: .v6(peer), one), now: at(1)).forwarded
            #expect(forwarded.map(\.destination) == [.v6(Sample.serverAddress6), .v6(DHCPv6Relay.allServers)])
            #expect(forwarded.allSatisfy { $0.port == 547 })
            let relayed = try DHCPv6RelayMessage(parsing: forwarded[0].payload)
            #expect(relayed.type == .relayForward && relayed.hopCount == 0 && relayed.message == bytes)
            #expect(relayed.link == Sample.relayLink && relayed.peer == peer && relayed.interfaceID == one.bytes)
        }
    }

    @Test(arguments: [DHCPv6RelayMessage.Code.relayMessage, DHCPv6RelayMessage.Code.interfaceID])
    func anOptionThatMayStandOnceDoes(code: UInt16) throws {
        var message = DHCPv6RelayMessage(.relayForward, link: .any, peer: .any, message: [1, 0, 0, 1])
        message.interfaceID = [7]
        #expect(try DHCPv6RelayMessage(parsing: message.serialized()) == message)
        let twice = message.serialized() + [0, UInt8(code), 0, 1, 9]
        #expect(throws: WireError(.badOption, option: code)) { try DHCPv6RelayMessage(parsing: twice) }
    }

    @Test func noServerGivesAwayAPrefixThatHoldsWhatIsReserved() {
        var relay = Sample.relay6 { $0.reserved = [.v6(IPv6Address("2001:db8:0:1ff::1")!)] }
        ask(&relay, one)
        // Of two prefixes one holds it: the client is not to have either.
        let both = message(.reply, [("2001:db8:0:200::/56", 60), ("2001:db8:0:100::/56", 60)])
        let effects = relay.handle(reply(both, to: one), now: at(1))
        #expect(effects.count == 1 && effects.discarded == .unusable && relay.leases.isEmpty)
        #expect(relay.handle(reply(message(.reply, [("2001:db8:0:200::/56", 60)]), to: one), now: at(1)).sent.count == 1)
        #expect(relay.leases.map(\.resource) == [prefix("2001:db8:0:200::/56")])
    }

    @Test func whatAClientMayNotSendIsDropped() {
        var relay = Sample.relay6()
        func reason(_ bytes: [UInt8]) -> DiscardReason? {
            let effects = relay.handle(.fromClient(bytes, source: .v6(peer), one), now: at(1))
            return effects.forwarded.isEmpty ? effects.discarded : nil
        }
        #expect(reason([1, 2, 3]) == .malformed)
        #expect(reason([12, 0, 0, 0, 0]) == .malformed)
        #expect(reason([UInt8](repeating: 200, count: 65_001)) == .malformed)
        for type in [DHCPv6Message.MessageType.advertise, .reply, .reconfigure] {
            #expect(reason(message(type)) == .unexpectedType)
        }
        #expect(reason([13] + [UInt8](repeating: 0, count: 40)) == .unexpectedType)
    }

    @Test func aMessageOfARelayIsRelayedUpToTheLimit() throws {
        var relay = Sample.relay6()
        var nested = DHCPv6RelayMessage(.relayForward, link: Sample.relayLink, peer: peer, message: message(.solicit))
        nested.hopCount = 7
        var effects = relay.handle(.fromClient(nested.serialized(), source: .v6(peer), one), now: at(1))
        var relayed = try DHCPv6RelayMessage(parsing: #require(effects.forwarded.first).payload)
        #expect(relayed.hopCount == 8 && relayed.link == Sample.relayLink && relayed.message == nested.serialized())
        effects = relay.handle(.fromClient(nested.serialized(), source: .v6(Sample.serverAddress6), one), now: at(1))
        relayed = try DHCPv6RelayMessage(parsing: #require(effects.forwarded.first).payload)
        #expect(relayed.link == .any)
        nested.hopCount = 8
        effects = relay.handle(.fromClient(nested.serialized(), source: .v6(peer), one), now: at(1))
        #expect(effects == [.discarded(.tooManyHops, one)])
        // And back: the inner Relay-reply goes to the other relay, and what is in it is learned.
        nested.type = .relayReply
        nested.message = message(.reply, [("2001:db8:0:100::/56", 100)])
        effects = relay.handle(reply(nested.serialized(), to: one), now: at(1))
        #expect(effects.first == .addRoute(resource, one))
        #expect(effects.sent.first?.port == 547 && effects.sent.first?.payload == nested.serialized())
    }

    @Test func anAnswerGoesToThePeerOnTheLinkOfItsInterfaceID() {
        var relay = Sample.relay6()
        let advertise = message(.advertise, [("2001:db8:0:100::/56", 100)])
        let datagram = RelayedDatagram(payload: advertise, destination: .v6(peer), port: 546)
        #expect(relay.handle(reply(advertise, to: two), now: at(1)) == [.send(datagram, to: two)])
        let reconfigure = message(.reconfigure)
        #expect(relay.handle(reply(reconfigure, to: two), now: at(1)).sent.first?.payload == reconfigure)
    }

    @Test func anAnswerThatIsNotForTheRelayIsDropped() {
        var relay = asked()
        func reason(_ input: RelayInput) -> DiscardReason? {
            let effects = relay.handle(input, now: at(1))
            return effects.count == 1 ? effects.discarded : nil
        }
        let inner = message(.reply, [("2001:db8:0:100::/56", 100)])
        guard case .fromServer(let bytes, _) = reply(inner, to: one) else { return }
        #expect(reason(.fromServer(bytes, source: .v6(Sample.relayLink))) == .otherServer)
        #expect(reason(.fromServer(inner, source: .v6(Sample.serverAddress6))) == .malformed)
        #expect(reason(.fromServer(bytes.dropLast(), source: .v6(Sample.serverAddress6))) == .malformed)
        #expect(reason(reply([], to: one)) == .malformed)
        #expect(reason(reply([7, 0, 0, 1, 0], to: one)) == .malformed)
        #expect(reason(reply(inner, to: one) { $0.interfaceID = nil }) == .incomplete)
        #expect(reason(reply(inner, to: one) { $0.interfaceID = [] }) == .incomplete)
        #expect(reason(reply(inner, to: one) { $0.type = .relayForward }) == .unexpectedType)
        var deep = inner
        for _ in 0...8 {
            deep = DHCPv6RelayMessage(.relayReply, link: .any, peer: peer, message: deep).serialized()
        }
        #expect(reason(reply(deep, to: one)) == .malformed)
        #expect(relay.leases.isEmpty)
    }

    @Test func aReplyMakesRoutesForPrefixesAndAddresses() {
        var relay = asked()
        let address = IPv6Address("2001:db8:2::5")!
        let bytes = message(.reply, [("2001:db8:0:100::/56", 100), ("2001:db8:0:200::/60", 50)]) {
            var ia: [UInt8] = [0, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
            ia.append(5, address.bytes + [0, 0, 0, 9, 0, 0, 0, 10])
            $0.others = [DHCPv6Option(3, ia)]
        }
        let effects = relay.handle(reply(bytes, to: one), now: at(1))
        let routes = ["2001:db8:0:100::/56", "2001:db8:0:200::/60", "2001:db8:2::5/128"].map { prefix($0) }
        #expect(routes.allSatisfy { effects.contains(.addRoute($0, one)) } && relay.deadline == at(11))
        // No route to everything, to this host or to groups.
        for wrong in ["::/0", "ff00::/8", "fe80::/64", "::1/128"] {
            let effects = relay.handle(reply(message(.reply, [(wrong, 100)]), to: two), now: at(1))
            #expect(effects.count == 1 && effects.sent.count == 1)
        }
    }

    @Test func aLeaseEndsByRenewalZeroLifetimeReleaseExpiryAndTransfer() {
        var relay = asked()
        let granted = message(.reply, [("2001:db8:0:100::/56", 100)])
        func grant(_ now: Double = 1) -> [RelayEffect] {
            ask(&relay, one)
            return relay.handle(reply(granted, to: one), now: at(now))
        }
        #expect(grant().contains(.addRoute(resource, one)))
        #expect(!grant(50).contains(.addRoute(resource, one)))
        #expect(relay.handle(.timeout, now: at(149)).isEmpty)
        #expect(relay.handle(.timeout, now: at(150)).contains(.removeRoute(resource, one)))
        _ = grant()
        let zero = message(.reply, [("2001:db8:0:100::/56", 0), ("2001:db8:0:300::/56", 100)])
        let changed = relay.handle(reply(zero, to: one), now: at(2))
        #expect(changed.contains(.removeRoute(resource, one)))
        #expect(changed.contains(.addRoute(prefix("2001:db8:0:300::/56"), one)))
        _ = grant()
        let release = message(.release, [("2001:db8:0:100::/56", 0)])
        #expect(relay.handle(.fromClient(release, source: .v6(peer), two), now: at(2)).count == 1)
        #expect(relay.handle(reply(zero, to: two), now: at(2)).contains(.removeRoute(resource, one)) == false)
        let released = relay.handle(.fromClient(release, source: .v6(peer), one), now: at(2))
        #expect(released.contains(.removeRoute(resource, one)) && released.forwarded.count == 1)
        _ = grant()
        #expect(relay.table.isConsistent)
    }

    /// The client, or somebody else, may have the prefix by now.
    @Test func anAnswerThatComesLateMovesNoRoute() {
        let granted = message(.reply, [("2001:db8:0:100::/56", 100)])
        var relay = Sample.relay6()
        #expect(relay.handle(reply(granted, to: one), now: at(1)) == [.discarded(.unsolicited, one)])
        relay = asked()
        #expect(relay.handle(reply(granted, to: one), now: at(1)).contains(.addRoute(resource, one)))
        let release = message(.release, [("2001:db8:0:100::/56", 0)])
        _ = relay.handle(.fromClient(release, source: .v6(peer), one), now: at(3))
        #expect(relay.handle(reply(granted, to: one), now: at(4)) == [.discarded(.unsolicited, one)])
        // The answer to a Release has nothing to grant.
        #expect(relay.handle(reply(message(.reply), to: one), now: at(4)).sent.count == 1)
        ask(&relay, one)
        _ = relay.handle(reply(granted, to: one), now: at(5))
        _ = relay.handle(.fromClient(release, source: .v6(peer), one), now: at(6))
        let zero = message(.reply, [("2001:db8:0:100::/56", 0)])
        #expect(relay.handle(reply(zero, to: one), now: at(7)) == [.discarded(.unsolicited, one)])
    }

    /// Who says what another says of itself is the other one to a server.
    @Test func whatAClientHasIsNobodyElses() throws {
        let granted = message(.reply, [("2001:db8:0:100::/56", 100)])
        var relay = asked()
        _ = relay.handle(reply(granted, to: one), now: at(1))
        #expect(relay.handle(reply(granted, to: two), now: at(2)) == [.discarded(.taken, two)])
        let release = message(.release, [("2001:db8:0:100::/56", 0)])
        #expect(relay.handle(.fromClient(release, source: .v6(peer), two), now: at(2)) == [.discarded(.noLease, two)])
        #expect(relay.leases.map(\.client) == [one])
        ask(&relay, two)
        #expect(relay.handle(reply(granted, to: two), now: at(102)).contains(.addRoute(resource, two)))
        // A client says so again when the answer was lost.
        for _ in 0..<2 {
            #expect(relay.handle(.fromClient(release, source: .v6(peer), two), now: at(103)).forwarded.count == 1)
        }
    }

    @Test func servers6AreToldTheSubscriber() throws {
        var relay = Sample.relay6 { $0.tellsSubscriber = true }
        let forwarded = relay.handle(.fromClient(message(.solicit), source: .v6(peer), one), now: at(1)).forwarded
        let relayed = try DHCPv6RelayMessage(parsing: #require(forwarded.first).payload)
        #expect(relayed.others == [DHCPv6Option(38, one.bytes)])
    }

    @Test func oneReplyCannotFillTheTable() {
        var relay = asked()
        let many = (0..<9).map { ("2001:db8:0:\($0)00::/56", UInt32(100)) }
        #expect(relay.handle(reply(message(.reply, many), to: one), now: at(1)) == [.discarded(.exhausted, one)])
        #expect(relay.leases.isEmpty)
    }

    @Test func aRelayMessageIsTheSameAfterTheWire() throws {
        var relayed = DHCPv6RelayMessage(.relayForward, link: Sample.relayLink, peer: peer, message: [1, 2, 3])
        relayed.hopCount = 3
        relayed.interfaceID = [9]
        relayed.others = [DHCPv6Option(79, [0, 1])]
        #expect(try DHCPv6RelayMessage(parsing: relayed.serialized()) == relayed)
        let bytes = relayed.serialized()
        for count in bytes.indices {
            #expect(throws: WireError.self) { try DHCPv6RelayMessage(parsing: Array(bytes.prefix(count))) }
        }
    }
}
