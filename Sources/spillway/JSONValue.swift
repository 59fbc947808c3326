import CJSON

/// What the daemon answered, read with json-c, which routers have anyway.
indirect enum JSONValue: Equatable {
    case object([(key: String, value: JSONValue)])
    case array([JSONValue])
    case string(String)
    case integer(Int64)
    case number(Double)
    case bool(Bool)
    case null

    /// nil: not JSON.
    init?(_ text: String) {
        guard let object = json_tokener_parse(text) else { return nil }
        defer { json_object_put(object) }
        self.init(object)
    }

    private init(_ object: OpaquePointer?) {
        switch json_object_get_type(object) {
        case json_type_object:
            var members: [(key: String, value: JSONValue)] = []
            var at = json_object_iter_begin(object)
            var end = json_object_iter_end(object)
            while json_object_iter_equal(&at, &end) == 0 {
                if let name = json_object_iter_peek_name(&at) {
                    members.append((String(cString: name), JSONValue(json_object_iter_peek_value(&at))))
                }
                json_object_iter_next(&at)
            }
            self = .object(members)
        case json_type_array:
            self = .array((0..<json_object_array_length(object)).map { JSONValue(json_object_array_get_idx(object, $0)) })
        case json_type_string: self = .string(json_object_get_string(object).map { String(cString: $0) } ?? "")
        case json_type_int: self = .integer(json_object_get_int64(object))
        case json_type_double: self = .number(json_object_get_double(object))
        case json_type_boolean: self = .bool(json_object_get_boolean(object) != 0)
        default: self = .null
        }
    }

    /// A member of an object.
    subscript(_ key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    var members: [(key: String, value: JSONValue)] { if case .object(let members) = self { members } else { [] } }
    var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.object(let a), .object(let b)): a.elementsEqual(b) { $0.key == $1.key && $0.value == $1.value }
        case (.array(let a), .array(let b)): a == b
        case (.string(let a), .string(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.bool(let a), .bool(let b)): a == b
        case (.null, .null): true
        default: false
        }
    }
}
