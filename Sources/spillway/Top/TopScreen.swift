import Observation

/// The facts as lines of a screen.
struct TopScreen {
    let style: Style
    /// What was seen since this began, oldest first, a second each: for the pictures.
    private var seen: [String: [Int64]] = [:]
    private var before: (received: Int64, missing: Int64)?

    private static let memory = 240

    init(style: Style) { self.style = style }

    /// Remembers what the pictures need.
    mutating func take(_ text: String) {
        guard let facts = JSONValue(text) else { return }
        for leg in facts["legs"]?.elements ?? [] {
            guard let name = leg["name"]?.string else { continue }
            remember("\(name) down", leg["down_kbit"]?.integer ?? 0)
            remember("\(name) up", leg["up_kbit"]?.integer ?? 0)
        }
        guard let order = facts["resequencer"] else { return }
        func count(_ name: String) -> Int64 { order[name]?.integer ?? 0 }
        let now = (received: count("in_order") + count("held"), missing: count("passed_over") + count("timed_out"))
        if let before {
            let all = now.received - before.received + now.missing - before.missing
            // In thousandths.
            remember("missing", all > 0 ? max(0, now.missing - before.missing) * 1000 / all : 0)
        }
        before = now
    }

    private mutating func remember(_ name: String, _ value: Int64) {
        seen[name, default: []].append(value)
        if seen[name]?.count ?? 0 > Self.memory { seen[name]?.removeFirst() }
    }

    /// - Parameter text: the daemon's answer; nil: there was none
    func lines(_ text: String?, width: Int, height: Int) -> [String] {
        guard let text, let facts = JSONValue(text) else {
            return [style.paint("no answer from the daemon", .red)]
        }
        let isGateway = facts["role"]?.string == "hg"
        var lines = heading(facts, isGateway)
        lines.append("")
        lines += legs(facts, isGateway, width)
        lines += isGateway ? gateway(facts) : aggregation(facts)
        lines.append("")
        if !isGateway {
            let room = max(3, (height == .max ? 40 : height - lines.count - 8) / 2)
            lines += bonds("Unhealthiest bonds", facts["unhealthiest"], width, room, none: "all bonds use both legs")
            lines += bonds("Busiest bonds", facts["busiest"], width, room, none: "no bond carries anything")
        }
        lines += events(facts, width)
        return Array(lines.prefix(height))
    }

    private func heading(_ facts: JSONValue, _ isGateway: Bool) -> [String] {
        let counts = facts["bonds"]
        let isGood = (counts?["both_legs"]?.integer ?? 0) > 0 && facts["draining"]?.bool != true
        let summary = facts["summary"]?.string?.printable ?? ""
        let uptime = Wording.time(facts["uptime_s"]?.integer ?? 0)
        return [
            "\(style.paint("spillway", .bold)) \(isGateway ? "home gateway" : "aggregation point")   "
                + "\(style.paint(summary, isGood ? .green : .red))   \(style.paint("up for \(uptime)", .dim))"
        ]
    }

    private func legs(_ facts: JSONValue, _ isGateway: Bool, _ width: Int) -> [String] {
        let bar = max(4, min(20, (width - 76) / 2))
        let picture = max(6, min(30, width - 62 - 2 * bar))
        let up = isGateway ? "state" : "set up"
        var lines = [
            style.paint(
                "LEG  \(up.fitted(11))\("down".fitted(14 + bar))\("up".fitted(14 + bar))"
                    + (isGateway ? "round trip".fitted(10 + picture + 1) + "lost" : ""), .dim)
        ]
        for leg in facts["legs"]?.elements ?? [] {
            let name = leg["name"]?.string ?? ""
            let isUp = (leg["up"]?.integer ?? 0) > 0
            let state = isGateway ? (isUp ? "up" : leg["state"]?.string ?? "") : "\(leg["up"]?.integer ?? 0)/\(leg["configured"]?.integer ?? 0)"
            var line = style.paint(name.uppercased().fitted(5), name == "dsl" ? .blue : .yellow)
            line += style.paint(state.fitted(11), isUp ? .green : .red)
            line += rate(leg, "down", bar) + rate(leg, "up", bar)
            if isGateway {
                let time = leg["rtt_us"]?.integer.map(Wording.milliseconds) ?? "-"
                let times = leg["rtt_history_us"]?.elements.compactMap(\.integer) ?? []
                line += time.fitted(10) + style.sparkline(times, width: picture).fitted(picture + 1)
                line += Wording.helloLoss(
                    sent: UInt64(max(0, leg["hellos_sent"]?.integer ?? 0)),
                    answered: UInt64(max(0, leg["hellos_answered"]?.integer ?? 0))) ?? "-"
            }
            lines.append(line)
            if isGateway, !isUp, let why = leg["reason"]?.string {
                lines.append(style.paint("     \(why.printable), for \(Wording.time(leg["since_s"]?.integer ?? 0))", .red))
            }
        }
        return lines
    }

