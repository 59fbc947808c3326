public import Logging

/// A short name for what happened, the same in every version: what an operator filters and counts by. Lower case,
/// words joined by "-": "leg-down", "setup-denied".
public struct EventReason: Hashable, Sendable, ExpressibleByStringLiteral {
    public let name: String

    public init(stringLiteral name: String) { self.name = name }
}

/// Where a part of the program says what happened: one event, one line on standard error.
///
///     let log = Log("session")
///     log(.notice, "leg-up", "the leg is set up", ["leg": leg, "bond": key])
///
/// Lines of one reason are limited to ten at once and one a second after that; `suppressed` tells how many are missing
/// before a line.
public struct Log: Sendable {
    private let logger: Logger

    /// `component` is shown as a field of every line. Before ``start(level:style:)`` nothing is written.
    public init(_ component: String) { self.init(component: component, handler: EventHandler.shared()) }

    init(component: String, handler: some LogHandler) {
        var logger = Logger(label: component) { _ in handler }
        logger[metadataKey: "component"] = .string(component)
        self.logger = logger
    }

    /// `message` and `fields` are evaluated only when the level is written at all.
    public func callAsFunction(
        _ level: Logger.Level, _ reason: EventReason, _ message: @autoclosure () -> String,
        _ fields: @autoclosure () -> KeyValuePairs<String, any CustomStringConvertible> = [:]
    ) {
        guard logger.logLevel <= level else { return }
        write(level, reason, message(), fields().map { ($0.key, $0.value.description) })
    }

    /// The same with fields that are known at run time only.
    public func write(_ level: Logger.Level, _ reason: EventReason, _ message: String, _ fields: [(String, String)]) {
        guard logger.logLevel <= level else { return }
        var metadata: Logger.Metadata = ["reason": .string(reason.name)]
        for (key, value) in fields { metadata[key] = .string(value) }
        logger.log(level: level, "\(message)", metadata: metadata)
    }
}
