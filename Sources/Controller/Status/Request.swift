import Formatting
import GREBonding
import NFTables

/// A question or order from the control socket: words in one line.
public enum Request: Hashable, Sendable {
    /// `status`
    case status
    /// `diagnose bonding|dsl|lte SECONDS`, `diagnose end` (RFC 8157 §5.6.8–§5.6.11)
    case diagnose(Diagnostic?, Duration)
    /// `drain` (RFC 8157 §5.5)
    case drain
    /// `monitor`, `monitor all`: events from now on; with `all` those that are frequent, too.
    case monitor(all: Bool)

    /// 1…3600 s.
    static let diagnosticLimit = 3600

    init?(_ line: String) {
        let words = line.split(separator: " ")
        switch (words.first, words.count) {
        case ("status", 1): self = .status
        case ("drain", 1): self = .drain
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
        case .status: "status"
        case .drain: "drain"
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
