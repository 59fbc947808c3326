import Formatting
public import Logging

/// How an event becomes a line.
public struct LineFormat: Hashable, Sendable {
    public enum Style: Hashable, Sendable {
        /// `level=info reason=leg-up message="DSL leg is up" bond=17`
        case text
        /// The same members as one JSON object; every value is a string.
        case json
    }

    public var style: Style
    /// Lines begin with the syslog priority (`<6>`) that the journal takes off again. The journal has its own clock,
    /// so `time` is left out.
    public var isJournal: Bool

    public init(style: Style, isJournal: Bool) {
        self.style = style
        self.isJournal = isJournal
    }

    /// One line without its line feed. `time` is shown only outside the journal; fields are sorted by name, `reason`
    /// first.
    public func line(
        level: Logger.Level, message: String, fields: [String: String], time: @autoclosure () -> String
    ) -> String {
        var pairs: [(String, String)] = isJournal ? [] : [("time", time())]
        pairs.append(("level", level.rawValue))
        if let reason = fields["reason"] { pairs.append(("reason", reason)) }
        pairs.append(("message", message))
        pairs += fields.filter { $0.key != "reason" }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }

        let prefix = isJournal ? "<\(Self.priority(of: level))>" : ""
        switch style {
        case .text: return prefix + pairs.map { "\($0.0)=\(Self.textValue($0.1))" }.joined(separator: " ")
        case .json:
            var object = JSONObject()
            for (key, value) in pairs { object.add(key, value) }
            return prefix + object.description
        }
    }

    /// The syslog priority (RFC 5424 §6.2.1).
    static func priority(of level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    /// Quoted where it would otherwise not read back as one value.
    private static func textValue(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x3D && $0 < 0x7F }
        return isPlain ? value : JSONText.quoted(value)
    }
}
