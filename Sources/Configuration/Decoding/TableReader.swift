import Addresses

/// Reads one table key by key. Each accessor returns nil and reports why when the value is unusable, and nil without
/// a word when an optional key is absent. The keys that were asked for are the known ones: ``finish()`` reports the
/// others.
final class TableReader {
    /// "dsl" or "session"; empty for the file's top level.
    let path: String
    let location: SourceLocation
    let problems: ProblemCollector
    let entries: [String: TOMLNode]
    private var asked: [String] = []

    init(path: String, location: SourceLocation, entries: [String: TOMLNode], problems: ProblemCollector) {
        self.path = path
        self.location = location
        self.entries = entries
        self.problems = problems
    }

    /// The name of `key` as messages show it.
    func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func location(of key: String) -> SourceLocation { entries[key]?.location ?? location }

    func report(_ key: String, _ reason: String) { problems.add(location(of: key), "\(name(key)): \(reason)") }

    /// The node of `key`; reports a required key that is absent.
    func node(_ key: String, required: Bool = false) -> TOMLNode? {
        asked.append(key)
        if let node = entries[key] { return node }
        if required { problems.add(location, "\(name(key)): required, but missing") }
        return nil
    }

    /// Reports each key that was never asked for, with the nearest one that was.
    func finish() {
        let known = Set(asked)
        problems.knownKeys.formUnion(known)
        for (key, node) in entries where !known.contains(key) {
            let hint = Spelling.nearest(to: key, among: asked).map { "; did you mean \"\($0)\"?" } ?? ""
            problems.add(node.location, "\(name(key)): unknown key\(hint)")
        }
    }

    // MARK: values

    /// A value that is written as a string and whose type reads itself.
    func value<T: LosslessStringConvertible>(
        _ key: String, _ type: T.Type = T.self, required: Bool = false, expected: String
    ) -> T? {
        guard let node = node(key, required: required) else { return nil }
        return parse(node, key: key, expected: expected)
    }

    /// One string or an array of strings.
    func list<T: LosslessStringConvertible>(
        _ key: String, _ type: T.Type = T.self, required: Bool = false, expected: String
    ) -> [(value: T, location: SourceLocation)] {
        guard let node = node(key, required: required) else { return [] }
        let elements: [TOMLNode] = if case .array(let array) = node.value { array } else { [node] }
        return elements.compactMap { element in
            parse(element, key: key, expected: expected).map { ($0, element.location) }
        }
    }

    private func parse<T: LosslessStringConvertible>(_ node: TOMLNode, key: String, expected: String) -> T? {
        guard case .string(let text) = node.value else {
            problems.add(node.location, "\(name(key)): expected \(expected), found \(node.value.kind)")
            return nil
        }
        guard let value = T(text) else {
            problems.add(node.location, "\(name(key)): expected \(expected), found \"\(text)\"")
            return nil
        }
        return value
    }

    func boolean(_ key: String) -> Bool? {
        guard let node = node(key) else { return nil }
        guard case .boolean(let value) = node.value else {
            report(key, "expected true or false, found \(node.value.kind)")
            return nil
        }
        return value
    }

    /// A whole number in `range`, in multiples of `step`.
    func integer(
        _ key: String, required: Bool = false, in range: ClosedRange<Int64>, step: Int64 = 1, unit: String = ""
    ) -> Int64? {
        guard let node = node(key, required: required) else { return nil }
        guard case .integer(let value) = node.value else {
            report(key, "expected an integer, found \(node.value.kind)")
            return nil
        }
        guard range.contains(value), value % step == 0 else {
            let suffix = unit.isEmpty ? "" : " \(unit)"
            let steps = step == 1 ? "" : " in steps of \(step)"
            report(key, "\(value)\(suffix) is out of range: \(range.lowerBound)…\(range.upperBound)\(suffix)\(steps)")
            return nil
        }
        return value
    }

    /// One of the raw values of `T`.
    func choice<T: RawRepresentable & CaseIterable>(_ key: String, _ type: T.Type = T.self, required: Bool = false)
        -> T? where T.RawValue == String
    {
        let expected = T.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
        guard let node = node(key, required: required) else { return nil }
        guard case .string(let text) = node.value else {
            report(key, "expected \(expected), found \(node.value.kind)")
            return nil
        }
        guard let value = T(rawValue: text) else {
            report(key, "expected \(expected), found \"\(text)\"")
            return nil
        }
        return value
    }

    // MARK: tables

    /// Reads the table `key`; an absent one is read as if it were empty unless it is required.
    func section<T>(_ key: String, required: Bool = false, _ read: (TableReader) -> T?) -> T? {
        let node = node(key, required: required)
        if node == nil && required { return nil }
        var entries: [String: TOMLNode] = [:]
        if let node {
            guard case .table(let table) = node.value else {
                report(key, "expected a table, found \(node.value.kind)")
                return nil
            }
            entries = table
        }
        let reader = TableReader(
            path: name(key), location: node?.location ?? location, entries: entries, problems: problems)
        defer { reader.finish() }
        return read(reader)
    }

    /// Reads each table of the array `key`.
    func sections<T>(_ key: String, _ read: (TableReader) -> T?) -> [T] {
        guard let node = node(key) else { return [] }
        guard case .array(let array) = node.value, array.isEmpty || array.isArrayOfTables else {
            report(key, "expected an array of tables ([[\(name(key))]]), found \(node.value.kind)")
            return []
        }
        return array.compactMap { element in
            guard case .table(let table) = element.value else { return nil }
            let reader = TableReader(
                path: name(key), location: element.location, entries: table, problems: problems)
            defer { reader.finish() }
            return read(reader)
        }
    }
}
