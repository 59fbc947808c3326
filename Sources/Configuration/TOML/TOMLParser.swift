import CTOML

/// TOML 1.0 text to a tree. The root is always a table.
enum TOMLParser {
    /// Throws the first error of the text: after a syntax error nothing that follows can be trusted.
    static func parse(_ text: [UInt8], file: String) throws(ConfigurationError) -> TOMLNode {
        let document = text.withUnsafeBytes { bytes in
            spillway_toml_parse(bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
        }
        guard let document else {
            throw ConfigurationError(file: file, reason: "not enough memory to read it")
        }
        defer { spillway_toml_free(document) }

        var line: UInt32 = 0
        var column: UInt32 = 0
        if let message = spillway_toml_error(document, &line, &column) {
            throw ConfigurationError(problems: [
                ConfigurationProblem(
                    file: file, line: Int(line), column: Int(column), reason: "not TOML: \(String(cString: message))")
            ])
        }
        var count = 0
        guard let base = spillway_toml_nodes(document, &count), count > 0 else {
            throw ConfigurationError(file: file, reason: "not TOML")
        }
        return tree(UnsafeBufferPointer(start: base, count: count), file: file)
    }

    /// Children stand after their parent, so from the end each node is complete when its turn comes.
    private static func tree(_ nodes: UnsafeBufferPointer<spillway_toml_node>, file: String) -> TOMLNode {
        var tables: [Int: [String: TOMLNode]] = [:]
        var arrays: [Int: [TOMLNode]] = [:]
        for i in nodes.indices.dropFirst().reversed() {
            let node = nodes[i]
            let complete = TOMLNode(
                value: value(of: node, table: tables.removeValue(forKey: i), array: arrays.removeValue(forKey: i)),
                location: SourceLocation(file: file, line: Int(node.line), column: Int(node.column)))
            if node.key != nil {
                let key = text(node.key, node.key_length)
                tables[Int(node.parent), default: [:]][key] = complete
            } else {
                arrays[Int(node.parent), default: []].append(complete)
            }
        }
        return TOMLNode(
            value: .table(tables[0] ?? [:]), location: SourceLocation(file: file, line: 1, column: nil))
    }

    private static func value(
        of node: spillway_toml_node, table: [String: TOMLNode]?, array: [TOMLNode]?
    ) -> TOMLValue {
        switch node.kind {
        case SPILLWAY_TOML_TABLE: .table(table ?? [:])
        case SPILLWAY_TOML_ARRAY: .array((array ?? []).reversed())
        case SPILLWAY_TOML_STRING: .string(text(node.string, node.string_length))
        case SPILLWAY_TOML_INTEGER: .integer(node.integer)
        case SPILLWAY_TOML_FLOAT: .float(node.floating)
        case SPILLWAY_TOML_BOOLEAN: .boolean(node.boolean)
        default: .dateTime
        }
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ length: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : length), as: UTF8.self)
    }
}

extension ConfigurationError {
    /// One problem with a file as a whole.
    init(file: String, reason: String) {
        self.init(problems: [ConfigurationProblem(file: file, line: 0, reason: reason)])
    }
}
