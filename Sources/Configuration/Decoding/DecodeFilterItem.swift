import GREBonding

/// `[[filter_list.item]]`, and the gateway's own lists: one key says what to match.
struct FilterItemDecoder {
    private let table: TableReader

    init(_ table: TableReader) { self.table = table }

    /// nil, with the reason reported, where it is none.
    /// - Parameter wildcards: whether host names may be `*.example.net`: not where the item is to be sent
    func item(wildcards: Bool = false) -> FilterItem? {
        let description = table.value("description", String.self, expected: "a text")
        let isEnabled = table.boolean("enabled")
        let values = FilterItem.Kind.allCases.compactMap { kind in table.node(kind.key).map { (kind, $0.value) } }
        guard let (kind, value) = values.first, values.count == 1 else {
            let keys = (values.isEmpty ? FilterItem.Kind.allCases : values.map(\.0)).map(\.key)
            table.problems.add(
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
            FilterItem(kind, enabled: isEnabled ?? true, description: description ?? "", value: text), kind, wildcards)
    }

    /// What a gateway would ignore, or never get, is not sent.
    private func checked(_ item: FilterItem, _ kind: FilterItem.Kind, _ wildcards: Bool) -> FilterItem? {
        do throws(FilterRuleError) {
            _ = try FilterRule(item, wildcards: wildcards)
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

extension TableReader {
    /// `[[pin]]`
    /// - Parameter areOfAnswers: what is looked at are the answers, which hold no host name and no Ethernet address
    func pins(areOfAnswers: Bool = false) -> [Pin] {
        let pins = sections("pin") { table -> Pin? in
            let leg = table.choice("leg", Pin.Leg.self, required: true)
            let item = FilterItemDecoder(table).item(wildcards: true)
            guard let leg, let item else { return nil }
            if areOfAnswers, let kind = item.kind, kind == .fqdn || kind == .sourceMAC {
                table.report(kind.key, "packets on their way to gateways do not tell it: say an address instead")
                return nil
            }
            return Pin(item, leg)
        }
        checkItems(pins.count, "pin")
        return pins
    }

    /// As many as a list of the aggregation point may have.
    func checkItems(_ count: Int, _ key: String) {
        let limit = FilterListAssembler.Limits().items
        if count > limit { report(key, "\(count) items is out of range: at most \(limit)") }
    }
}
