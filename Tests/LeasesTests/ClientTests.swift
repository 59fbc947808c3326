import Addresses
import Testing

@testable import Leases

@Suite struct ClientTests {
    private func sent(_ effects: [DHCPv4Client.Effect]) -> DHCPv4Message? {
        for case .send(let request) in effects { return request.message }
        return nil
    }

    private func answer(_ type: DHCPv4Message.MessageType, to request: DHCPv4Message) -> DHCPv4Client.Input {
        var message = DHCPv4Message(
            .reply, transactionID: request.transactionID, hardwareAddress: request.hardwareAddress)
        message.messageType = type
        message.serverIdentifier = Sample.serverAddress
        message.yourAddress = IPv4Address(100, 64, 0, 9)
        message.leaseTime = 1000
        return .message(message)
    }

    @Test func everyStateOfALease() throws {
        var client = Sample.client4(1, seed: 1)
        let known = RememberedLease(resource: prefix("100.64.0.9/32"), expiry: at(500))
        _ = client.handle(.start(remembered: known), now: at(0))
        #expect(client.state == .rebooting)
        var request = try #require(sent(client.handle(.timeout, now: at(1))))
        #expect(request.requestedAddress == IPv4Address(100, 64, 0, 9) && request.serverIdentifier == nil)
        _ = client.handle(answer(.nak, to: request), now: at(2))
        #expect(client.state == .initial && client.remembered == nil)
        request = try #require(sent(client.handle(.timeout, now: at(4))))
        #expect(client.state == .selecting)
        request = try #require(sent(client.handle(answer(.offer, to: request), now: at(5))))
        #expect(client.state == .requesting && request.serverIdentifier == Sample.serverAddress)
        _ = client.handle(answer(.ack, to: request), now: at(6))
        #expect(client.state == .bound && client.lease?.expiry == at(1005) && client.deadline == at(505))
        request = try #require(sent(client.handle(.timeout, now: at(505))))
        #expect(client.state == .renewing && request.clientAddress == IPv4Address(100, 64, 0, 9))
        _ = client.handle(.timeout, now: at(880))
        #expect(client.state == .rebinding)
        let late = client.handle(answer(.ack, to: request), now: at(881))
        #expect(late == [.event(.discarded(.unsolicited))])
        #expect(client.handle(.timeout, now: at(1005)).first == .configure(nil))
        #expect(client.state == .selecting && client.lease == nil)
    }

    @Test func aRefusalIsAskedAboutEverMoreRarely() throws {
        var client = Sample.client6(1, seed: 1)
        var server = Sample.server6(.init(pools: [:]))
        let identity = try #require(ClientIdentity("one"))
        _ = client.handle(.start(remembered: nil), now: at(0))
        var count = 0
        while let now = client.deadline, now < at(3600) {
            for case .send(let message) in client.handle(.timeout, now: now) {
                count += 1
                let input = DHCPv6Server.Input.message(message, from: identity, group: "a")
                for case .send(let answer, _) in server.handle(input, now: now) {
                    #expect(answer.ias.first?.status?.code == .noPrefixAvail)
                    _ = client.handle(.message(answer), now: now)
                }
            }
        }
        // The server says 60 s at most between two.
        #expect((55...75).contains(count) && client.lease == nil && server.leases.isEmpty)
    }
}
