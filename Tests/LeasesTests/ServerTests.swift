import Addresses
import TestSupport
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

    // MARK: What others route to clients

    private let one = ClientIdentity("one")!
    private let two = ClientIdentity("two")!
    private let three = ClientIdentity("three")!

    private func address(
        _ server: inout DHCPv4Server, _ client: ClientIdentity, _ group: String = "a"
    ) -> IPv4Address? {
        var message = request(.any)
        message.messageType = .discover
        message.requestedAddress = nil
        for case .send(let answer, _) in server.handle(.message(message, from: client, group: group), now: at(1)) {
            _ = server.handle(.message(request(answer.message.yourAddress), from: client, group: group), now: at(1))
            return answer.message.yourAddress
        }
        return nil
    }

    @Test func whatAnotherWordRoutesToAClientIsLeasedToItAndToNobodyElse() throws {
        var server = Sample.server4(.init(pools: ["a": [Sample.pool4(3)]]))
        let first = prefix("100.64.0.2/32")
        #expect(server.handle(.claim([first], lease: first, of: one), now: at(1)).isEmpty)
        #expect(address(&server, two) == IPv4Address(100, 64, 0, 3))
        let wanted = request(IPv4Address(100, 64, 0, 2))
        #expect(type(server.handle(.message(wanted, from: three, group: "a"), now: at(1))) == .nak)
        #expect(server.holder(of: prefix("100.64.0.3/32"), besides: one) == two)
        #expect(server.holder(of: prefix("100.64.0.3/32"), besides: two) == nil)
        // Of several, any of them.
        #expect([two, three].contains(server.holder(of: prefix("100.64.0.0/24"), besides: one)))
        #expect(server.holder(of: prefix("10.0.0.0/8"), besides: one) == nil)
        // Of no pool, and without one.
        #expect(address(&server, one, "") == IPv4Address(100, 64, 0, 2))
        let own = prefix("203.0.113.9/32")
        let moved = server.handle(.claim([own], lease: own, of: one), now: at(2))
        #expect(moved.contains(.removeRoute(first, one)))
        #expect(address(&server, one, "") == IPv4Address(203, 0, 113, 9))
        // At the end of the claim its lease ends; the pool has the first one again.
        #expect(address(&server, three) == IPv4Address(100, 64, 0, 4))
        #expect(server.handle(.claim([], lease: nil, of: one), now: at(3)).contains(.removeRoute(own, one)))
        #expect(address(&server, one, "") == nil && address(&server, one) == IPv4Address(100, 64, 0, 2))
        #expect(server.book.table.isConsistent && server.leases.count == 3)
    }

    /// A network of a pool, and parts of prefixes that are delegated.
    @Test func whatIsRoutedToAClientCannotBeLeasedAsAWholeOrInPart() throws {
        var four = LeaseTable(.init(pools: ["a": [Sample.pool4(20)]]))
        _ = four.claim([prefix("100.64.0.0/29")], lease: nil, of: one)
        let offer = four.offer(two, group: "a", wish: prefix("100.64.0.3/32"), until: at(9), now: at(1)).resource
        #expect(offer == prefix("100.64.0.8/32"))
        _ = four.claim([], lease: nil, of: one)
        let later = four.offer(three, group: "a", wish: nil, until: at(9), now: at(1)).resource
        #expect(later == prefix("100.64.0.2/32"), "the pool has it again")
        var six = LeaseTable(.init(pools: ["a": [Sample.pool6()]]))
        _ = six.claim([prefix("2001:db8:0:42::/64"), prefix("2001:db8:0:100::/55")], lease: nil, of: one)
        let first = six.offer(two, group: "a", wish: nil, until: at(9), now: at(1)).resource
        #expect(first == prefix("2001:db8:0:200::/56"))
        #expect(six.holder(of: prefix("2001:db8:0:242::/64"), besides: one) == two)
        #expect(six.holder(of: prefix("2001:db8:0:442::/64"), besides: one) == nil)
        #expect(six.holder(of: prefix("2001:db8::/44"), besides: one) == two)
        #expect(six.isConsistent && four.isConsistent)
    }

    /// Whatever comes in whatever order: nobody is given what is routed to another, and nothing is lost of the pool.
    @Test func claimsComeAndGoAndThePoolIsWhole() throws {
        var random = SplitMix(state: 7)
        var table = LeaseTable(.init(pools: ["a": [Sample.pool4(6)]], capacity: 5))
        let clients = (0..<5).map { ClientIdentity("\($0)")! }
        var claims: [ClientIdentity: IPPrefix] = [:]
        for step in 0..<5000 {
            let client = clients.randomElement(using: &random)!
            let resource = prefix("100.64.0.\(Int.random(in: 1...9, using: &random))/32")
            let now = at(Double(step))
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where table.holder(of: resource, besides: client) == nil && !claims.values.contains(resource):
                claims[client] = resource
                _ = table.claim([resource], lease: Bool.random(using: &random) ? resource : nil, of: client)
            case 1:
                claims[client] = nil
                _ = table.claim([], lease: nil, of: client)
            case 2: _ = table.end(client, now: now)
            default:
                let wish = Bool.random(using: &random) ? resource : nil
                let until = now.adding(seconds: 9)
                let offer = table.offer(client, group: "a", wish: wish, until: until, now: now).resource
                #expect(!claims.contains { $0.key != client && $0.value == offer })
                _ = table.commit(client, until: now.adding(seconds: 30))
            }
            while table.popExpired(now) != nil {}
            let isConsistent = table.isConsistent
            #expect(isConsistent, "step \(step)")
        }
        for client in clients {
            _ = table.claim([], lease: nil, of: client)
            _ = table.end(client, now: at(6000))
        }
        let given = clients.compactMap {
            table.offer($0, group: "a", wish: nil, until: at(7000), now: at(6000)).resource
        }
        #expect(Set(given).count == 5)
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
