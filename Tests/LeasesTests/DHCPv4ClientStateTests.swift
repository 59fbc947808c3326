import Addresses
import Testing

@testable import Leases

/// A client in every state, and all that can happen there. What comes of it is the next state and what
/// was done: s for a message sent, c for something configured, n for nothing being configured any longer, d for a
/// message discarded.
@Suite struct DHCPv4ClientStateTests {
    static let table = StateTable(
        """
                   | start        | reboot       | suspend   | stop       | timeout      | end          | refuse
        stopped    | init         | rebooting    | stopped   | stopped    | stopped      | stopped      | stopped
        init       | init         | rebooting    | stopped   | stopped    | selecting s  | selecting s  | init
        selecting  | init         | rebooting    | stopped   | stopped    | selecting s  | selecting s  | selecting
        requesting | init         | rebooting    | stopped   | stopped    | requesting s | requesting s | requesting
        rebooting  | rebooting    | rebooting    | stopped   | stopped    | rebooting s  | rebooting s  | rebooting
        bound      | rebooting n  | rebooting n  | stopped n | stopped sn | renewing s   | selecting ns | init sn
        renewing   | rebooting n  | rebooting n  | stopped n | stopped sn | renewing s   | selecting ns | init sn
        rebinding  | rebooting n  | rebooting n  | stopped n | stopped sn | rebinding s  | selecting ns | init sn
        """)
    /// What a server may send, right and wrong.
    static let answers = StateTable(
        """
                   | offer        | ack          | nak          | otherServer  | otherAddress | otherXID
        stopped    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d
        init       | init d       | init d       | init d       | init d       | init d       | init d
        selecting  | requesting s | selecting d  | selecting d  | selecting d  | selecting d  | selecting d
        requesting | requesting d | bound c      | init         | requesting d | requesting d | requesting d
        rebooting  | rebooting d  | bound c      | init         | bound c      | rebooting d  | rebooting d
        bound      | bound d      | bound d      | bound d      | bound d      | bound d      | bound d
        renewing   | renewing d   | bound c      | init n       | renewing d   | renewing d   | renewing d
        rebinding  | rebinding d  | bound c      | init n       | bound c      | rebinding d  | rebinding d
        """)
    static let wrongAnswers = StateTable(
        """
                   | otherMAC     | noServer     | noLease      | zeroLease    | infinite     | request
        stopped    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d    | stopped d
        init       | init d       | init d       | init d       | init d       | init d       | init d
        selecting  | selecting d  | selecting d  | selecting d  | selecting d  | selecting d  | selecting d
        requesting | requesting d | requesting d | requesting d | requesting d | bound c      | requesting d
        rebooting  | rebooting d  | rebooting d  | rebooting d  | rebooting d  | bound c      | rebooting d
        bound      | bound d      | bound d      | bound d      | bound d      | bound d      | bound d
        renewing   | renewing d   | renewing d   | renewing d   | renewing d   | bound c      | renewing d
        rebinding  | rebinding d  | rebinding d  | rebinding d  | rebinding d  | bound c      | rebinding d
        """)

    private let address = IPv4Address(100, 64, 0, 9)
    private var known: RememberedLease { RememberedLease(resource: IPPrefix(host: .v4(address)), expiry: at(5000)) }

    private func answer(
        _ type: DHCPv4Message.MessageType, to client: DHCPv4Client, change: (inout DHCPv4Message) -> Void = { _ in }
    ) -> DHCPv4Client.Input {
        var message = DHCPv4Message(
            .reply, transactionID: client.transactionID, hardwareAddress: client.settings.hardwareAddress)
        message.messageType = type
        message.serverIdentifier = Sample.serverAddress
        message.yourAddress = address
        message.leaseTime = 1000
        change(&message)
        return .message(message)
    }

