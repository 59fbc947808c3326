import Formatting

/// One thing that happened.
public struct Event: Hashable, Sendable {
    public var kind: EventKind
    /// In the order in which they are shown.
    public private(set) var fields: [Field] = []

    public struct Field: Hashable, Sendable {
        public var name: EventField
        public var value: String
    }

    /// Bytes of a value that are kept: what peers send must not fill an environment or a pipe.
    public static let valueLimit = 256

    public init(_ kind: EventKind, _ fields: KeyValuePairs<EventField, any CustomStringConvertible> = [:]) {
        self.kind = kind
        for (name, value) in fields { add(name, value) }
    }

    /// Control characters become blanks: a value is one line, may be a variable of a program's environment, and must not
    /// give orders to a terminal.
    public mutating func add(_ name: EventField, _ value: any CustomStringConvertible) {
        let whole = value.description
        // Nearly all are short and of ASCII.
        if whole.utf8.count <= Self.valueLimit, whole.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            fields.append(Field(name: name, value: whole))
            return
        }
        var text = String.UnicodeScalarView()
        for scalar in whole.unicodeScalars.prefix(Self.valueLimit) {
            text.append(scalar.properties.generalCategory == .control ? " " : scalar)
        }
        fields.append(Field(name: name, value: String(decoding: String(text).utf8.prefix(Self.valueLimit), as: UTF8.self)))
    }

    public subscript(name: EventField) -> String? { fields.first { $0.name == name }?.value }

    /// One JSON object in one line. `time`: RFC 3339.
    public func json(time: String) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("time", time)
        object.add("event", kind.rawValue)
        object.add("severity", kind.severity.rawValue)
        object.add("message", kind.message)
        for field in fields { object.add(field.name.rawValue, field.value) }
        return object.description
    }
}

/// What a hook command is started with.
public enum HookEnvironment {
    /// Besides `PATH`, and what ``EventField/variable`` names.
    public static let always = ["ACTION", "ROLE", "MESSAGE", "SEVERITY", "TIME"]

    /// `role`: "hg" or "haap"; `time`: RFC 3339.
    public static func variables(of event: Event, role: String, time: String) -> [String] {
        let values = [event.kind.rawValue, role, event.kind.message, event.kind.severity.rawValue, time]
        return ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
            + zip(always, values).map { "\($0)=\($1)" } + event.fields.map { "\($0.name.variable)=\($0.value)" }
    }
}
