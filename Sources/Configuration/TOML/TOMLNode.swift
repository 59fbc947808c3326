/// Where something stands in a settings file.
struct SourceLocation: Hashable, Sendable {
    var file: String
    /// From 1; 0 for the file as a whole.
    var line: Int
    /// From 1, in characters.
    var column: Int?
}

/// A TOML value and the place it was read from: that of its key when it has one.
struct TOMLNode: Sendable {
    var value: TOMLValue
    var location: SourceLocation
}

enum TOMLValue: Sendable {
    case table([String: TOMLNode])
    case array([TOMLNode])
    case string(String)
    case integer(Int64)
    case float(Double)
    case boolean(Bool)
    case dateTime

    /// With its article, for messages.
    var kind: String {
        switch self {
        case .table: "a table"
        case .array: "an array"
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a decimal number"
        case .boolean: "true or false"
        case .dateTime: "a date or time"
        }
    }
}

extension TOMLNode {
    /// Takes over `other`, read later: tables are merged, arrays of tables appended, everything else replaced.
    mutating func merge(_ other: TOMLNode) {
        switch (value, other.value) {
        case (.table(var mine), .table(let theirs)):
            value = .boolean(false)  // gives up the reference so that `mine` is changed in place
            for (key, node) in theirs {
                if mine[key] == nil { mine[key] = node } else { mine[key]?.merge(node) }
            }
            value = .table(mine)
        case (.array(let mine), .array(let theirs)) where mine.isArrayOfTables && theirs.isArrayOfTables:
            value = .array(mine + theirs)
        default:
            self = other
        }
    }
}

extension [TOMLNode] {
    var isArrayOfTables: Bool {
        !isEmpty && allSatisfy { if case .table = $0.value { true } else { false } }
    }
}
