import GREBonding

/// `[[filter_list]]`, and the names that refer to one.
final class FilterListDecoder {
    private let problems: ProblemCollector
    private let context: LoadContext
    private let isTooMany: Bool
    private var locations: [String: SourceLocation] = [:]
    private(set) var lists: [String: [FilterItem]] = [:]

    init(_ table: TableReader, context: LoadContext) {
        problems = table.problems
        self.context = context
        // Each list may name a file: without a limit, few lines could ask for any amount of memory.
        let count = if case .array(let array) = table.entries["filter_list"]?.value { array.count } else { 0 }
        isTooMany = count > 256
        if isTooMany {
            _ = table.node("filter_list")
            table.report("filter_list", "\(count) lists is out of range: at most 256")
        } else {
            _ = table.sections("filter_list") { decodeOne($0) }
        }
    }

    /// The name of a list that there is.
    func reference(_ key: String, in table: TableReader) -> String? {
        guard let name = table.value(key, String.self, expected: "the name of a filter list") else { return nil }
        guard !isTooMany, locations[name] == nil else { return name }
        table.report(key, "there is no [[filter_list]] with the name \"\(name)\"")
        return nil
    }

    private func decodeOne(_ table: TableReader) {
        let name = name(table)
        var items = table.sections("item") { FilterItemDecoder($0).item() }
        items += context.include("file", of: table, limit: LoadContext.filterListLimit) { file in
            file.sections("item") { FilterItemDecoder($0).item() }
        } ?? []
        checkLength(items, table)
        if let name { lists[name] = items }
    }

    private func name(_ table: TableReader) -> String? {
        guard let name = table.value("name", String.self, required: true, expected: "a name") else { return nil }
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            table.report("name", "\"\(name)\" is not 1…64 printable ASCII characters")
            return nil
        }
        if let earlier = locations[name] {
            table.report("name", "\"\(name)\" is already that of another list (\(earlier.file):\(earlier.line))")
            return nil
        }
        locations[name] = table.location(of: "name")
        return name
    }

    /// The standard has no limit below 65535 packages; the one here is that of this program's own gateways.
    private func checkLength(_ items: [FilterItem], _ table: TableReader) {
        let limits = FilterListAssembler.Limits()
        let packages = (try? FilterListPackage.split(items, commitCount: 0).count) ?? Int.max
        if items.count > limits.items {
            problems.add(table.location, "\(table.path): \(items.count) items is out of range: at most \(limits.items)")
        } else if packages > limits.packages {
            problems.add(
                table.location,
                "\(table.path): does not fit into \(limits.packages) packages of "
                    + "\(FilterListPackage.maximumLength) bytes")
        }
    }
}
