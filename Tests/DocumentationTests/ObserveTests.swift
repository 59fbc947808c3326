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

    @Test func everyMetric() throws {
        let rows = try Document("docs/observe.md").table("metric")
        #expect(rows.map { $0[0] } == Metric.allCases.map { "`\($0.rawValue)`" })
        #expect(rows.map { $0[2] } == Metric.allCases.map(\.help))
    }

    @Test func everyMetricOfTheAlertsAndTheDashboard() throws {
        let known = Set(Metric.allCases.map(\.rawValue))
        for file in ["deploy/prometheus/spillway.rules.yml", "deploy/grafana/spillway.json"] {
            let words = try Repository.text(file).split { !($0.isLetter || $0.isNumber || $0 == "_") }
            let named = words.filter { $0.hasPrefix("spillway_") || $0.hasPrefix("process_") }
            #expect(!named.isEmpty && named.allSatisfy { known.contains(String($0)) }, "\(named)")
        }
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

/// docs/status.md and docs/status.schema.json have the same members.
@Suite struct StatusDocumentTests {
    @Test func theSchemaIsDocumented() throws {
        let data = Data(try Repository.text("docs/status.schema.json").utf8)
        let schema = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let parts = try #require(schema["$defs"] as? [String: [String: Any]])
        func members(_ object: [String: Any]?) throws -> [String] {
            try #require(object?["properties"] as? [String: Any]).keys.map { "`\($0)`" }
        }
        let all = try members(schema) + members(parts["bond"]) + members(parts["leg"])
        #expect(try Document("docs/status.md").table("member").map { $0[0] }.sorted() == all.sorted())
    }
}

/// docs/explain.md and docs/explain.schema.json have the same members and words.
@Suite struct ExplainDocumentTests {
    @Test func theSchemaIsDocumented() throws {
        let data = Data(try Repository.text("docs/explain.schema.json").utf8)
        let schema = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let parts = try #require(schema["$defs"] as? [String: [String: Any]])
        func members(_ object: [String: Any]?) throws -> [String] {
            try #require(object?["properties"] as? [String: Any]).keys.map { "`\($0)`" }
        }
        let all = try members(schema) + ["flow", "decision", "route", "bond"].flatMap { try members(parts[$0]) }
        let rows = try Document("docs/explain.md").table("member")
        let documented = rows.flatMap { Document.code($0[0]).map { "`\($0)`" } }
        #expect(documented.sorted() == all.sorted())
        let why = (parts["unused"]?["properties"] as? [String: [String: Any]])?["why"]?["enum"] as? [String]
        #expect(try Document("docs/explain.md").table("word").map { $0[0] } == why?.map { "`\($0)`" })
    }
}

/// deploy/man/spillway.8 has every command with its options.
@Suite struct ManualPageTests {
    @Test func everyCommandAndOption() throws {
        let page = try Repository.text("deploy/man/spillway.8")
        let files = try Repository.names(in: "Sources/spillway").filter { $0.hasSuffix("Command.swift") } + ["Top/TopCommand.swift"]
        #expect(files.count >= 8)
        for file in files {
            let text = try Repository.text("Sources/spillway/\(file)")
            let name = try #require(text.firstMatch(of: /commandName: "([a-z]+)"/)).1
            #expect(page.contains(".Cm \(name)\n") && page.contains(".It Cm \(name)\n"), "\(name)")
            for match in text.matches(of: /@(Flag|Option)[^\n]*\n\s+var ([a-zA-Z]+)/) {
                let option = match.2.reduce("") { $0 + ($1.isUppercase ? "-\($1.lowercased())" : "\($1)") }
                #expect(page.contains("Fl -\(option == "path" ? "config" : option)"), "\(option) of \(name)")
            }
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
