import ArgumentParser
import Configuration
import Controller
import EventLog

/// `spillway reload`: has a daemon read its settings again.
struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Has the daemon take what it can of its settings file as it is now, and shows what differs.",
        discussion: "Bonds go on; those of subscribers who are removed end. Exit code 0: all that differs was taken. "
            + "1: something needs a restart, or no daemon answers. 2: the file has problems, and nothing was taken.")

    @OptionGroup var daemon: DaemonOption

    @Flag(name: [.short, .long], help: "Only show what differs.")
    var dryRun = false

    func run() throws {
        let answer = try daemon.ask(.reload(isDry: dryRun))
        let value = JSONValue(answer)
        let isDone = value?["done"]?.bool == true
        if daemon.json {
            print(answer)
        } else if isDone {
            Self.show(value?["changes"]?.elements ?? [], more: value?["more_changes"]?.integer ?? 0)
        } else {
            for problem in value?["problems"]?.elements ?? [] { StandardError.write(problem.string ?? "") }
        }
        if !isDone { throw ExitCode.wrongInput }
        if value?["needs_restart"]?.bool == true { throw ExitCode.failure }
    }

    private static func show(_ changes: [JSONValue], more: Int64) {
        if changes.isEmpty { print("nothing differs") }
        for change in changes {
            let restart = change["live"]?.bool == true ? "" : " (needs a restart)"
            print("\(change["section"]?.string ?? ""): \(change["what"]?.string ?? "")\(restart)")
        }
        if more > 0 { print("and \(more) more") }
    }
}
