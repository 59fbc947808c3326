import Formatting
import GREBonding
import NFTables

/// A question or order from the control socket: words in one line.
public enum Request: Hashable, Sendable {
    /// `status`, and which bonds are wanted
    case status(StatusQuery)
    /// `diagnose bonding|dsl|lte SECONDS`, `diagnose end` (RFC 8157 §5.6.8–§5.6.11)
    case diagnose(Diagnostic?, Duration)
    /// `drain` (RFC 8157 §5.5)
    case drain
    /// `reload`, `reload dry`: takes what it can of the settings file as it is now; `dry` only says what differs.
    case reload(isDry: Bool)
    /// `monitor`, `monitor all`: events from now on; with `all` those that are frequent, too.
    case monitor(all: Bool)
    /// `top N`: the facts, with so many of the busiest and of the unhealthiest bonds.
    case top(Int)
    /// `explain PROTOCOL SOURCE DESTINATION`, and what else is known of a flow: what becomes of it.
    case explain(Flow)

    /// 1…3600 s.
    static let diagnosticLimit = 3600

    /// Bonds of each kind.
    public static let topLimit = 1000

    init?(_ line: String) {
        let words = line.split(separator: " ")
        switch (words.first, words.count) {
        case ("status", _):
            guard let query = StatusQuery(line.drop { $0 == " " }.dropFirst("status".count)) else { return nil }
            self = .status(query)
        case ("drain", 1): self = .drain
        case ("reload", 1): self = .reload(isDry: false)
        case ("reload", 2) where words[1] == "dry": self = .reload(isDry: true)
        case ("explain", _):
            guard let flow = Flow(Array(words.dropFirst())) else { return nil }
            self = .explain(flow)
        case ("top", 2):
            guard let count = Int(words[1]), (0...Self.topLimit).contains(count) else { return nil }
            self = .top(count)
        case ("monitor", 1): self = .monitor(all: false)
        case ("monitor", 2) where words[1] == "all": self = .monitor(all: true)
        case ("diagnose", 2) where words[1] == "end": self = .diagnose(nil, .zero)
        case ("diagnose", 3):
            guard let kind = Diagnostic.allCases.first(where: { $0.name == words[1] }), let seconds = Int(words[2]),
                (1...Self.diagnosticLimit).contains(seconds)
            else { return nil }
            self = .diagnose(kind, .seconds(Int64(seconds)))
        default: return nil
        }
    }

    public var line: String {
        switch self {
        case .status(let query): query.words.isEmpty ? "status" : "status \(query.words)"
        case .drain: "drain"
        case .reload(let isDry): isDry ? "reload dry" : "reload"
        case .explain(let flow): "explain \(flow.words)"
        case .top(let count): "top \(count)"
        case .monitor(let all): all ? "monitor all" : "monitor"
        case .diagnose(nil, _): "diagnose end"
        case .diagnose(let kind?, let duration): "diagnose \(kind.name) \(duration.milliseconds / 1000)"
        }
    }
}

/// What comes back for an order.
enum Answer {
    static func done(unless reason: String?) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("done", reason == nil)
        if let reason { object.add("reason", reason) }
        return object.description
    }
}

extension Diagnostic {
    /// "bonding", "dsl", "lte"
    public var name: String {
        switch self {
        case .bonding: "bonding"
        case .dsl: "dsl"
        case .lte: "lte"
        }
    }
}

extension JSONObject {
    init(_ traffic: LegTraffic) {
        self.init()
        add("received_packets", traffic.received.packets)
        add("received_bytes", traffic.received.bytes)
        add("sent_packets", traffic.sent.packets)
        add("sent_bytes", traffic.sent.bytes)
    }
}

extension LegID {
    /// "dsl", "lte"
    var statusName: String { self == .primary ? "dsl" : "lte" }
}
