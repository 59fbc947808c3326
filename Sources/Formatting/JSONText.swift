/// Writes JSON (RFC 8259) without a library: objects keep the order in which members were added.
public struct JSONObject: Sendable, CustomStringConvertible {
    /// The members, with commas between them.
    private var members = ""

    public init() {}

    public mutating func add(_ key: String, _ value: String) {
        begin(key)
        JSONText.append(value, to: &members)
    }
    public mutating func add(_ key: String, _ value: some BinaryInteger) { addRaw(key, String(value)) }
    public mutating func add(_ key: String, _ value: Bool) { addRaw(key, value ? "true" : "false") }
    public mutating func add(_ key: String, _ value: JSONObject) {
        begin(key)
        value.append(to: &members)
    }
    public mutating func add(_ key: String, _ values: [String]) {
        list(key, values) { JSONText.append($0, to: &$1) }
    }
    public mutating func add(_ key: String, _ values: [JSONObject]) {
        list(key, values) { $0.append(to: &$1) }
    }

    /// `json` has to be a JSON value already.
    public mutating func addRaw(_ key: String, _ json: String) {
        begin(key)
        members += json
    }

    public var description: String {
        var text = ""
        text.reserveCapacity(members.utf8.count + 2)
        append(to: &text)
        return text
    }

    private func append(to text: inout String) {
        text += "{"
        text += members
        text += "}"
    }

    private mutating func begin(_ key: String) {
        if !members.isEmpty { members += "," }
        JSONText.append(key, to: &members)
        members += ":"
    }

    private mutating func list<Value>(_ key: String, _ values: [Value], _ append: (Value, inout String) -> Void) {
        begin(key)
        members += "["
        var isFirst = true
        for value in values {
            if !isFirst { members += "," }
            isFirst = false
            append(value, &members)
        }
        members += "]"
    }
}

public enum JSONText {
    /// A JSON string. Control characters are escaped; everything else stays as it is.
    public static func quoted(_ text: String) -> String {
        var result = ""
        append(text, to: &result)
        return result
    }

    static func append(_ text: String, to result: inout String) {
        result += "\""
        // Hardly any text has something to be escaped.
        if text.utf8.allSatisfy({ !isEscaped($0) }) { result += text } else { result += escaped(text) }
        result += "\""
    }

    private static func isEscaped(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F }

    private static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C: result += [0x5C, byte]
            case 0x0A: result += "\\n".utf8
            case 0x0D: result += "\\r".utf8
            case 0x09: result += "\\t".utf8
            case _ where isEscaped(byte): result += "\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
