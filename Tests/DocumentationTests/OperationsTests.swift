import Foundation
import GREBonding
import Observation
import Testing

/// What operators are told of logs, commands and reasons is what the program says.
@Suite struct OperationsTests {
    /// Reasons of lines that are no events, as the sources write them: all of them are read, once.
    private static let reasons = Result { try logged() }

    private static func logged() throws -> Set<String> {
        let level = /(?:\.(?:debug|info|notice|warning|error|critical)|level), "([a-z]+(?:-[a-z]+)*)"/
        var found: Set<String> = []
        for source in Repository.sources where !source.path.hasPrefix("Sources/EventLog/") {
            // The reason may stand on a line of its own.
            let text = try Repository.text(source.path).replacing(/,\n +/, with: ", ").replacing(/\(\n +/, with: "(")
            for match in text.matches(of: level) { found.insert(String(match.1)) }
        }
        return found.subtracting(EventKind.allCases.map(\.rawValue))
    }

    @Test func everyReasonOfTheLog() throws {
        let logged = try Self.reasons.get()
        #expect(logged.count > 50)
        let documented = try Document("docs/operations.md").table("`reason`").flatMap { Document.code($0[0]) }
        #expect(documented.sorted() == logged.sorted())
    }

    @Test(arguments: Repository.documents)
    func reasonsThatAreNamedAreSaid(document: String) throws {
        let known = try Self.reasons.get().union(EventKind.allCases.map(\.rawValue))
        for match in try Repository.text(document).matches(of: /reason=([a-z]+(?:-[a-z]+)*)/) {
            #expect(known.contains(String(match.1)), "\(match.0)")
        }
    }

    /// In docs/troubleshooting.md, by the heads of its tables.
    @Test func everyWhy() throws {
        let document = try Document("docs/troubleshooting.md")
        func column(_ head: String) -> [String] { document.table(head).flatMap { Document.code($0[0]).prefix(1) } }
        #expect(column("`reason` of a leg").sorted() == LegDownReason.allCases.map(\.rawValue).sorted())
        let codes = document.table("code").map { $0[0] }
        #expect(codes == ErrorCode.defined.map(String.init))
        #expect(column("`discarded`").sorted() == GREBonding.DiscardReason.allCases.map(\.rawValue).sorted())
        let words = try Document("docs/explain.md").table("word").flatMap { Document.code($0[0]) }
        #expect(column("`why`").sorted() == words.sorted())
    }

    @Test(arguments: Repository.documents)
    func commandsExist(document: String) throws {
        let files = Repository.sources.map(\.path).filter { $0.hasPrefix("Sources/spillway/") }
        let names = try Set(files.compactMap { file in
            try Repository.text(file).firstMatch(of: /commandName: "([a-z]+)"/).map { String($0.1) }
        })
        let text = try Repository.text(document)
        for match in text.matches(of: /(?:^|`|\n|&& |\$ |# )spillway ([a-z]+)(?=[ `\n])/) {
            #expect(names.contains(String(match.1)), "\(match.0)")
        }
    }

    /// Links lead to headings that are there.
    @Test(arguments: Repository.documents)
    func headingsExist(document: String) throws {
        for match in try Document(document).lines.joined(separator: "\n").matches(of: /\]\(([^)#:]*)#([^)]+)\)/) {
            let folder = document.hasPrefix("docs/") ? "docs/" : ""
            let target = match.1.isEmpty ? document : "\(folder)\(match.1)"
            let headings = try Document(target).lines.filter { $0.hasPrefix("#") }.map(Self.anchor)
            #expect(headings.contains(String(match.2)), "\(match.0)")
        }
    }

    /// As Markdown is shown on the web: lower case, blanks are hyphens, what is no letter or number is left out.
    private static func anchor(_ heading: Substring) -> String {
        let text = heading.drop { $0 == "#" || $0 == " " }.lowercased()
        return String(text.compactMap { $0 == " " ? "-" : $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : nil })
    }
}
