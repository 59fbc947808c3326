import Foundation
import GREBonding
import Observation
import Testing

/// docs/observe.md names what the program says, no more and no less.
@Suite struct ObserveTests {
    /// What the rows of the table whose head begins with `head` have in a column.
    private static func column(_ number: Int = 0, head: String) throws -> [String] {
        try Document("docs/observe.md").table(head).flatMap { Document.code($0[number]).prefix(1) }
    }

    @Test func everyEvent() throws {
        #expect(try Self.column(head: "event").sorted() == EventKind.allCases.map(\.rawValue).sorted())
    }

    @Test func everyReason() throws {
        #expect(try Self.column(head: "`why` of `leg-down`").sorted() == LegDownReason.allCases.map(\.rawValue).sorted())
        let all: [BondDownReason] = [.allLegsLost, .tornDown(nil), .idleTimeout, .replaced, .stopped]
        #expect(try Self.column(head: "`why` of `bond-down`").sorted() == all.map(\.name).sorted())
    }

    @Test func everyVariable() throws {
        let variables = HookEnvironment.always + EventField.allCases.map(\.variable)
        #expect(try Self.column(head: "variable").sorted() == variables.sorted())
    }

    @Test func everyFieldBesideItsVariable() throws {
        let rows = try Document("docs/observe.md").table("variable")
        for field in EventField.allCases {
            #expect(rows.contains { $0[0] == "`\(field.variable)`" && $0[1] == "`\(field.rawValue)`" }, "\(field)")
        }
    }
}

extension Document {
    /// The rows of the tables whose head begins with this cell.
    func table(_ head: String) -> [[String]] {
        var rows: [[String]] = []
        var isIn = false
        for line in lines {
            guard line.hasPrefix("|") else {
                isIn = false
                continue
            }
            if isIn {
                let cells = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false).dropLast()
                if !line.hasPrefix("|--") { rows.append(cells.map { $0.trimmingCharacters(in: .whitespaces) }) }
            } else {
                isIn = line.hasPrefix("| \(head) |")
            }
        }
        return rows
    }
}
