import ArgumentParser
import Controller
import EventLog
import Glibc

/// `spillway monitor`: what happens, as it happens.
struct MonitorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitor",
        abstract: "Shows what happens from now on, one event a line, until it is interrupted.",
        discussion: "Exit code 0: the daemon has ended. A line \"gap\" says how many events are missing, because they "
            + "came faster than they were read.")

    @Flag(help: "Round trips and discarded messages, too.")
    var all = false

    @OptionGroup var daemon: DaemonOption

    func run() throws {
        let found = StatusClient.follow(.monitor(all: all), socket: daemon.socket) { line in
            print(daemon.json ? line : EventLine.text(line))
            // Whoever reads along sees each event at once; and there is no more to do once nobody does.
            return fflush(nil) == 0
        }
        guard found else { throw daemon.noDaemon() }
    }
}

/// An event of the daemon as a line for people.
enum EventLine {
    /// "2026-01-31T23:59:59.042Z leg-down leg=dsl why=hello_lost"
    static func text(_ json: String) -> String {
        JSONValue(json).map(text) ?? json
    }

    static func text(_ event: JSONValue) -> String {
        var words = [event["time"]?.string, event["event"]?.string].compactMap { $0 }
        for (name, value) in event.members where !["version", "time", "event", "severity", "message"].contains(name) {
            let text = value.string ?? value.integer.map(String.init) ?? ""
            words.append("\(name)=\(text.contains(" ") ? "\"\(text)\"" : text)")
        }
        return words.joined(separator: " ")
    }
}
