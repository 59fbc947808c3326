/// A JSON object as indented lines for a person: names and values, without quotes, braces and commas.
enum Indented {
    static func text(ofJSON json: String) -> String {
        var lines: [String] = []
        var line = ""
        var depth = -1
        var inString = false
        var escaped = false
        func end() {
            if !line.isEmpty { lines.append(String(repeating: "  ", count: max(0, depth)) + line) }
            line = ""
        }
        for character in json {
            if inString {
                if escaped {
                    line.append(character)
                    escaped = false
                } else if character == "\\" {
                    escaped = true
                } else if character == "\"" {
                    inString = false
                } else {
                    line.append(character)
                }
                continue
            }
            switch character {
            case "\"": inString = true
            case "{", "[":
                end()
                depth += 1
            case "}", "]":
                end()
                depth -= 1
            case ",": end()
            case ":": line += ": "
            default: line.append(character)
            }
        }
        end()
        return lines.joined(separator: "\n")
    }
}
