import Addresses
import Testing

@testable import Leases

@Suite struct DHCPv4RelayTests {
    private let one = ClientIdentity("one")!
    private let two = ClientIdentity("two")!
    private let resource = prefix("100.64.0.2/32")

    private func request(_ change: (inout DHCPv4Message) -> Void = { _ in }) -> [UInt8] {
        var message = DHCPv4Message(.request, transactionID: 7, hardwareAddress: [2, 0, 0, 0, 0, 1])
        message.messageType = .discover
        change(&message)
        return message.serialized()
    }

    private func answer(
        _ type: DHCPv4Message.MessageType = .ack, to client: ClientIdentity, _ address: IPv4Address? = nil,
        seconds: UInt32? = 100, change: (inout DHCPv4Message) -> Void = { _ in }
    ) -> RelayInput {
        var message = DHCPv4Message(.reply, transactionID: 7, hardwareAddress: [2, 0, 0, 0, 0, 1])
        message.messageType = type
        message.yourAddress = address ?? IPv4Address(100, 64, 0, 2)
        message.leaseTime = seconds
        message.relayAddress = Sample.relayAddress
        message.relayAgentInformation = [.init(1, client.bytes)]
        message.serverIdentifier = Sample.serverAddress
        change(&message)
        return .fromServer(message.serialized(), source: .v4(Sample.serverAddress))
    }

    /// A relay that has forwarded a request of each client.
    private func asked(_ change: (inout DHCPv4Relay.Settings) -> Void = { _ in }) -> DHCPv4Relay {
        var relay = Sample.relay4(change)
        for client in [one, two] { ask(&relay, client) }
        return relay
    }

    private func ask(_ relay: inout DHCPv4Relay, _ client: ClientIdentity) {
        _ = relay.handle(.fromClient(request(), source: .any(.v4), client), now: at(1))
    }

