// A stand-in for the module of this name, for the static build only (deploy/static/build).
//
// The argument parser imports FoundationEssentials for two things: to ask whether an error is a LocalizedError (none of
// this program's is), and to write its hidden --experimental-dump-help as JSON. The real module costs 6 MB of 15. What
// is here is what the parser names; if it ever names more, the static build does not compile.

public protocol LocalizedError: Error {
    var errorDescription: String? { get }
}

public struct Data: Sendable {
    fileprivate init() {}
}

public final class JSONEncoder {
    public struct OutputFormatting: OptionSet, Sendable {
        public let rawValue: Int

        public init(rawValue: Int) { self.rawValue = rawValue }

        public static let prettyPrinted = Self(rawValue: 1)
        public static let sortedKeys = Self(rawValue: 2)
    }

    public struct Unavailable: Error {}

    public var outputFormatting: OutputFormatting = []

    public init() {}

    /// Always throws; the parser prints an empty line then.
    public func encode(_ value: some Encodable) throws -> Data { throw Unavailable() }
}

extension String {
    public enum Encoding: Sendable { case utf8 }

    public init?(data: Data, encoding: Encoding) { return nil }
}
