/// The page: the facts as HTML, whole without a script. What a script fetches to stay current is the same again.
public enum Page {
    public static let type = "text/html; charset=utf-8"

    /// The whole document.
    public static func document(_ facts: Facts, _ history: RateHistory) -> [UInt8] {
        Array((PageTemplate.head + content(facts, history) + PageTemplate.tail).utf8)
    }

    /// What stands in its middle.
    public static func content(_ facts: Facts, _ history: RateHistory) -> String {
        var parts = [heading(facts)]
        if facts.role == .aggregationPoint { parts.append(counts(facts)) }
        parts.append("<section class=\"cards\">" + facts.legs.map { leg($0, facts) }.joined() + "</section>")
        parts.append(charts(facts, history))
        if facts.role == .aggregationPoint {
            parts.append(table("Unhealthiest bonds", facts.unhealthiest, none: "All bonds use both legs."))
            parts.append(table("Busiest bonds", facts.busiest, none: "No bond carries anything."))
        }
        parts.append(events(facts))
        return parts.joined(separator: "\n")
    }

    /// Text as HTML has it, in an attribute, too.
    static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x26: result += "&amp;".utf8
            case 0x3C: result += "&lt;".utf8
            case 0x3E: result += "&gt;".utf8
            case 0x22: result += "&quot;".utf8
            case 0x27: result += "&#39;".utf8
            default: result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func heading(_ facts: Facts) -> String {
        let role = facts.role == .gateway ? "home gateway" : "aggregation point"
        let isGood = facts.bonds.up > 0 && !facts.isDraining && (facts.role == .aggregationPoint || facts.bonds.both > 0)
        return "<h1>Spillway <small>\(role)</small></h1><p class=\"state \(isGood ? "good" : "bad")\">"
            + "\(escaped(facts.summary)) <small>daemon up for \(Wording.time(facts.uptime))</small></p>"
    }

    private static func counts(_ facts: Facts) -> String {
        let rows = [
            ("bonds up", "\(facts.bonds.up) of \(facts.bonds.configured)"), ("both legs", "\(facts.bonds.both)"),
            ("DSL alone", "\(facts.bonds.onlyDSL)"), ("LTE alone", "\(facts.bonds.onlyLTE)"),
            ("overflow down", facts.overflow(\.down).map { "\($0) %" } ?? "–"),
            ("overflow up", facts.overflow(\.up).map { "\($0) %" } ?? "–"),
        ]
        return "<section><dl class=\"wide\">" + rows.map { "<div><dt>\($0)</dt><dd>\($1)</dd></div>" }.joined() + "</dl></section>"
    }

    private static func leg(_ leg: Facts.Leg, _ facts: Facts) -> String {
        let isGateway = facts.role == .gateway
        var rows: [(String, String)] = []
        if isGateway {
            if let since = leg.since {
                rows.append(("for", "\(Wording.time(since))\(leg.why.map { " (\(escaped($0)))" } ?? "")"))
            }
            let place = [leg.interface, leg.address].compactMap { $0 }.map(escaped).joined(separator: ", ")
            if !place.isEmpty { rows.append(("at", place)) }
        } else {
            rows.append(("set up", "\(leg.up) of \(leg.configured)"))
        }
        rows.append(("down", rate(leg.rate.down, leg.capacity.down)))
        rows.append(("up", rate(leg.rate.up, leg.capacity.up)))
        if leg.name == "lte", isGateway {
            let shares = [facts.overflow(\.down), facts.overflow(\.up)].map { $0.map { "\($0) %" } ?? "–" }
            rows.append(("overflow", "\(shares[0]) down, \(shares[1]) up"))
        }
        if let time = leg.roundTrip { rows.append(("round trip", Wording.milliseconds(time))) }
        if let loss = Wording.helloLoss(sent: leg.hellosSent, answered: leg.hellosAnswered) {
            rows.append(("Hellos lost", loss))
        }
        let isUp = leg.up > 0
        let state = isGateway ? (isUp ? "up" : escaped(leg.state)) : ""
        return "<article class=\"\(leg.name) \(isUp ? "good" : "bad")\"><h2>\(leg.name.uppercased()) <small>\(state)</small></h2><dl>"
            + rows.map { "<div><dt>\($0)</dt><dd>\($1)</dd></div>" }.joined() + "</dl></article>"
    }

    private static func rate(_ now: UInt64, _ capacity: UInt64) -> String {
        guard capacity > 0 else { return Wording.rate(now) }
        return "\(Wording.rate(now)) <small>of \(Wording.rate(capacity))</small>"
            + "<meter min=\"0\" max=\"\(capacity)\" value=\"\(min(now, capacity))\"></meter>"
    }

    private static func charts(_ facts: Facts, _ history: RateHistory) -> String {
        let points = history.points
        let ways: [(String, KeyPath<RateHistory.Point, (UInt32, UInt32)>)] = [("Down", \.down), ("Up", \.up)]
        let figures = ways.map { name, way in
            let chart = Chart(points: points, direction: way, events: facts.events)
            return "<figure><figcaption><b>\(name)</b> <span>\(Wording.rate(chart.ceiling * 1000))</span></figcaption>"
                + chart.svg(title: "Throughput \(name.lowercased()) over the last hour, DSL and LTE stacked")
                + "<p class=\"axis\"><span>60 min ago</span><span>30</span><span>now</span></p></figure>"
        }
        return "<section class=\"charts\">\(figures.joined())<p class=\"key\"><span class=\"dsl\">DSL</span> "
            + "<span class=\"lte\">LTE</span> <span class=\"bad\">what went wrong</span> <span>other events</span></p></section>"
    }

    private static func table(_ title: String, _ bonds: [Facts.Bond], none: String) -> String {
        if bonds.isEmpty { return "<section><h2>\(title)</h2><p>\(none)</p></section>" }
        let rows = bonds.map { bond in
            let cells = [
                escaped(bond.name), escaped(bond.trouble ?? bond.distribution), Wording.rate(bond.rate.down),
                Wording.rate(bond.rate.up),
            ]
            return "<tr>" + cells.map { "<td>\($0)</td>" }.joined() + "</tr>"
        }
        return "<section><h2>\(title)</h2><div class=\"scroll\"><table><thead><tr><th>gateway</th><th>state</th>"
            + "<th>down</th><th>up</th></tr></thead><tbody>\(rows.joined())</tbody></table></div></section>"
    }

    private static func events(_ facts: Facts) -> String {
        let items = facts.events.prefix(12).map {
            "<li class=\"\($0.event.kind.severity == .warning ? "bad" : "")\"><time datetime=\"\($0.time)\">"
                + "\(Wording.time($0.age)) ago</time> \(escaped(text($0)))</li>"
        }
        return "<section><h2>Events</h2>" + (items.isEmpty ? "<p>None.</p>" : "<ol>\(items.joined())</ol>") + "</section>"
    }

    /// "leg-down lte hello_lost"
    static func text(_ past: Facts.PastEvent) -> String {
        let event = past.event
        let words = [event[.bond], event[.leg], event[.why], event[.state]].compactMap { $0 }
        return "\(event.kind.rawValue) \(words.joined(separator: " "))"
    }
}
