import ArgumentParser
import Configuration
import Controller
import EventLog
import Logging

/// `spillway run`: the daemon, in the foreground.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs in the foreground until it is told to end (SIGTERM).")

    @OptionGroup var file: ConfigurationOption

    func run() throws {
        let settings: Configuration
        do throws(ConfigurationError) {
            settings = try file.load()
        } catch {
            StandardError.write(error.description)
            throw ExitCode.wrongInput
        }
        Log.start(level: settings.log.level.logging, style: settings.log.format.style)
        try Self.serve(settings) { () throws(ConfigurationError) in try file.load() }
    }

    /// Serves until the end; throws what makes that impossible. Settings are complete and checked, logging has begun.
    static func serve(
        _ settings: Configuration, _ read: @escaping () throws(ConfigurationError) -> Configuration
    ) throws {
        do throws(Daemon.Failure) {
            try Daemon.run(settings, read)
        } catch {
            Log("run")(.critical, "cannot-run", "\(error)", ["role": settings.roleName])
            throw ExitCode.failure
        }
    }
}
