import Testing

/// What the documents name has to be in the tree.
@Suite struct DocumentationTests {
    // MARK: docs/conformance.md

    /// Requirement words of RFC 8157 by section, from section 4 on.
    private static let words: [String: [String: Int]] = {
        var words: [String: [String: Int]] = [
            "4.3": ["MAY": 3], "4.6": ["REQUIRED": 1], "5": ["MUST": 1], "5.1.1": ["REQUIRED": 1],
            "5.1.2": ["MUST": 3], "5.1.3": ["MUST": 1, "SHOULD NOT": 1], "5.2.9": ["RECOMMENDED": 1],
            "5.2.12": ["MUST": 3], "5.2.13": ["MUST": 1, "MAY": 1], "5.3": ["MUST": 2], "5.3.1": ["MUST": 1],
            "5.4.1": ["MUST": 1], "5.4.2": ["MUST": 1], "5.5": ["MUST": 1], "5.6.2": ["MUST": 4, "MAY": 1],
            "5.6.3": ["MUST": 1, "MAY": 1], "5.6.4": ["MAY": 1], "5.6.5": ["MUST": 2, "SHOULD": 1],
            "5.6.6": ["MUST": 2, "SHOULD": 1], "5.6.7": ["MAY": 1], "5.6.12": ["MAY": 1, "SHOULD": 1],
            "5.6.15": ["SHOULD": 2, "MUST": 1], "6.1": ["MUST": 1],
            "6.2": ["MAY": 1, "REQUIRED": 1, "MUST": 6],
        ]
        for n in [1, 2, 3, 5, 6, 7, 10, 11] { words["5.2.\(n)"] = ["MUST": 1] }
        for n in [4, 8, 14, 15] { words["5.2.\(n)"] = ["SHOULD": 1, "MUST": 1] }
        for n in 8...11 { words["5.6.\(n)"] = ["SHOULD": 1] }
        return words
    }()

    @Test func everyRequirementHasItsRow() throws {
        var found: [String: [String: Int]] = [:]
        for row in try Document("docs/conformance.md").rows where row.count == 5 && row[1] != "—" {
            let parts = row[1].split(separator: " ×")
            let count = parts.count == 2 ? try #require(Int(parts[1]), "\(row[1])") : 1
            found[row[0], default: [:]][String(parts[0]), default: 0] += count
        }
        for section in Set(found.keys).union(Self.words.keys).sorted() {
            #expect(found[section] == Self.words[section], "section \(section)")
        }
        #expect(Self.words.values.flatMap(\.values).reduce(0, +) == 72)
    }

