@testable import Leases

extension LeaseBook {
    mutating func end(_ client: ClientIdentity, _ reason: LeaseEndReason, _ now: LeaseTime) {
        var effects: [ServerEffect<Bool>] = []
        end(client, reason, now, &effects)
    }

    func state(_ client: ClientIdentity) -> String {
        switch table.records[client]?.state {
        case .offered: "offered"
        case .active: "active"
        case .held: "held"
        case nil: "unknown"
        }
    }

    func outcome<Answer>(_ answer: String, _ client: ClientIdentity, _ effects: [ServerEffect<Answer>]) -> String {
        let letters = effects.map { effect in
            switch effect {
            case .addRoute: "+"
            case .removeRoute: "-"
            case .discarded: "d"
            case .send, .event: ""
            }
        }
        return "\(answer) \(state(client)) \(letters.joined())".trimmed
    }
}

extension ServerEffect {
    func isAbout(_ client: ClientIdentity) -> Bool {
        switch self {
        case .send(_, let other), .addRoute(_, let other), .removeRoute(_, let other), .discarded(_, let other):
            other == client
        case .event(let event): event.lease.client == client
        }
    }
}
