import Addresses
import Testing

@testable import Leases

@Suite struct ServerTests {
    private func request(_ address: IPv4Address) -> DHCPv4Message {
        var message = DHCPv4Message(.request, transactionID: 1, hardwareAddress: [2, 0, 0, 0, 0, 1])
        message.messageType = .request
        message.requestedAddress = address
        message.serverIdentifier = Sample.serverAddress
        return message
    }

    private func type(_ effects: [DHCPv4Server.Effect]) -> DHCPv4Message.MessageType? {
        for case .send(let answer, _) in effects { return answer.message.messageType }
        return nil
    }

    @Test func anAddressOfAnotherIsRefused() {
        var server = Sample.server4(.init(pools: ["a": [Sample.pool4(4)]]))
        let (one, two) = (ClientIdentity("one")!, ClientIdentity("two")!)
        let wanted = request(IPv4Address(100, 64, 0, 3))
        #expect(type(server.handle(.message(wanted, from: one, group: "a"), now: at(1))) == .ack)
        #expect(type(server.handle(.message(wanted, from: two, group: "a"), now: at(1))) == .nak)
        #expect(type(server.handle(.message(wanted, from: two, group: "b"), now: at(1))) == .nak)
        #expect(server.lease(of: one)?.expiry == at(3601))
        #expect(server.handle(.timeout, now: at(3601)).contains(.removeRoute(prefix("100.64.0.3/32"), one)))
    }

    @Test func leasesSurviveARestartAndASpoiltLineDoesNot() throws {
        var server = Sample.server4(.init(pools: ["a": [Sample.pool4(4)]]))
        let client = ClientIdentity("a gateway %")!
        _ = server.handle(.message(request(IPv4Address(100, 64, 0, 5)), from: client, group: "a"), now: at(1.5))
        let lines = server.lines(clock(at(2)))
        #expect(lines == ["lease a%20gateway%20%25 a 100.64.0.5/32 1700003602"])
        var next = DHCPv4Server(server.settings)
        let loaded = next.load(lines + ["lease x", "lease y a 10.0.0.1/32 never"], clock(at(3)))
        #expect(loaded.rejected == [2, 3])
        #expect(loaded.effects == [.addRoute(prefix("100.64.0.5/32"), client)])
    }

    @Test func aFullPoolGivesWhatHasBeenUnusedForLongest() {
        var table = LeaseTable(.init(pools: ["a": [Sample.pool4(10_000)]]))
        for n in 0..<10_000 {
            let client = ClientIdentity("\(n)")!
            #expect(table.offer(client, group: "a", wish: nil, until: at(9), now: at(1)).resource != nil)
            _ = table.commit(client, until: at(1000))
        }
        let late = ClientIdentity("late")!
        #expect(table.offer(late, group: "a", wish: nil, until: at(9), now: at(1)).resource == nil)
        let ended = [ClientIdentity("77")!, ClientIdentity("5")!].compactMap { table.end($0, now: at(2)) }
        #expect(table.offer(late, group: "a", wish: nil, until: at(9), now: at(2)).resource == ended.first?.resource)
        #expect(table.isConsistent)
    }
}
