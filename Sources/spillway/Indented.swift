/// A JSON value as indented lines for a person: names and values, without quotes, braces and commas.
enum Indented {
    static func lines(of value: JSONValue) -> [String] {
        var lines: [String] = []
        add(value, depth: 0, to: &lines)
        return lines
    }

    /// The lines of what is inside an object or a list.
    private static func add(_ value: JSONValue, depth: Int, to lines: inout [String]) {
        let indent = String(repeating: "  ", count: depth)
        for (name, member) in value.members {
            lines.append("\(indent)\(name): \(scalar(member) ?? "")")
            add(member, depth: depth + 1, to: &lines)
        }
        for element in value.elements {
            if let text = scalar(element) { lines.append(indent + text) }
            add(element, depth: depth + 1, to: &lines)
        }
    }

    /// nil for an object or a list.
    private static func scalar(_ value: JSONValue) -> String? {
        switch value {
        case .object, .array: nil
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .bool(let value): "\(value)"
        case .null: "null"
        }
    }
}