    private func rate(_ leg: JSONValue, _ way: String, _ bar: Int) -> String {
        let kbit = leg["\(way)_kbit"]?.integer ?? 0
        let text = Wording.rate(UInt64(max(0, kbit)) * 1000).fitted(13)
        guard let capacity = leg["capacity_\(way)_kbit"]?.integer, capacity > 0 else {
            return text + style.sparkline(seen["\(leg["name"]?.string ?? "") \(way)"] ?? [], width: bar).fitted(bar + 1)
        }
        let share = Int(min(kbit * 100 / capacity, 100))
        return text + style.bar(share, width: bar) + " "
    }

    private func gateway(_ facts: JSONValue) -> [String] {
        let bond = facts["bond"]
        var lines = [""]
        func share(_ way: String) -> String { facts["overflow_\(way)_percent"]?.integer.map { "\($0) %" } ?? "-" }
        lines.append("overflow    \(share("down")) down, \(share("up")) up")
        if bond?["up"]?.bool == true {
            func kbit(_ name: String) -> String { Wording.rate(UInt64(max(0, bond?[name]?.integer ?? 0)) * 1000) }
            lines.append(
                "bond        \(bond?["distribution"]?.string ?? ""), DSL is filled to \(kbit("committed_kbit")) up, Hello state "
                    + "\(bond?["hello_state"]?.string ?? "")")
            lines.append("beside it   \(kbit("bypass_down_kbit")) down, \(kbit("bypass_up_kbit")) up")
        }
        lines.append(order(facts))
        return lines
    }

    private func aggregation(_ facts: JSONValue) -> [String] {
        func count(_ name: String) -> String { "\(facts["bonds"]?[name]?.integer ?? 0)" }
        func share(_ way: String) -> String { facts["overflow_\(way)_percent"]?.integer.map { "\($0) %" } ?? "-" }
        return [
            "", "bonds       \(count("up")) of \(count("configured")): \(count("both_legs")) on both legs, "
                + "\(count("only_dsl")) on DSL alone, \(count("only_lte")) on LTE alone",
            "overflow    \(share("down")) down, \(share("up")) up", order(facts),
        ]
    }

    private func order(_ facts: JSONValue) -> String {
        let values = facts["resequencer"]
        func count(_ name: String) -> String { "\(values?[name]?.integer ?? 0)" }
        let missing = seen["missing"] ?? []
        let now = missing.last.map { "\($0 / 10).\($0 % 10) % missing " } ?? ""
        return "order       \(count("depth")) wait, \(count("late")) late, \(count("passed_over")) lost, "
            + "\(count("timed_out")) timed out   \(now)\(style.sparkline(missing, width: 20))"
    }

    private func bonds(_ title: String, _ list: JSONValue?, _ width: Int, _ room: Int, none: String) -> [String] {
        let bonds = list?.elements ?? []
        if bonds.isEmpty { return [style.paint("\(title): \(none)", .dim), ""] }
        let name = max(20, min(40, width - 64))
        var lines = [style.paint(title.fitted(name) + "down".fitted(14) + "up".fitted(14) + "state", .dim)]
        for bond in bonds.prefix(room) {
            func rate(_ way: String) -> String { Wording.rate(UInt64(max(0, bond["\(way)_kbit"]?.integer ?? 0)) * 1000).fitted(14) }
            let trouble = bond["trouble"]?.string?.printable
            let state = (trouble ?? bond["distribution"]?.string ?? "").fitted(max(10, width - name - 28))
            lines.append(
                (bond["name"]?.string ?? "").printable.fitted(name - 1) + " " + rate("down") + rate("up")
                    + (trouble == nil ? state : style.paint(state, .red)))
        }
        return lines + [""]
    }

    private func events(_ facts: JSONValue, _ width: Int) -> [String] {
        let events = facts["events"]?.elements ?? []
        if events.isEmpty { return [style.paint("No events", .dim)] }
        return [style.paint("Events, the last one first", .dim)]
            + events.map { event in
                let line = EventLine.text(event).printable.fitted(width)
                return event["severity"]?.string == "warning" ? style.paint(line, .red) : line
            }
    }
}
