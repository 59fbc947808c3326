/// What loading takes from the machine; a test gives its own.
struct LoadContext: Sendable {
    /// 1 MiB: a settings file.
    static let fileLimit = 1 << 20
    /// 10 000 items take about 1 MB.
    static let filterListLimit = 4 << 20
    /// 16 MiB: a file of nothing but subscribers.
    static let subscriberFileLimit = 16 << 20

    /// The bytes of a file of at most so many bytes.
    var read: @Sendable (_ path: String, _ limit: Int) throws(ConfigurationError) -> [UInt8]
    /// The names in a folder, in any order; none when there is no such folder.
    var list: @Sendable (_ folder: String) throws(ConfigurationError) -> [String]
    var hostName: @Sendable () -> String
    /// Permission bits of a file; nil when there is none.
    var mode: @Sendable (_ path: String) -> UInt32? = { _ in 0o600 }

    /// `path` as seen from the folder that holds `file`.
    func resolve(_ path: String, relativeTo file: String) -> String {
        guard !path.utf8.starts(with: "/".utf8), let slash = file.utf8.lastIndex(of: 0x2F) else { return path }
        return String(file[...slash]) + path
    }

    /// Reads the TOML file that `key` names; nil when the key is absent or there is no such file.
    func include<T>(_ key: String, of table: TableReader, limit: Int, _ read: (TableReader) -> T) -> T? {
        guard let path = table.value(key, String.self, expected: "a path") else { return nil }
        do {
            let file = resolve(path, relativeTo: table.location(of: key).file)
            let root = try TOMLParser.parse(self.read(file, limit), file: file)
            guard case .table(let entries) = root.value else { return nil }
            let reader = TableReader(path: "", location: root.location, entries: entries, problems: table.problems)
            defer { reader.finish() }
            return read(reader)
        } catch {
            if error.problems.allSatisfy({ $0.line == 0 }) {
                for problem in error.problems { table.report(key, "\(problem.file): \(problem.reason)") }
            } else {
                table.problems.add(error)
            }
            return nil
        }
    }
}

/// An interface that the settings name, and where.
struct InterfaceReference {
    var name: InterfaceName
    /// "dsl.interface", "lan"
    var key: String
    var location: SourceLocation
    /// Whether it has to exist on this machine: false for a leg that is not enabled.
    var isUsed: Bool
}
