import Addresses

@testable import Leases

// Our servers answer on clients' own links. Behind a relay they stand here with what any server does for one: it takes
// the client's identity from the relay's option and sends that option back.

extension DHCPv4Server {
    mutating func answer(_ datagram: RelayedDatagram, now: LeaseTime) -> (answers: [[UInt8]], effects: [Effect]) {
        guard var message = try? DHCPv4Message(parsing: datagram.payload),
            let information = message.relayAgentInformation,
            let client = information.first(where: { $0.code == 1 }).flatMap({ ClientIdentity(bytes: $0.value) })
        else { return ([], []) }
        let relay = message.relayAddress
        message.relayAgentInformation = nil
        message.relayAddress = .any
        let effects = handle(.message(message, from: client, group: "a"), now: now)
        var answers: [[UInt8]] = []
        for case .send(let answer, _) in effects {
            var message = answer.message
            message.relayAddress = relay
            message.relayAgentInformation = information
            answers.append(message.serialized(maximumLength: answer.maximumLength))
        }
        return (answers, effects)
    }
}

extension DHCPv6Server {
    mutating func answer(_ datagram: RelayedDatagram, now: LeaseTime) -> (answers: [[UInt8]], effects: [Effect]) {
        guard let relayed = try? DHCPv6RelayMessage(parsing: datagram.payload), relayed.type == .relayForward,
            let client = relayed.interfaceID.flatMap({ ClientIdentity(bytes: $0) }),
            let message = try? DHCPv6Message(parsing: relayed.message)
        else { return ([], []) }
        let effects = handle(.message(message, from: client, group: "a"), now: now)
        var answers: [[UInt8]] = []
        for case .send(let answer, _) in effects {
            var reply = relayed
            reply.type = .relayReply
            reply.message = answer.serialized()
            answers.append(reply.serialized())
        }
        return (answers, effects)
    }
}

extension [RelayEffect] {
    var forwarded: [RelayedDatagram] { compactMap { if case .forward(let datagram) = $0 { datagram } else { nil } } }
    var sent: [RelayedDatagram] { compactMap { if case .send(let datagram, _) = $0 { datagram } else { nil } } }
    var discarded: DiscardReason? {
        for case .discarded(let reason, _) in self { return reason }
        return nil
    }
}
