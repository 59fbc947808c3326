import ArgumentParser
import Configuration
import Controller
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
        guard let answer = StatusClient.ask("status", socket: socket) else {
            StandardError.write("\(socket): no daemon answers here")
            throw ExitCode.failure
        }
        print(json ? answer : Indented.text(ofJSON: answer))
    }
}
