import Testing

@testable import Leases

/// A table of states and events as text: the first line names the events, each other line begins with a state, and a
/// cell says what comes of it.
struct StateTable {
    struct Cell: CustomTestStringConvertible, Sendable {
        let state: String
        let event: String
        let outcome: String
        var testDescription: String { "\(state), \(event): \(outcome)" }
    }

    let cells: [Cell]

    init(_ text: String) {
        let rows = text.split(separator: "\n").map { line in
            line.split(separator: "|").map { String($0.drop { $0 == " " }).trimmed }
        }
        cells = rows.dropFirst().flatMap { row in
            zip(rows[0].dropFirst(), row.dropFirst()).map { Cell(state: row[0], event: $0, outcome: $1) }
        }
    }
}

/// A client's state and the letters of what it did: see ``DHCPv4ClientStateTests``.
func summary<Request, Lease>(_ state: String, _ effects: [ClientEffect<Request, Lease>]) -> String {
    let letters = effects.map { effect in
        switch effect {
        case .send: "s"
        case .configure(let lease): lease == nil ? "n" : "c"
        case .event(.discarded): "d"
        case .event: ""
        }
    }
    return "\(state) \(letters.joined())".trimmed
}

extension String {
    var trimmed: String { String(reversed().drop { $0 == " " }.reversed()) }
}
