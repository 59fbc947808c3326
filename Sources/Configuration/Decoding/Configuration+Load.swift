extension Configuration {
    /// Reads `path` and then, over it, the files `path.d/*.toml` in the order of their names: later values win, arrays
    /// of tables grow.
    ///
    /// `interfaceExists` says whether this machine has an interface; those that it lacks are problems too. Leave it out
    /// to check settings that are meant for another machine.
    ///
    /// Throws every problem of every file; after a syntax error only those that are still certain.
    public static func load(
        path: String, interfaceExists: (String) -> Bool = { _ in true }
    ) throws(ConfigurationError) -> Configuration {
        try load(path: path, context: .system, interfaceExists: interfaceExists)
    }

    static func load(
        path: String, context: LoadContext, interfaceExists: (String) -> Bool = { _ in true }
    ) throws(ConfigurationError) -> Configuration {
        let problems = ProblemCollector()
        let root = try merged(path: path, context: context, problems: problems)
        let configuration = decode(root, context: context, problems: problems, interfaceExists: interfaceExists)
        guard let configuration, problems.problems.isEmpty else {
            throw ConfigurationError(problems: problems.sorted)
        }
        return configuration
    }

    /// The tree of all the files. Throws when one cannot be parsed: the others can't be judged without it.
    private static func merged(
        path: String, context: LoadContext, problems: ProblemCollector
    ) throws(ConfigurationError) -> TOMLNode {
        let folder = path + ".d"
        var paths = [path]
        do {
            let names = try context.list(folder).filter { $0.hasSuffix(".toml") && !$0.hasPrefix(".") }
            paths += names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { "\(folder)/\($0)" }
        } catch {
            problems.add(error)
        }
        var root: TOMLNode?
        for path in paths {
            do {
                let node = try TOMLParser.parse(context.read(path, LoadContext.fileLimit), file: path)
                if root == nil { root = node } else { root?.merge(node) }
            } catch {
                problems.add(error)
            }
        }
        guard let root, problems.problems.isEmpty else { throw ConfigurationError(problems: problems.sorted) }
        return root
    }

    private enum Role: String, CaseIterable {
        case homeGateway = "hg"
        case aggregationPoint = "haap"
    }

    static func decode(
        _ root: TOMLNode, context: LoadContext, problems: ProblemCollector, interfaceExists: (String) -> Bool
    ) -> Configuration? {
        guard case .table(let entries) = root.value else { return nil }
        let table = TableReader(path: "", location: root.location, entries: entries, problems: problems)
        guard let role = table.choice("role", Role.self, required: true) else {
            return nil  // without a role no key is known
        }
        defer { table.finish() }
        switch role {
        case .homeGateway:
            var decoder = HomeGatewayDecoder(table: table, context: context)
            let result = decoder.decode()
            for reference in decoder.interfaces
            where reference.isUsed && !interfaceExists(reference.name.description) {
                problems.add(
                    reference.location, "\(reference.key): there is no interface \"\(reference.name)\" on this machine")
            }
            return result.map { .homeGateway($0) }
        case .aggregationPoint:
            return AggregationPointDecoder(table: table, context: context).decode().map { .aggregationPoint($0) }
        }
    }
}
