import ArgumentParser
import Controller
import EventLog
import Observation

/// `spillway status`: what the running daemon is doing.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the bond of a gateway, or how many bonds an aggregation point has and the first ones of them.",
        discussion: "What is wrong, and which legs and rates each bond has. The JSON's members are in docs/status.md.")

    @Argument(help: "At an aggregation point: the only bond that is wanted, by its gateway's name or Session ID.")
    var bond: String?

    @Option(help: "At an aggregation point: all, unhealthy, no-dsl, no-lte or idle bonds.")
    var filter = StatusQuery.Filter.all

    @Option(help: "At an aggregation point: by session, name, rate (the busiest first) or health (the worst first).")
    var sort = StatusQuery.Order.session

    @Option(help: "At an aggregation point: show at most so many bonds.")
    var limit = StatusQuery.standardLimit

    @Flag(help: "At an aggregation point: show all bonds.")
    var all = false

    @OptionGroup var daemon: DaemonOption

    func validate() throws {
        guard (0...StatusQuery.most).contains(limit) else {
            throw ValidationError("--limit must be from 0 to \(StatusQuery.most)")
        }
        if let bond, bond.isEmpty || bond.utf8.count > 40 || bond.unicodeScalars.contains(where: { $0.value < 0x20 }) {
            throw ValidationError("\"\(bond)\" is neither a name of 1 to 40 bytes nor a Session ID")
        }
    }

    func run() throws {
        var query = StatusQuery()
        query.bond = bond
        query.filter = filter
        query.order = sort
        query.limit = all ? StatusQuery.most : limit
        let answer = try daemon.ask(.status(query))
        let value = JSONValue(answer)
        print(daemon.json ? answer : value.map { StatusText.text($0, alone: bond != nil) } ?? answer)
        if bond != nil, value?["role"]?.string == "haap", value?["bonds"]?.elements.isEmpty != false {
            StandardError.write("no such bond")
            throw ExitCode.failure
        }
    }
}

extension StatusQuery.Filter: ExpressibleByArgument {}
extension StatusQuery.Order: ExpressibleByArgument {}

/// A status for people.
enum StatusText {
    /// - Parameter alone: one bond was asked for: it is shown with everything
    static func text(_ status: JSONValue, alone: Bool) -> String {
        let isMany = status["role"]?.string == "haap" && !alone
        let apart: Set<String> = isMany ? ["version", "role", "uptime_s", "summary", "bonds", "events"] : ["version", "events"]
        var lines = isMany ? bonds(status) : []
        lines += Indented.lines(of: .object(status.members.filter { !apart.contains($0.key) }))
        let events = status["events"]?.elements ?? []
        if !events.isEmpty, !alone { lines += ["", "events, the last one first:"] + events.map { "  " + EventLine.text($0) } }
        return lines.map(\.printable).joined(separator: "\n")
    }

    private static func bonds(_ status: JSONValue) -> [String] {
        func count(_ name: String) -> String { "\(status["summary"]?[name]?.integer ?? 0)" }
        var lines = [
            "aggregation point, up for \(Wording.time(status["uptime_s"]?.integer ?? 0))",
            "bonds: \(count("up")) of \(count("configured")) up, \(count("both_legs")) on both legs, \(count("only_dsl")) "
                + "on DSL alone, \(count("only_lte")) on LTE alone",
        ]
        let shown = status["bonds"]?.elements ?? []
        if !shown.isEmpty {
            lines += ["", "gateway".fitted(32) + "session".fitted(12) + "down".fitted(14) + "up".fitted(14) + "state"]
        }
        for bond in shown {
            func rate(_ way: String) -> String {
                let legs = bond["legs"]?.members ?? []
                let kbit = legs.reduce(0) { $0 + max(0, $1.value["rate"]?[way]?.integer ?? 0) }
                return Wording.rate(UInt64(kbit) * 1000).fitted(14)
            }
            lines.append(
                (bond["client"]?.string ?? "").fitted(31) + " " + "\(bond["session_id"]?.integer ?? 0)".fitted(12)
                    + rate("sent_kbit") + rate("received_kbit")
                    + (bond["trouble"]?.string ?? bond["distribution"]?.string ?? bond["state"]?.string ?? ""))
        }
        let hidden = (status["summary"]?["matching"]?.integer ?? 0) - Int64(shown.count)
        if hidden > 0 { lines.append("and \(hidden) more (--all, --limit, --filter, --sort)") }
        return lines + [""]
    }
}
