import ArgumentParser
import Configuration
import Controller
import EventLog

/// `spillway drain`: before maintenance of an aggregation point.
struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Makes an aggregation point take no new bonds and end its bonds step by step.",
        discussion: "Gateways are told that it is for maintenance (RFC 8157 error code 10) and come back later or "
            + "elsewhere. It lasts until the daemon is restarted.")

    @OptionGroup var daemon: DaemonOption

    func run() throws {
        let answer = try daemon.order(.drain)
        print(daemon.json ? answer : "draining")
    }
}

/// `--socket` and `--json`, the same for each command that talks to the daemon.
struct DaemonOption: ParsableArguments {
    @Option(help: "The daemon's control socket.")
    var socket = ControlConfiguration().socket

    @Flag(help: "One JSON object on standard output.")
    var json = false

    /// The daemon's answer; throws when there is none.
    func ask(_ request: Request) throws -> String {
        guard let answer = StatusClient.ask(request, socket: socket) else { throw noDaemon() }
        return answer
    }

    /// Says that nobody is there.
    func noDaemon() -> ExitCode {
        StandardError.write("\(socket): no daemon answers here")
        return .failure
    }

    /// Has something done; throws when the daemon refuses.
    @discardableResult
    func order(_ request: Request) throws -> String {
        let answer = try ask(request)
        if JSONValue(answer)?["done"]?.bool == true { return answer }
        StandardError.write(JSONValue(answer)?["reason"]?.string ?? answer)
        throw ExitCode.failure
    }
}
