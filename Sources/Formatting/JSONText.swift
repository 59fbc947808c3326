/// Writes JSON (RFC 8259) without a library: objects keep the order in which members were added.
public struct JSONObject: Sendable, CustomStringConvertible {
    private var members: [String] = []

    public init() {}

    public mutating func add(_ key: String, _ value: String) { addRaw(key, JSONText.quoted(value)) }
    public mutating func add(_ key: String, _ value: some BinaryInteger) { addRaw(key, String(value)) }
    public mutating func add(_ key: String, _ value: Bool) { addRaw(key, value ? "true" : "false") }
    public mutating func add(_ key: String, _ value: JSONObject) { addRaw(key, value.description) }
    public mutating func add(_ key: String, _ values: [String]) {
        addRaw(key, "[\(values.map(JSONText.quoted).joined(separator: ","))]")
    }
    public mutating func add(_ key: String, _ values: [JSONObject]) {
        addRaw(key, "[\(values.map(\.description).joined(separator: ","))]")
    }

    /// `json` has to be a JSON value already.
    public mutating func addRaw(_ key: String, _ json: String) { members.append("\(JSONText.quoted(key)):\(json)") }

    public var description: String { "{\(members.joined(separator: ","))}" }
}

public enum JSONText {
    /// A JSON string. Control characters are escaped; everything else stays as it is.
    public static func quoted(_ text: String) -> String {
        var result: [UInt8] = [0x22]
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C: result += [0x5C, byte]
            case 0x0A: result += "\\n".utf8
            case 0x0D: result += "\\r".utf8
            case 0x09: result += "\\t".utf8
            case 0..<0x20, 0x7F: result += "\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: result.append(byte)
            }
        }
        result.append(0x22)
        return String(decoding: result, as: UTF8.self)
    }
}
