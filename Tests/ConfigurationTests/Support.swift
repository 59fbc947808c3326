import Testing

@testable import Configuration

/// A machine made of a few files.
struct Machine {
    var files: [String: String]
    var hostName = "gateway"

    var context: LoadContext {
        let files = files
        let hostName = hostName
        return LoadContext(
            read: { (path, limit) throws(ConfigurationError) -> [UInt8] in
                guard let text = files[path] else { throw ConfigurationError(file: path, reason: "no such file") }
                let bytes = Array(text.utf8)
                guard bytes.count <= limit else { throw ConfigurationError(file: path, reason: "too large") }
                return bytes
            },
            list: { folder in
                files.keys.filter { $0.hasPrefix(folder + "/") }.map { String($0.dropFirst(folder.count + 1)) }
            },
            hostName: { hostName })
    }

    func load(interfaces: Set<String>? = nil) throws(ConfigurationError) -> Configuration {
        try Configuration.load(path: "a.toml", context: context) { interfaces?.contains($0) ?? true }
    }

    /// Each problem as it is printed; empty when there is none.
    func problems(interfaces: Set<String>? = nil) -> [String] {
        do {
            _ = try load(interfaces: interfaces)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }
}

func problems(_ text: String) -> [String] { Machine(files: ["a.toml": text]).problems() }

func homeGateway(_ text: String) throws -> HomeGatewayConfiguration {
    guard case .homeGateway(let result) = try Machine(files: ["a.toml": text]).load() else {
        throw WrongRole()
    }
    return result
}

func aggregationPoint(_ files: [String: String]) throws -> AggregationPointConfiguration {
    guard case .aggregationPoint(let result) = try Machine(files: files).load() else { throw WrongRole() }
    return result
}

struct WrongRole: Error {}

/// The least that a gateway needs. `top` stands on the third line, or else `dsl` on the fifth.
func gateway(top: String = "", dsl: String = "", more: String = "") -> String {
    let lines = [
        "role = \"hg\"", "haap = \"192.0.2.1\"", top, "[dsl]", "interface = \"dsl0\"", dsl, "[lte]",
        "interface = \"lte0\"", more,
    ]
    return lines.filter { !$0.isEmpty }.joined(separator: "\n")
}
