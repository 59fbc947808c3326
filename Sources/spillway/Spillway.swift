import ArgumentParser
import Controller
import EventLog

/// The one executable. Exit codes: 0 done, 1 it failed, 2 the command line or the settings are wrong.
@main
struct Spillway: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spillway",
        abstract: "Bonds a DSL and an LTE access into one, as a home gateway or as an aggregation point.",
        version: Daemon.version,
        subcommands: [
            RunCommand.self, CheckCommand.self, StatusCommand.self, MonitorCommand.self, TopCommand.self,
            ExplainCommand.self, DiagCommand.self, DrainCommand.self, ReloadCommand.self, DecodeCommand.self, IPsecCommand.self,
        ])

    /// ArgumentParser's own exit code for a wrong command line is 64.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            StandardError.write(fullMessage(for: error))
            exit(withError: ExitCode.wrongInput)
        }
    }
}

extension ExitCode {
    /// The command line or the settings are wrong.
    static let wrongInput = ExitCode(2)
}
