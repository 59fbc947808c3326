/// One thing that is wrong with the settings, and where.
public struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
    /// The path as it was opened.
    public var file: String
    /// From 1; 0 when the problem is the file itself.
    public var line: Int
    /// From 1, in characters.
    public var column: Int?
    /// A sentence without a full stop that begins with the key it is about.
    public var reason: String

    public init(file: String, line: Int, column: Int? = nil, reason: String) {
        self.file = file
        self.line = line
        self.column = column
        self.reason = reason
    }

    /// "file:line: reason"; "file: reason" when there is no line.
    public var description: String { line > 0 ? "\(file):\(line): \(reason)" : "\(file): \(reason)" }
}

/// Every problem found, ordered by file and line. Never empty.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public var problems: [ConfigurationProblem]

    public init(problems: [ConfigurationProblem]) { self.problems = problems }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
