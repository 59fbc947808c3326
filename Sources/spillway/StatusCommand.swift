import ArgumentParser
import Controller

/// `spillway status`: what the running daemon is doing.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the bonds of the running daemon.")

    @OptionGroup var daemon: DaemonOption

    func run() throws {
        let answer = try daemon.ask(.status)
        print(daemon.json ? answer : Indented.text(ofJSON: answer))
    }
}