    /// A client in a state, and the time. A lease begins at 10 s: T1 is at 510, T2 at 885, its end at 1010.
    private func client(in state: DHCPv4Client.State) throws -> (DHCPv4Client, LeaseTime) {
        var client = Sample.client4(1, seed: 1)
        func become(_ state: DHCPv4Client.State) throws { try #require(client.state == state) }
        if state == .stopped { return (client, at(1)) }
        if state == .rebooting {
            _ = client.handle(.start(remembered: known), now: at(1))
            _ = client.handle(.timeout, now: at(3))
            return (client, at(4))
        }
        _ = client.handle(.start(remembered: nil), now: at(1))
        if state == .initial { return (client, at(1)) }
        _ = client.handle(.timeout, now: at(9))
        try become(.selecting)
        if state == .selecting { return (client, at(9)) }
        _ = client.handle(answer(.offer, to: client), now: at(10))
        try become(.requesting)
        if state == .requesting { return (client, at(10)) }
        _ = client.handle(answer(.ack, to: client), now: at(10))
        try become(.bound)
        if state == .bound { return (client, at(10)) }
        _ = client.handle(.timeout, now: at(510))
        try become(.renewing)
        if state == .renewing { return (client, at(510)) }
        _ = client.handle(.timeout, now: at(885))
        try become(.rebinding)
        return (client, at(885))
    }

    private func input(_ event: String, _ client: DHCPv4Client) -> DHCPv4Client.Input {
        switch event {
        case "start": .start(remembered: nil)
        case "reboot": .start(remembered: known)
        case "suspend": .suspend
        case "stop": .stop
        case "refuse": .refuse
        case "offer": answer(.offer, to: client)
        case "ack": answer(.ack, to: client)
        case "nak":
            answer(.nak, to: client) {
                $0.yourAddress = .any
                $0.leaseTime = nil
            }
        case "otherServer": answer(.ack, to: client) { $0.serverIdentifier = IPv4Address(192, 0, 2, 1) }
        case "otherAddress": answer(.ack, to: client) { $0.yourAddress = IPv4Address(100, 64, 0, 10) }
        case "noServer": answer(.ack, to: client) { $0.serverIdentifier = nil }
        case "noLease": answer(.ack, to: client) { $0.leaseTime = nil }
        case "zeroLease": answer(.ack, to: client) { $0.leaseTime = 0 }
        case "infinite": answer(.ack, to: client) { $0.leaseTime = .max }
        case "request": answer(.request, to: client)
        case "otherXID", "otherMAC":
            other(client, event == "otherXID" ? client.transactionID &+ 1 : client.transactionID, event == "otherMAC")
        default: .timeout
        }
    }

    private func other(_ client: DHCPv4Client, _ id: UInt32, _ changesAddress: Bool) -> DHCPv4Client.Input {
        guard case .message(let right) = answer(.ack, to: client) else { return .timeout }
        var message = DHCPv4Message(
            .reply, transactionID: id, hardwareAddress: changesAddress ? [2, 0, 0, 0, 0, 0xEE] : right.hardwareAddress)
        for option in right.options { message[option.code] = option.value }
        message.yourAddress = right.yourAddress
        return .message(message)
    }

    @Test(arguments: table.cells + answers.cells + wrongAnswers.cells) func client(_ cell: StateTable.Cell) throws {
        var (client, now) = try client(in: #require(DHCPv4Client.State(rawValue: cell.state)))
        if cell.event == "timeout" { now = client.deadline ?? now }
        if cell.event == "end" { now = client.lease?.expiry ?? client.deadline ?? now }
        let effects = client.handle(input(cell.event, client), now: now)
        #expect(summary(client.state.rawValue, effects) == cell.outcome)
        if cell.event == "infinite", cell.outcome == "bound c" { #expect(client.deadline == nil) }
        // Whatever happened, time goes on.
        if let deadline = client.deadline { #expect(deadline > now) }
        #expect(client.state != .stopped || client.deadline == nil)
        #expect((client.lease != nil) == [.bound, .renewing, .rebinding].contains(client.state))
    }

    @Test func theTableIsComplete() {
        let states = DHCPv4Client.State.allCases.count
        #expect(Self.table.cells.count == states * 7 && Self.answers.cells.count == states * 6)
        #expect(Self.wrongAnswers.cells.count == states * 6)
    }
}
