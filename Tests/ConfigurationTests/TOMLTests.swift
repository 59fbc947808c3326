import Testing

@testable import Configuration

@Suite struct TOMLTests {
    private func parse(_ text: String) throws -> [String: TOMLNode] {
        guard case .table(let entries) = try TOMLParser.parse(Array(text.utf8), file: "t").value else { return [:] }
        return entries
    }

    private func problem(_ text: String) -> ConfigurationProblem? {
        do {
            _ = try TOMLParser.parse(Array(text.utf8), file: "t")
            return nil
        } catch {
            return error.problems.first
        }
    }

    @Test func readsEachKind() throws {
        let entries = try parse(
            """
            s = "a\\u0000b"
            i = 0xf0000000
            f = 1.5
            b = true
            d = 2025-01-01
            a = [1, "x", []]
            "odd key" = 1
            [t.u]
            v = 1
            [[l]]
            n = 1
            [[l]]
            n = 2
            """)
        guard case .string("a\0b") = entries["s"]?.value, case .integer(0xF000_0000) = entries["i"]?.value,
            case .float(1.5) = entries["f"]?.value, case .boolean(true) = entries["b"]?.value,
            case .dateTime = entries["d"]?.value, case .integer(1) = entries["odd key"]?.value,
            case .array(let array) = entries["a"]?.value, case .integer(1) = array[0].value,
            case .string("x") = array[1].value, case .array(let empty) = array[2].value,
            case .table(let t) = entries["t"]?.value, case .table(let u) = t["u"]?.value,
            case .array(let list) = entries["l"]?.value, case .table(let first) = list[0].value,
            case .integer(1) = first["n"]?.value
        else {
            Issue.record("\(entries)")
            return
        }
        #expect(array.count == 3 && empty.isEmpty && list.count == 2 && list.isArrayOfTables)
        #expect(u["v"]?.location == SourceLocation(file: "t", line: 9, column: 1))
        #expect(list[1].location.line == 12)
    }

    @Test func reportsWhereTheSyntaxIsWrong() {
        #expect(problem("a = 1\nb = = 2")?.line == 2)
        #expect(problem("a = 1\na = 2")?.line == 2)
        #expect(problem("a = \"")?.reason.hasPrefix("not TOML: ") == true)
        #expect(problem("a = \"\u{1}\"")?.line == 1)
        #expect(problem("x = 1\n\na = [\n1, , 2]\n")?.line == 4)
        #expect(problem("a = 1\n \u{FD76}b = 1")?.line == 2)
        #expect(problem("a = \"\"\"\\\n\u{FD76}\"\"\"") == nil)
        #expect(problem("\u{FEFF}a = \"é\" # é") == nil)
        #expect(problem("") == nil)
    }

    @Test func refusesBytesThatAreNotUTF8() {
        #expect(throws: ConfigurationError.self) { try TOMLParser.parse([0x61, 0x3D, 0x22, 0xFF, 0x22], file: "t") }
        #expect(throws: ConfigurationError.self) { try TOMLParser.parse([0, 0, 0], file: "t") }
    }

    @Test func limitsDepth() {
        let dots = Array(repeating: "a", count: 16).joined(separator: ".")
        #expect(problem("[\(dots)]") == nil)
        #expect(problem("\n[\(dots).a]") == ConfigurationProblem(
            file: "t", line: 2, column: 33, reason: "not TOML: a key has more than 16 parts"))
        for text in [
            String(repeating: "a.", count: 400_000) + "a = 1", "[" + String(repeating: "\"=\".", count: 200_000) + "a]",
            "x = '''\n''''' \n" + String(repeating: "'\"'.", count: 200_000) + "a = 1",
            "x = \"\"\"\\\"\"\"\"\n" + String(repeating: "a . ", count: 200_000) + "a = 1",
            "a = " + String(repeating: "[", count: 500_000), "a = " + String(repeating: "{a=", count: 300_000),
        ] {
            #expect(problem(text) != nil)
        }
    }

    @Test func dotsOutsideKeysDoNotCount() {
        let many = String(repeating: ".", count: 100)
        #expect(problem("a = \"\(many)\" # \(many)\nb = '\(many)'\nc = '''\n\(many)'''\nd = \"\"\"\\\"\n\(many)\"\"\"") == nil)
        let numbers = Array(repeating: "1.5", count: 100).joined(separator: ", ")
        #expect(problem("a = [\(numbers)]") == nil)
    }

    /// Whatever stands in a file, it is read or refused: never the end of the process.
    @Test func survivesDamage() {
        let text = Array(gateway(top: "lan = [\"a\", 'b']", more: "[tunnel]\nmtu = 1400\nx = 1979-05-27T07:32:00Z").utf8)
        var state: UInt64 = 1
        var refused = 0
        for _ in 0..<3000 {
            var damaged = text
            for _ in 0..<3 where !damaged.isEmpty {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let place = Int(state >> 33) % damaged.count
                switch state >> 20 & 3 {
                case 0: damaged[place] = UInt8(truncatingIfNeeded: state >> 24)
                case 1: damaged.remove(at: place)
                case 2: damaged.insert(Array("[]{}\"'.=,\\\n#".utf8)[Int(state >> 25 & 0xFF) % 12], at: place)
                default: damaged = Array(damaged[..<max(1, place)])
                }
            }
            let machine = Machine(files: [:])
            var context = machine.context
            let bytes = damaged
            context.read = { (_, _) throws(ConfigurationError) -> [UInt8] in bytes }
            do {
                _ = try Configuration.load(path: "a.toml", context: context)
            } catch {
                refused += 1
                #expect(!error.problems.isEmpty)
            }
        }
        #expect(refused > 2000)
    }
}
