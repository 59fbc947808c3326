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
        var items = table.sections("item") { item($0) }
        items += context.include("file", of: table, limit: LoadContext.fileLimit) { file in
            file.sections("item") { item($0) }
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

    private func item(_ table: TableReader) -> FilterItem? {
        let description = table.value("description", String.self, expected: "a text")
        let isEnabled = table.boolean("enabled")
        let values = FilterItem.Kind.allCases.compactMap { kind in table.node(kind.key).map { (kind, $0.value) } }
        guard let (kind, value) = values.first, values.count == 1 else {
            let keys = (values.isEmpty ? FilterItem.Kind.allCases : values.map(\.0)).map(\.key)
            problems.add(
                table.location,
                "\(table.path): expected one key that says what to match, found "
                    + (values.isEmpty ? "none of " : "") + keys.joined(separator: ", "))
            return nil
        }
        let text: String
        switch value {
        case .string(let string): text = string
        case .integer(let number) where kind.isNumber: text = String(number)
        default:
            table.report(kind.key, "expected a string\(kind.isNumber ? " or an integer" : ""), found \(value.kind)")
            return nil
        }
        return checked(
            FilterItem(kind, enabled: isEnabled ?? true, description: description ?? "", value: text), kind, table)
    }

    /// What a gateway would ignore, or never get, is not sent.
    private func checked(_ item: FilterItem, _ kind: FilterItem.Kind, _ table: TableReader) -> FilterItem? {
        do throws(FilterRuleError) {
            _ = try FilterRule(item)
        } catch {
            table.report(kind.key, "gateways would ignore \"\(error.value)\": \(error.reason.rawValue)")
            return nil
        }
        guard (try? FilterListPackage.split([item], commitCount: 0)) != nil else {
            table.report(
                "description", "\(item.descriptionBytes.count) bytes, and \(item.value.count) of the value: "
                    + "more than one package of \(FilterListPackage.maximumLength) bytes can hold")
            return nil
        }
        return item
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

extension FilterItem.Kind {
    /// The key of a `[[filter_list.item]]`.
    fileprivate var key: String {
        switch self {
        case .fqdn: "fqdn"
        case .dscp: "dscp"
        case .destinationPort: "destination_port"
        case .destinationIP: "destination_ip"
        case .destinationIPAndPort: "destination_ip_port"
        case .sourcePort: "source_port"
        case .sourceIP: "source_ip"
        case .sourceIPAndPort: "source_ip_port"
        case .sourceMAC: "source_mac"
        case .protocol: "protocol"
        case .sourceIPRange: "source_ip_range"
        case .destinationIPRange: "destination_ip_range"
        case .sourceIPRangeAndPort: "source_ip_range_port"
        case .destinationIPRangeAndPort: "destination_ip_range_port"
        }
    }

    /// Whether the value may be written as an integer.
    fileprivate var isNumber: Bool {
        switch self {
        case .dscp, .destinationPort, .sourcePort: true
        default: false
        }
    }
}
