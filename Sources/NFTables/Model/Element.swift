/// An element of a set or map.
public struct Element: Hashable, Sendable {
    /// One value a field of the set's key.
    public var key: [Value]
    /// The last key of a range that begins with `key` and includes both; nil for the one key.
    public var upper: [Value]?
    /// What a map maps the key to.
    public var data: Datum?
    /// Milliseconds it lives; nil for the set's default.
    public var timeout: UInt64?
    /// Milliseconds it has left; read back only.
    public var expiration: UInt64?
    /// Shown by `nft list`; at most 127 bytes.
    public var comment: String?
    /// What rules attached to the element, such as a counter; read back only.
    public var expressions: [Expression]

    public enum Datum: Hashable, Sendable {
        case value(Value)
        case verdict(RuleVerdict)
        /// The name of an object of the table.
        case object(String)
    }

    public init(
        _ key: Value..., through upper: [Value]? = nil, data: Datum? = nil, timeout: UInt64? = nil,
        comment: String? = nil
    ) {
        self.init(key: key, through: upper, data: data, timeout: timeout, comment: comment)
    }

    public init(
        key: [Value], through upper: [Value]? = nil, data: Datum? = nil, timeout: UInt64? = nil, comment: String? = nil
    ) {
        self.key = key
        self.upper = upper == key ? nil : upper
        self.data = data
        self.timeout = timeout
        self.comment = comment
        expressions = []
    }

    /// What a set with counters has counted for it.
    public var counter: Counter? {
        for case .counter(let counter) in expressions { return counter }
        return nil
    }

    /// Without what time and traffic change: equal for what was asked for and what is there.
    public var definition: Element {
        Element(key: key, through: upper, data: data, timeout: timeout, comment: comment)
    }
}

extension [Value] {
    /// The bytes of a key: fields of a concatenation fill whole registers.
    var keyBytes: [UInt8] { count == 1 ? self[0].bytes : flatMap(\.bytes.paddedToRegisters) }
}