    @Test func noCellIsEmpty() throws {
        let rows = try Document("docs/conformance.md").rows
        #expect(rows.count > 80)
        for row in rows { #expect((row.count == 5 || row.count == 4) && !row.contains(""), "\(row)") }
        #expect(rows.filter { $0.count == 4 }.map { $0[0] } == (1...12).map(String.init), "error codes")
    }

    /// What may be said in place of the name of a test, and only where nothing is there to test.
    @Test func everyRowHasATest() throws {
        for row in try Document("docs/conformance.md").rows {
            let names = Document.code(try #require(row.last))
            let isThere = !names.isEmpty && names.allSatisfy { Self.isTest($0) }
            #expect(isThere || row[row.count - 2].hasPrefix("**not yet**"), "\(row)")
        }
    }

    @Test func everythingNamedIsThere() throws {
        for line in try Document("docs/conformance.md").lines {
            for name in Document.code(line) where !["Type.member", "Suite.test", "lab NAME"].contains(name) {
                #expect(Self.isPath(name) || Self.isTest(name) || Self.isDeclared(name), "\(name)")
            }
        }
    }

    private static func isPath(_ name: String) -> Bool { !name.contains(" ") && Repository.exists(name) }

    /// "Suite", "Suite.test" or "lab scenario".
    private static func isTest(_ name: String) -> Bool {
        if name.hasPrefix("lab ") {
            let file = name.dropFirst(4).replacing("-", with: "_")
            return Repository.exists("lab/scenarios/\(file).py")
        }
        let parts = name.split(separator: ".").map(String.init)
        let suites = Repository.tests.compactMap { $0.tests[parts[0]] }
        return parts.count == 1 ? !suites.isEmpty : parts.count == 2 && suites.contains { $0.contains(parts[1]) }
    }

    /// "Type", or "Type.member": in files of Sources that declare or extend the type.
    private static func isDeclared(_ name: String) -> Bool {
        let parts = name.split(separator: ".").map(String.init)
        let files = Repository.sources.filter { $0.types.contains(parts[0]) }
        return !files.isEmpty && parts.dropFirst().allSatisfy { part in files.contains { $0.members.contains(part) } }
    }

    // MARK: The other documents

    /// Rows that name files: what else they name in code is declared there.
    @Test func whereThingsAreHandled() throws {
        let rows = try Document("docs/how-it-works.md").rows.filter { $0.contains { $0.hasPrefix("`Sources/") } }
        #expect(rows.count > 20)
        for row in rows {
            let names = row.dropFirst().flatMap { Document.code($0) }
            let files = Repository.sources.filter { names.contains($0.path) }
            for name in names where !name.hasPrefix("Sources/") {
                let found = files.contains { $0.members.contains(name) || $0.types.contains(name) }
                #expect(found, "\(name) in \(files.map(\.path))")
            }
        }
    }

    @Test func everyScenarioIsDescribed() throws {
        let named = Set(try Document("docs/lab.md").rows.flatMap { Document.code($0[0]) })
        let files = try Repository.names(in: "lab/scenarios").filter { $0.hasSuffix(".py") && !$0.hasPrefix("__") }
        #expect(named == Set(files.map { String($0.dropLast(3)).replacing("_", with: "-") }))
    }

    /// `make kernel` finds them by their suites' names.
    @Test func testsOnTheKernelAreNamedSo() throws {
        var found = 0
        for file in Repository.tests where !file.path.contains("/Support/") {
            var suite = ""
            // A trait stands in the line before the suite where both are too long for one.
            var isNext = false
            for line in try Repository.text(file.path).split(separator: "\n") {
                let hasTrait = line.contains("@") && (line.contains(".kernel") || line.contains("SPILLWAY_KERNEL_TESTS\"]"))
                if !line.hasPrefix(" "), let name = line.firstMatch(of: /struct (\w+)/)?.1 { suite = String(name) }
                let isSuite = line.contains("struct ")
                if isNext || hasTrait && (isSuite || line.contains("@Test")) {
                    #expect(suite.hasSuffix("KernelTests"), "\(suite) in \(file.path)")
                    found += 1
                }
                isNext = hasTrait && line.contains("@Suite") && !isSuite
            }
        }
        #expect(found > 30)
    }

    @Test(arguments: Repository.documents)
    func pathsExist(document: String) throws {
        let folders = ["Sources/", "Tests/", "Examples/", "lab/", "docs/", "deploy/", "fuzz/", "bench/"]
        // Made by running something, or a command with its arguments.
        let made = ["lab/out", "lab/.cache"]
        for line in try Document(document).lines {
            for name in Document.code(line) {
                guard let path = name.split(separator: " ").first.map(String.init),
                    folders.contains(where: path.hasPrefix), !made.contains(where: path.hasPrefix),
                    !path.contains("*")
                else { continue }
                #expect(Repository.exists(path), "\(path)")
            }
            for part in line.split(separator: "](").dropFirst() {
                let link = part.prefix { $0 != ")" && $0 != "#" }
                guard !link.isEmpty, !link.contains("://") else { continue }
                #expect(Repository.exists("\(document.hasPrefix("docs/") ? "docs/" : "")\(link)"), "\(link)")
            }
        }
    }
}
