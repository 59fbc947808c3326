import Testing

/// A table of states and events as text: the first line names the events, each other line begins with a state, and a
/// cell says what comes of it. Cells are separated by two spaces or more.
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
            line.split(separator: "|").map { cell in
                String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
        }
        cells = rows.dropFirst().flatMap { row in
            zip(rows[0].dropFirst(), row.dropFirst()).map { Cell(state: row[0], event: $0, outcome: $1) }
        }
    }
}
