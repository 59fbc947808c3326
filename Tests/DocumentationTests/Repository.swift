import Foundation

/// The tree that the documents speak of, and what its Swift files declare.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }

    static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
    }

    static let documents: [String] = {
        let all = (try? names(in: "docs")) ?? []
        return ["README.md"] + all.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }()

    static let sources = declarations(below: "Sources")
    static let tests = declarations(below: "Tests")

    private static func declarations(below folder: String) -> [Declarations] {
        let files = FileManager.default.enumerator(atPath: root.appending(path: folder).path)
        return (files?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".swift") }.sorted()
            .compactMap { name in (try? text("\(folder)/\(name)")).map { Declarations("\(folder)/\(name)", $0) } }
    }
}

/// The names that one file declares, found word by word: enough to notice what is gone.
struct Declarations {
    let path: String
    /// Types that are declared or extended.
    private(set) var types: Set<String> = []
    private(set) var members: Set<String> = []
    /// Test functions by their suite.
    private(set) var tests: [String: Set<String>] = [:]

    init(_ path: String, _ text: String) {
        self.path = path
        var suite = ""
        var isTest = false
        for line in text.split(separator: "\n") {
            let words = line.split { !($0.isLetter || $0.isNumber || "_.@".contains($0)) }.map(String.init)
            guard let first = words.first, !line.drop(while: { $0 == " " }).hasPrefix("//") else { continue }
            if words.contains("@Test") { isTest = true }
            if first == "case", !line.hasSuffix(":") {
                members.formUnion(words.dropFirst().filter { !$0.hasPrefix(".") })
            }
            for (word, next) in zip(words, words.dropFirst()) {
                switch word {
                case "struct", "enum", "class", "actor", "protocol", "extension":
                    types.formUnion(next.split(separator: ".").map(String.init))
                    members.insert(next)
                    if !line.hasPrefix(" ") { suite = next }
                case "func", "var", "let", "typealias":
                    members.insert(next)
                    if word == "func", isTest {
                        tests[suite, default: []].insert(next)
                        isTest = false
                    }
                default: break
                }
            }
        }
    }
}

/// A Markdown document without its blocks of code.
struct Document {
    let lines: [Substring]

    init(_ path: String) throws {
        var isCode = false
        lines = try Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            if line.hasPrefix("```") { isCode.toggle() }
            return !isCode
        }
    }

    /// The cells of all rows of all tables, without their heads.
    var rows: [[String]] {
        var rows: [[String]] = []
        var isBody = false
        for line in lines {
            guard line.hasPrefix("|") else {
                isBody = false
                continue
            }
            if line.hasPrefix("|--") {
                isBody = true
            } else if isBody {
                let cells = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false).dropLast()
                rows.append(cells.map { $0.trimmingCharacters(in: .whitespaces) })
            }
        }
        return rows
    }

    /// What stands between backquotes in a text.
    static func code(_ text: some StringProtocol) -> [String] {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        return parts.indices.filter { $0 % 2 == 1 && $0 + 1 < parts.count }.map { String(parts[$0]) }
    }
}
