public import Logging
import Synchronization

/// Turns events into lines and holds back those of a reason that comes too often.
public struct EventHandler: LogHandler {
    /// What all loggers of a process share.
    final class Output: Sendable {
        let format: LineFormat
        let limiter: Mutex<RateLimiter>
        /// Milliseconds of a clock that never goes back.
        let now: @Sendable () -> UInt64
        let wallClock: @Sendable () -> String
        let write: @Sendable (String) -> Void

        init(
            format: LineFormat, limiter: RateLimiter, now: @escaping @Sendable () -> UInt64,
            wallClock: @escaping @Sendable () -> String, write: @escaping @Sendable (String) -> Void
        ) {
            self.format = format
            self.limiter = Mutex(limiter)
            self.now = now
            self.wallClock = wallClock
            self.write = write
        }
    }

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let output: Output

    init(level: Logger.Level, output: Output) {
        logLevel = level
        self.output = output
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Critical events and those without a reason are always written.
    public func log(event: LogEvent) {
        var fields = metadata.mapValues(\.description)
        for (key, value) in event.metadata ?? [:] { fields[key] = value.description }
        if let error = event.error { fields["error"] = String(describing: error) }
        if let reason = fields["reason"], event.level != .critical {
            switch output.limiter.withLock({ $0.admit(reason, now: output.now()) }) {
            case .suppress: return
            case .write(suppressed: 0): break
            case .write(let suppressed): fields["suppressed"] = String(suppressed)
            }
        }
        output.write(
            output.format.line(
                level: event.level, message: event.message.description, fields: fields, time: output.wallClock()))
    }
}
