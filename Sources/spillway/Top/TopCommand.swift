import ArgumentParser
import Controller
import EventLog
import Glibc

/// `spillway top`: what the daemon does, live.
struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Shows what the daemon is doing, live: legs, rates, round trips, overflow, events; at an aggregation "
            + "point the unhealthiest and the busiest bonds.",
        discussion: "q quits. Colours only on a terminal, and not where NO_COLOR is set. Without a terminal it prints "
            + "what there is once.")

    @OptionGroup var daemon: DaemonOption

    func run() throws {
        let request = Request.top(daemon.json ? 10 : 50)
        let answer = try daemon.ask(request)
        if daemon.json { return print(answer) }
        guard isatty(STDOUT_FILENO) == 1, isatty(STDIN_FILENO) == 1 else {
            let lines = TopScreen(style: Style(hasColours: false, hasBlocks: Style.isUTF8)).lines(answer, width: 100, height: .max)
            return print(lines.joined(separator: "\n"))
        }
        guard let terminal = Terminal() else { throw ExitCode.failure }
        var screen = TopScreen(style: Style(hasColours: getenv("NO_COLOR").map { $0.pointee == 0 } ?? true, hasBlocks: Style.isUTF8))
        var text: String? = answer
        var outcome = Terminal.Input.time
        while true {
            if let text { screen.take(text) }
            let (width, height) = terminal.size
            terminal.show(screen.lines(text, width: width, height: height))
            outcome = terminal.wait(milliseconds: 1000)
            switch outcome {
            case .key(UInt8(ascii: "q")), .key(UInt8(ascii: "Q")), .key(3), .key(4), .signal, .end: break
            // Redrawn with what is known.
            case .resized: continue
            case .key, .time:
                text = StatusClient.ask(request, socket: daemon.socket)
                continue
            }
            break
        }
        terminal.restore()
        // Whoever sent the signal sees that it worked.
        if case .signal(let number) = outcome { Terminal.end(by: number) }
    }
}
