import ArgumentParser
import Configuration
import EventLog

/// `spillway status`: what the running daemon is doing.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the bonds of the running daemon.")

    @Option(help: "The daemon's control socket.")
    var socket = ControlConfiguration().socket

    @Flag(help: "One JSON object on standard output.")
    var json = false

    func run() throws { try Self.show(socket: socket, json: json) }

    /// Asks the daemon at `socket` and prints its answer; throws when there is none.
    static func show(socket: String, json: Bool) throws {
        StandardError.write("\(socket): this build has no control socket")
        throw ExitCode.failure
    }
}
