import Addresses
import Formatting
import NFTables

/// What the kernel's lists say of a flow: read from the rules that one packet of it met (``PolicyTable``).
struct PolicyDecision: Hashable {
    enum Basis: Hashable {
        /// It does not come from the LAN.
        case notOfLAN
        /// It runs, and its connection's mark says what was decided at its beginning.
        case connection
        /// It runs, and nothing was decided at its beginning.
        case undecidedConnection
        case list(MatchGroup)
        /// No item matches.
        case noItem
        /// A rule that is not ours ended it.
        case foreign
    }

    var basis: Basis
    /// What it is given; nil: the bond, packet by packet.
    var way: PolicyTable.Way?
    /// The element that matched.
    var found: RuleWalk.Found?
    /// An item sends it past the bond, but there is no way now.
    var isClosed = false
    /// Sets that could not be asked because something of the packet is not known.
    var notAsked: [String]

    init(_ walk: RuleWalk, way: (UInt32) -> PolicyTable.Way?) {
        self.way = way(walk.packet.mark)
        notAsked = walk.open.compactMap(\.set)
        basis = .noItem
        for hit in walk.hits {
            if let group = MatchGroup.allCases.first(where: { $0.label == hit.rule.chain }) {
                basis = .list(group)
                found = hit.found.last
            } else if hit.rule.chain == "take_bypass", hit.rule.asks(PolicyTable.open.name) {
                isClosed = true
            } else if hit.rule.chain == "choose" {
                if hit.rule.asks("lan") {
                    basis = .notOfLAN
                } else if hit.found.contains(where: { $0.set == "ways" }) {
                    basis = .connection
                } else if hit.rule.looksAtConnection {
                    basis = .undecidedConnection
                } else if case .immediate(.verdict(.jump))? = hit.rule.expressions.last {
                    continue
                } else {
                    basis = .foreign
                }
            }
        }
        if walk.isDropped { basis = .foreign }
    }

    /// The item, as its list describes it; for a host name the address's name.
    var item: String? { found?.element.comment }

    /// "203.0.113.16-203.0.113.31", "[2001:db8::1]-…": what of the list holds the packet.
    var matched: String? {
        guard let element = found?.element else { return nil }
        func text(_ key: [Value]) -> String { key.map(\.text).joined(separator: " ") }
        return text(element.key) + (element.upper.map { " to \(text($0))" } ?? "")
    }

    /// A host name's address: milliseconds that it has left.
    var left: UInt64? { found?.element.expiration }

    private var isName: Bool { found?.set.contains("_names") == true }

    /// In a few words.
    var text: String {
        let undone = isClosed ? "; no way past the bond is open, so it stays in it" : ""
        switch basis {
        case .notOfLAN: return "it does not come from the LAN, and lists are about what does"
        case .connection: return "it runs, and keeps what its first packet was given: \(Self.words(way))"
        case .undecidedConnection: return "it runs, and nothing was decided when it began: the bond"
        case .noItem: return "no item of any list matches"
        case .foreign: return "a rule that is not Spillway's ended it"
        case .list(let group):
            let what =
                isName
                ? "\(matched ?? "") is an address of \(item ?? "") for \((left ?? 0) / 1000) s more"
                : "\"\(item ?? "")\" matches: \(matched ?? "")"
            return "\(group.words): \(what)\(undone)"
        }
    }

    static func words(_ way: PolicyTable.Way?) -> String {
        switch way {
        case .bypass: "past the bond"
        case .dsl: "in the bond, on DSL"
        case .lte: "in the bond, on LTE"
        case nil: "in the bond"
        }
    }

    var json: JSONObject {
        var object = JSONObject()
        switch basis {
        case .notOfLAN: object.add("by", "not_of_lan")
        case .connection: object.add("by", "connection")
        case .undecidedConnection: object.add("by", "connection_without_choice")
        case .noItem: object.add("by", "no_item")
        case .foreign: object.add("by", "foreign_rule")
        case .list(let group):
            object.add("by", "list")
            object.add("list", group.listName)
        }
        object.add("gives", way?.label ?? "bond")
        if let found {
            object.add("item", item ?? "")
            object.add("set", found.set)
            object.add("matched", matched ?? "")
            if isName, let left { object.add("name_left_s", left / 1000) }
        }
        if isClosed { object.add("bypass_closed", true) }
        if !notAsked.isEmpty { object.add("not_asked", notAsked) }
        return object
    }
}

extension MatchGroup {
    /// "pin", "exception", "bypass", "operator"
    var listName: String {
        switch self {
        case .pinDSL, .pinLTE: "pin"
        default: label
        }
    }

    fileprivate var words: String {
        switch self {
        case .pinDSL: "[[pin]] to DSL"
        case .pinLTE: "[[pin]] to LTE"
        case .exception: "[[exception]]"
        case .bypass: "[[bypass]]"
        case .operator: "the aggregation point's list"
        }
    }
}

extension ChainRule {
    fileprivate func asks(_ set: String) -> Bool {
        expressions.contains { if case .lookup(let lookup) = $0 { lookup.set == .named(set) } else { false } }
    }

    fileprivate var looksAtConnection: Bool {
        expressions.contains { if case .connection = $0 { true } else { false } }
    }
}

extension Value {
    /// As a person writes it.
    fileprivate var text: String {
        switch self {
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        case .mark(let mark): "\(mark)"
        case .inetProtocol(let number): "\(number)"
        case .inetService(let port): "\(port)"
        case .interfaceName(let name): name
        // The first two bytes of an IPv6 header: the DSCP is in the middle of them.
        case .integer(let number, length: 2): "\(number >> 6 & 0x3F)"
        case .integer(let number, _): "\(number)"
        case .raw(let bytes) where bytes.count == 1: "\(bytes[0])"
        case .raw(let bytes): bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        }
    }
}