    @Test func aRequestGoesToEveryServerWithCircuitIDAndRelayAddress() throws {
        let second = IPv4Address(192, 0, 2, 2)
        var relay = Sample.relay4 { settings in
            settings.servers.append(second)
            settings.link = IPv4Address(100, 64, 0, 0)
        }
        let bytes = request { $0[12] = [0x68] }
        let forwarded = relay.handle(.fromClient(bytes, source: .any(.v4), one), now: at(1)).forwarded
        #expect(forwarded.map(\.destination) == [.v4(Sample.serverAddress), .v4(second)])
        #expect(forwarded.allSatisfy { $0.port == 67 })
        let message = try DHCPv4Message(parsing: forwarded[0].payload)
        #expect(message.hops == 1 && message.relayAddress == Sample.relayAddress && message.transactionID == 7)
        #expect(
            message.relayAgentInformation == [
                .init(1, one.bytes), .init(5, [100, 64, 0, 0]),
            ])
        #expect(message.options.last?.code == 82 && message[12] == [0x68])
    }

    @Test func whatAClientMayNotSendIsDropped() {
        var relay = Sample.relay4()
        func reason(_ bytes: [UInt8]) -> DiscardReason? {
            let effects = relay.handle(.fromClient(bytes, source: .any(.v4), one), now: at(1))
            return effects.forwarded.isEmpty ? effects.discarded : nil
        }
        #expect(reason([1, 2, 3]) == .malformed)
        #expect(reason(request { $0.operation = .reply }) == .unexpectedType)
        #expect(reason(request { $0.hops = 4 }) == nil)
        #expect(reason(request { $0.hops = 5 }) == .tooManyHops)
        #expect(reason(request { $0.relayAddress = Sample.relayAddress }) == .relayed)
        #expect(reason(request { $0.relayAgentInformation = [.init(1, two.bytes)] }) == .relayed)
    }

    @Test func anAnswerGoesToTheLinkOfItsCircuitIDWithoutTheOption() throws {
        var relay = asked()
        let effects = relay.handle(answer(to: two), now: at(1))
        guard case .send(let datagram, let client) = effects.last else { throw Failure() }
        let message = try DHCPv4Message(parsing: datagram.payload)
        #expect(client == two && message.relayAgentInformation == nil && message.leaseTime == 100)
        #expect(datagram.destination == .v4(IPv4Address(100, 64, 0, 2)) && datagram.port == 68)
        let broadcast = relay.handle(answer(to: two) { $0.flags = DHCPv4Message.broadcastFlag }, now: at(1)).sent
        #expect(broadcast.first?.destination == .v4(DHCPv4Server.broadcast))
        let nak = relay.handle(answer(.nak, to: two, .any, seconds: nil), now: at(1)).sent
        #expect(nak.first?.destination == .v4(DHCPv4Server.broadcast))
    }

    /// What the servers are told of a message that names `named` as its server.
    private func identifier(
        _ relay: inout DHCPv4Relay, _ named: IPv4Address?, of client: ClientIdentity,
        _ change: (inout DHCPv4Message) -> Void
    ) throws -> IPv4Address? {
        let bytes = request {
            $0.serverIdentifier = named
            change(&$0)
        }
        let forwarded = relay.handle(.fromClient(bytes, source: .any(.v4), client), now: at(2)).forwarded
        return try DHCPv4Message(parsing: #require(forwarded.first).payload).serverIdentifier
    }

    /// So that the client renews by way of the relay, whatever servers do.
    @Test func theRelayStandsForTheServerThatOfferedOrGranted() throws {
        let (relayed, first) = (Sample.relayAddress, Sample.serverAddress)
        let second = IPv4Address(192, 0, 2, 2)
        var relay = asked { $0.servers.append(second) }
        func told(_ input: RelayInput) throws -> IPv4Address? {
            let sent = relay.handle(input, now: at(1)).sent
            return try DHCPv4Message(parsing: #require(sent.first).payload).serverIdentifier
        }
        let (address, other) = (IPv4Address(100, 64, 0, 2), IPv4Address(100, 64, 0, 3))
        #expect(try told(answer(.offer, to: one)) == relayed)
        #expect(try told(answer(.offer, to: one, other) { $0.serverIdentifier = second }) == relayed)
        // One that offers the same, later, is not the one that was chosen.
        #expect(try told(answer(.offer, to: one) { $0.serverIdentifier = second }) == relayed)
        func take(_ wish: IPv4Address) -> (inout DHCPv4Message) -> Void {
            { ($0.messageType, $0.requestedAddress) = (.request, wish) }
        }
        #expect(try identifier(&relay, relayed, of: one, take(other)) == second)
        #expect(try identifier(&relay, relayed, of: one, take(address)) == first)
        // An offer to one is none to another; who names a server means it; a renewal names none.
        #expect(try identifier(&relay, relayed, of: two, take(other)) == relayed)
        #expect(try identifier(&relay, second, of: one, take(address)) == second)
        let renewed = try identifier(&relay, nil, of: one) { ($0.messageType, $0.clientAddress) = (.request, address) }
        #expect(renewed == nil)
        for type in [DHCPv4Message.MessageType.ack, .nak] { #expect(try told(answer(type, to: one)) == relayed) }
        #expect(try told(answer(.nak, to: one) { $0.serverIdentifier = nil }) == nil)
    }

    @Test func whatIsGivenBackIsGivenToWhoGrantedItEvenAfterARestart() throws {
        for type in [DHCPv4Message.MessageType.release, .decline] {
            var relay = asked()
            _ = relay.handle(answer(to: one), now: at(1))
            var next = Sample.relay4()
            _ = next.load(relay.lines(clock(at(1))), clock(at(1)))
            let address = IPv4Address(100, 64, 0, 2)
            let named = try identifier(&next, Sample.relayAddress, of: one) {
                $0.messageType = type
                if type == .release { $0.clientAddress = address } else { $0.requestedAddress = address }
            }
            #expect(named == Sample.serverAddress && next.leases.isEmpty)
        }
    }

    @Test func whereServersAreToBeAskedDirectlyTheyKeepTheirNames() throws {
        var relay = asked { $0.overridesServerIdentifier = false }
        let sent = relay.handle(answer(to: one), now: at(1)).sent
        #expect(try DHCPv4Message(parsing: #require(sent.first).payload).serverIdentifier == Sample.serverAddress)
        let named = try identifier(&relay, Sample.relayAddress, of: one) {
            ($0.messageType, $0.clientAddress) = (.release, IPv4Address(100, 64, 0, 2))
        }
        #expect(named == Sample.relayAddress)
    }

    /// A server may offer as much as it likes.
    @Test func offersThatAreRememberedAreFew() {
        var relay = asked { $0.leasesPerClient = 2 }
        for n in UInt8(0)..<20 {
            _ = relay.handle(answer(.offer, to: one, IPv4Address(100, 64, 0, n)), now: at(1))
            #expect(relay.table.isConsistent)
        }
    }

    @Test func anAnswerThatIsNotForTheRelayIsDropped() {
        var relay = Sample.relay4()
        func reason(_ input: RelayInput) -> DiscardReason? {
            let effects = relay.handle(input, now: at(1))
            return effects.count == 1 ? effects.discarded : nil
        }
        guard case .fromServer(let bytes, _) = answer(to: one) else { return }
        #expect(reason(.fromServer(bytes, source: .v4(Sample.relayAddress))) == .otherServer)
        #expect(reason(.fromServer([9], source: .v4(Sample.serverAddress))) == .malformed)
        #expect(reason(answer(to: one) { $0.relayAgentInformation = nil }) == .incomplete)
        #expect(reason(answer(to: one) { $0.relayAgentInformation = [.init(1, [])] }) == .incomplete)
        #expect(reason(answer(to: one) { $0.relayAddress = .any }) == .unexpectedType)
        #expect(reason(answer(to: one) { $0.operation = .request }) == .unexpectedType)
        #expect(reason(answer(to: one, IPv4Address(255, 255, 255, 255))) == .unusable)
        #expect(relay.leases.isEmpty && relay.deadline == nil)
    }

    @Test func noServerGivesAwayWhatIsReserved() {
        let reserved = IPv4Address(100, 64, 0, 9)
        var relay = Sample.relay4 { $0.reserved = [.v4(reserved)] }
        ask(&relay, one)
        let effects = relay.handle(answer(to: one, reserved), now: at(1))
        #expect(effects.count == 1 && effects.discarded == .unusable)
        #expect(relay.handle(answer(to: one, IPv4Address(100, 64, 0, 10)), now: at(1)).discarded == nil)
        #expect(relay.leases.map(\.resource) == [prefix("100.64.0.10/32")])
    }

    @Test func onlyAnAcknowledgedLeaseMakesARoute() {
        var relay = asked()
        #expect(relay.handle(answer(.offer, to: one), now: at(1)).count == 1)
        #expect(relay.handle(answer(.nak, to: one), now: at(1)).count == 1)
        // The answer to an INFORM has no lease.
        #expect(relay.handle(answer(to: one, .any, seconds: nil), now: at(1)).count == 1)
        #expect(relay.leases.isEmpty)
        #expect(relay.handle(answer(to: one), now: at(1)).first == .addRoute(resource, one))
        #expect(relay.deadline == at(101))
    }

    @Test func aLeaseEndsByRenewalReleaseDeclineExpiryTransferAndWithdrawal() throws {
        var relay = asked()
        func gone(_ effects: [RelayEffect], _ reason: LeaseEndReason) -> Bool {
            effects.contains(.removeRoute(resource, one))
                && effects.contains { if case .event(.ended(_, reason)) = $0 { true } else { false } }
        }
        func grant() {
            ask(&relay, one)
            #expect(relay.handle(answer(to: one), now: at(1)).contains(.addRoute(resource, one)))
        }
        grant()
        #expect(!relay.handle(answer(to: one), now: at(50)).contains(.addRoute(resource, one)))
        #expect(relay.handle(.timeout, now: at(149)).isEmpty)
        #expect(gone(relay.handle(.timeout, now: at(150)), .expired))
        grant()
        let release = request {
            $0.messageType = .release
            $0.clientAddress = IPv4Address(100, 64, 0, 2)
        }
        #expect(relay.handle(.fromClient(release, source: .any(.v4), two), now: at(2)).count == 1)
        let released = relay.handle(.fromClient(release, source: .any(.v4), one), now: at(2))
        #expect(gone(released, .released) && released.forwarded.count == 1)
        grant()
        let decline = request {
            $0.messageType = .decline
            $0.requestedAddress = IPv4Address(100, 64, 0, 2)
        }
        #expect(gone(relay.handle(.fromClient(decline, source: .any(.v4), one), now: at(2)), .declined))
        grant()
        // A server refuses to renew it.
        let renewal = request {
            $0.messageType = .request
            $0.clientAddress = IPv4Address(100, 64, 0, 2)
        }
        _ = relay.handle(.fromClient(renewal, source: .any(.v4), one), now: at(2))
        #expect(gone(relay.handle(answer(.nak, to: one, .any), now: at(2)), .withdrawn))
        grant()
        #expect(gone(relay.handle(.withdraw(one), now: at(2)), .withdrawn))
        #expect(relay.leases.isEmpty && relay.deadline == nil)
    }

    /// The client, or somebody else, may have the address by now.
    @Test func anAnswerThatComesLateMovesNoRoute() {
        var relay = Sample.relay4()
        #expect(relay.handle(answer(to: one), now: at(1)) == [.discarded(.unsolicited, one)])
        relay = asked()
        #expect(relay.handle(answer(to: one) { $0 = other($0) }, now: at(1)) == [.discarded(.unsolicited, one)])
        #expect(relay.handle(answer(to: one), now: at(1)).contains(.addRoute(resource, one)))
        #expect(relay.handle(answer(to: one), now: at(2)).sent.count == 1)
        let release = request {
            $0.messageType = .release
            $0.clientAddress = IPv4Address(100, 64, 0, 2)
        }
        _ = relay.handle(.fromClient(release, source: .any(.v4), one), now: at(3))
        #expect(relay.handle(answer(to: one), now: at(4)) == [.discarded(.unsolicited, one)])
        // An answer without a lease needs none.
        #expect(relay.handle(answer(.nak, to: one), now: at(7)).sent.count == 1)
    }

    private func other(_ message: DHCPv4Message) -> DHCPv4Message {
        var other = DHCPv4Message(.reply, transactionID: 8, hardwareAddress: message.hardwareAddress)
        for option in message.options { other[option.code] = option.value }
        (other.yourAddress, other.relayAddress) = (message.yourAddress, message.relayAddress)
        return other
    }

    /// Who says what another says of itself is the other one to a server.
    @Test func whatAClientHasIsNobodyElses() {
        var relay = asked()
        _ = relay.handle(answer(to: one), now: at(1))
        #expect(relay.handle(answer(to: two), now: at(2)) == [.discarded(.taken, two)])
        for type in [DHCPv4Message.MessageType.release, .decline] {
            let message = request {
                $0.messageType = type
                $0.clientAddress = IPv4Address(100, 64, 0, 2)
                $0.requestedAddress = IPv4Address(100, 64, 0, 2)
            }
            #expect(relay.handle(.fromClient(message, source: .any(.v4), two), now: at(2)) == [.discarded(.noLease, two)])
        }
        // A wish is for the server to answer.
        let wish = request { $0.requestedAddress = IPv4Address(100, 64, 0, 2) }
        #expect(relay.handle(.fromClient(wish, source: .any(.v4), two), now: at(2)).forwarded.count == 1)
        #expect(relay.handle(answer(.nak, to: two), now: at(3)).sent.count == 1)
        #expect(relay.leases.map(\.client) == [one])
        // When its time is over it is free.
        #expect(relay.handle(answer(to: two), now: at(102)).contains(.addRoute(resource, two)))
    }

    @Test func aServerThatIsSilentHandsOverToTheNext() {
        let second = IPv4Address(192, 0, 2, 2)
        var relay = Sample.relay4 { settings in
            settings.servers.append(second)
            settings.serverUse = .failover
            settings.tellsSubscriber = true
        }
        func target(_ now: Double) -> [IPAddress] {
            relay.handle(.fromClient(request(), source: .any(.v4), one), now: at(now)).forwarded.map(\.destination)
        }
        #expect(target(1) == [.v4(Sample.serverAddress)] && target(5.9) == [.v4(Sample.serverAddress)])
        _ = relay.handle(answer(.offer, to: one), now: at(5.95))
        #expect(target(6.5) == [.v4(Sample.serverAddress)] && target(11.6) == [.v4(second)])
        // It keeps its turn until it is silent itself.
        #expect(target(16.5) == [.v4(second)] && target(16.7) == [.v4(Sample.serverAddress)])
        let payload = relay.handle(.fromClient(request(), source: .any(.v4), one), now: at(17)).forwarded.first?.payload
        let message = payload.flatMap { try? DHCPv4Message(parsing: $0) }
        #expect(message?.relayAgentInformation?.contains(.init(6, one.bytes)) == true)
    }

    @Test func requestsThatAreRememberedAreFew() {
        var relay = Sample.relay4 { settings in
            settings.capacity = 2
            settings.leasesPerClient = 2
        }
        for n in 0..<20 {
            let message = DHCPv4Message(.request, transactionID: UInt32(n % 5), hardwareAddress: [2, 0, 0, 0, 0, 1])
            let client = ClientIdentity("client \(n % 4)")!
            _ = relay.handle(.fromClient(message.serialized(), source: .any(.v4), client), now: at(1))
            #expect(relay.table.isConsistent)
        }
    }

    @Test func anInfiniteLeaseHasNoDeadline() {
        var relay = asked()
        _ = relay.handle(answer(to: one, seconds: .max), now: at(1))
        #expect(relay.deadline == nil && relay.leases.first?.expiry == .never)
        _ = relay.handle(answer(to: one, seconds: .max - 1), now: at(1))
        #expect(relay.deadline == LeaseTime(nanoseconds: (1 + Int64(UInt32.max - 1)) * 1_000_000_000))
    }

    @Test func aFullTableKeepsTheClientFromWhatHasNoRoute() {
        var relay = asked { settings in
            settings.capacity = 3
            settings.leasesPerClient = 2
        }
        func grant(_ client: ClientIdentity, _ n: UInt8, _ seconds: UInt32) -> [RelayEffect] {
            relay.handle(answer(to: client, IPv4Address(100, 64, 0, n), seconds: seconds), now: at(1))
        }
        _ = grant(one, 2, 300)
        _ = grant(one, 3, 200)
        // A client that has too many loses the one that ends first.
        #expect(grant(one, 4, 100).first == .removeRoute(prefix("100.64.0.3/32"), one))
        _ = grant(two, 5, 100)
        let refused = grant(two, 6, 100)
        #expect(refused == [.discarded(.exhausted, two)])
        #expect(relay.table.isConsistent && relay.leases.count == 3)
        // What is renewed needs no room.
        #expect(grant(two, 5, 200).sent.count == 1)
    }

    @Test func leasesSurviveARestart() throws {
        var relay = asked()
        _ = relay.handle(answer(to: one), now: at(1))
        var file = relay.lines(clock(at(2)))
        for case .event(let event) in relay.handle(answer(to: two, IPv4Address(100, 64, 0, 3)), now: at(3)) {
            file.append(event.line(clock(at(3))))
        }
        #expect(
            file == [
                "lease one 100.64.0.1 100.64.0.2/32 1700000101", "lease two 100.64.0.1 100.64.0.3/32 1700000103",
            ])
        file.append("lease three - 100.64.0.2/33 1")
        var next = Sample.relay4()
        let loaded = next.load(file, clock(at(4)))
        #expect(loaded.rejected == [3] && next.deadline == at(101))
        #expect(loaded.effects == [.addRoute(resource, one), .addRoute(prefix("100.64.0.3/32"), two)])
        for case .event(let event) in relay.handle(.timeout, now: at(102)) {
            file.append(event.line(clock(at(102))))
        }
        var last = Sample.relay4()
        #expect(last.load(file, clock(at(102))).effects == [.addRoute(prefix("100.64.0.3/32"), two)])
    }
}

struct Failure: Error {}
