/// Gathers everything that is wrong, so that one run shows it all.
final class ProblemCollector {
    private(set) var problems: [ConfigurationProblem] = []
    /// Every key that was asked for, by its last part: what the manual has to explain.
    var knownKeys: Set<String> = []

    func add(_ location: SourceLocation, _ reason: String) {
        // A quoted key or a value may hold a line feed; a problem stays on one line.
        let printable = reason.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "\u{FFFD}" : $0 }
        var line = String.UnicodeScalarView()
        line.append(contentsOf: printable)
        problems.append(
            ConfigurationProblem(
                file: location.file, line: location.line, column: location.column, reason: String(line)))
    }

    func add(_ error: ConfigurationError) { problems += error.problems }

    /// Every problem once, ordered by file, line and column.
    var sorted: [ConfigurationProblem] {
        var seen: Set<ConfigurationProblem> = []
        return problems.filter { seen.insert($0).inserted }.sorted {
            ($0.file, $0.line, $0.column ?? 0, $0.reason) < ($1.file, $1.line, $1.column ?? 0, $1.reason)
        }
    }
}
