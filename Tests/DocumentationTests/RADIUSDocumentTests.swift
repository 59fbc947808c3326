import Testing

/// docs/radius.md and the dictionary know the attributes that the code knows, by the same numbers.
@Suite struct RADIUSDocumentTests {
    /// "own 1" or "44" by name.
    private static func known() throws -> [String: String] {
        var found: [String: String] = [:]
        for line in try Repository.text("Sources/RADIUS/Wire/Attributes.swift").split(separator: "\n") {
            for (marker, prefix) in [(".standard(", ""), (".own(", "own ")] {
                guard let start = line.firstRange(of: marker)?.upperBound else { continue }
                let number = line[start...].prefix { $0.isNumber }
                let quoted = line.split(separator: "\"")
                if quoted.count > 1, !number.isEmpty { found[String(quoted[1])] = "\(prefix)\(number)" }
            }
        }
        // Sources/RADIUS/Wire/LegAttributes.swift composes these.
        let counters = [
            "Input-Octets", "Output-Octets", "Input-Gigawords", "Output-Gigawords", "Input-Packets", "Output-Packets",
        ]
        for (leg, base) in [("DSL", 16), ("LTE", 24)] {
            for (place, counter) in counters.enumerated() { found["Spillway-\(leg)-\(counter)"] = "own \(base + place)" }
        }
        return found
    }

    @Test func theTableIsThatOfTheCode() throws {
        var documented: [String: String] = [:]
        for row in try Document("docs/radius.md").rows {
            for name in Document.code(row[0]) { documented[name] = row[1] }
        }
        let known = try Self.known()
        #expect(known.count > 50)
        #expect(documented == known)
    }

    @Test func theDictionaryIsThatOfTheCode() throws {
        var found: [String: String] = [:]
        for line in try Repository.text("deploy/radius/dictionary.spillway").split(separator: "\n") {
            let words = line.split { $0 == "\t" || $0 == " " }.map(String.init)
            guard words.first == "ATTRIBUTE" else { continue }
            #expect(words.count == 4 && words[3] == "integer", "\(line)")
            found[words[1]] = "own \(words[2])"
        }
        #expect(found == (try Self.known()).filter { $0.value.hasPrefix("own") })
    }
}
