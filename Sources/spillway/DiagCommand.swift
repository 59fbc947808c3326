import ArgumentParser
import Controller
import EventLog
import Formatting
import GREBonding
import Glibc

/// `spillway diag`: what a leg by itself, or both, can carry (RFC 8157 §5.6.8–§5.6.11).
struct DiagCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diag",
        abstract: "Binds the traffic of both ends to what is tested, and shows what passes.",
        discussion: "Run your own speed test meanwhile: this adds no traffic. Everything is as before when it ends.")

    @Argument(help: "dsl, lte, or bonding: both legs, whatever their round-trip times.")
    var what: Tested

    @Option(help: "How long, 1 to 3600.")
    var seconds = 10

    @OptionGroup var daemon: DaemonOption

    enum Tested: String, ExpressibleByArgument, CaseIterable {
        case bonding, dsl, lte

        var diagnostic: Diagnostic {
            switch self {
            case .bonding: .bonding
            case .dsl: .dsl
            case .lte: .lte
            }
        }
    }

    func validate() throws {
        if !(1...3600).contains(seconds) { throw ValidationError("--seconds must be from 1 to 3600") }
    }

    func run() throws {
        let before = try LegReport.read(daemon.ask(.status(StatusQuery())))
        // A little longer than the test, should this command not live to end it.
        try daemon.order(.diagnose(what.diagnostic, .seconds(Int64(min(seconds + 2, 3600)))))
        sleep(UInt32(seconds))
        let after = try LegReport.read(daemon.ask(.status(StatusQuery())))
        try daemon.order(.diagnose(nil, .zero))
        print(daemon.json ? json(before, after) : text(before, after))
    }

    private func text(_ before: [LegReport], _ after: [LegReport]) -> String {
        var lines = ["tested: \(what.rawValue), \(seconds) s", "leg   down Mbit/s   up Mbit/s   round trip ms"]
        for leg in after {
            let rate = leg.rates(since: before, seconds: seconds)
            lines.append(
                leg.name.padded(6) + rate.down.padded(13) + rate.up.padded(12)
                    + (leg.roundTrip.map(Decimal.text) ?? "-"))
        }
        return lines.joined(separator: "\n")
    }

    private func json(_ before: [LegReport], _ after: [LegReport]) -> String {
        var object = JSONObject()
        object.add("version", 1)
        object.add("tested", what.rawValue)
        object.add("seconds", seconds)
        var legs = JSONObject()
        for leg in after {
            let rate = leg.rates(since: before, seconds: seconds)
            var one = JSONObject()
            one.addRaw("down_mbit", rate.down)
            one.addRaw("up_mbit", rate.up)
            if let time = leg.roundTrip { one.add("rtt_us", time) }
            legs.add(leg.name, one)
        }
        object.add("legs", legs)
        return object.description
    }
}
