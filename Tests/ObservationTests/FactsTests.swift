import Formatting
import Testing

@testable import Observation

@Suite struct FactsTests {
    static func gateway() -> Facts {
        var facts = Facts(role: .gateway, version: "1.2.3", uptime: 3725, startTime: 1_700_000_000)
        facts.summary = "bond on dsl and lte"
        facts.bonds.configured = 1
        facts.bonds.up = 1
        facts.bonds.both = 1
        facts.ipsec = Facts.IPsec()
        facts.ipsec?.clear = 3
        var dsl = Facts.Leg("dsl")
        (dsl.configured, dsl.up, dsl.state, dsl.since) = (1, 1, "up", 60)
        dsl.rate = Facts.Rate(down: 8_000_000, up: 400_000)
        dsl.capacity = Facts.Rate(down: 16_000_000, up: 0)
        dsl.traffic.receivedBytes = 5_000_000_000
        (dsl.roundTrip, dsl.smoothedRoundTrip, dsl.roundTrips) = (20_300, 21_000, [20_300, 21_900])
        (dsl.hellosSent, dsl.hellosAnswered) = (11, 9)
        var lte = Facts.Leg("lte")
        (lte.configured, lte.state, lte.why) = (1, "waiting", "carrier_lost")
        lte.rate = Facts.Rate(down: 8_000_000, up: 0)
        facts.legs = [dsl, lte]
        var bond = Facts.Bond(name: "gate<way>\"&'\\\n")
        (bond.isUp, bond.distribution, bond.committed) = (true, "overflow dsl>lte", 9_900_000)
        facts.bond = bond
        facts.events = [Facts.PastEvent(Event(.legDown, [.leg: "lte", .bond: "<b>x"]), time: "T", age: 5)]
        facts.eventCounts = EventKind.allCases.map { ($0, 0) }
        return facts
    }

    static func aggregationPoint() -> Facts {
        var facts = gateway()
        facts.role = .aggregationPoint
        facts.bond = nil
        var one = Facts.Bond(name: "a\"\\\nb<i>")
        one.legs = facts.legs
        one.trouble = "no lte for 5 s: hello_lost"
        facts.each = [one]
        facts.busiest = [one]
        facts.unhealthiest = [one]
        facts.legLosses = [("lte", "hello_lost", 3)]
        facts.discarded = [("unknown_key", 7)]
        facts.drift = [("link", 2)]
        facts.http = [(200, 1)]
        return facts
    }

    // MARK: Metrics

    @Test func metricsOfAGateway() {
        let text = String(decoding: Self.gateway().metrics(), as: UTF8.self)
        for line in [
            "# TYPE spillway_received_bytes_total counter", "spillway_received_bytes_total{link=\"dsl\"} 5000000000",
            "# TYPE spillway_legs_up gauge", "spillway_legs_up{link=\"dsl\"} 1", "spillway_legs_up{link=\"lte\"} 0",
            "spillway_round_trip_seconds{link=\"dsl\"} 0.0203", "spillway_committed_bytes_per_second 1237500",
            "spillway_capacity_bytes_per_second{link=\"dsl\",direction=\"down\"} 2000000",
            "spillway_ipsec_refused_packets_total{reason=\"in_the_clear\"} 3",
            "spillway_events_total{event=\"leg-down\"} 0", "spillway_build_info{version=\"1.2.3\",role=\"hg\"} 1",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
        #expect(!text.contains("link=\"dsl\",direction=\"up\""), "a capacity that is not known")
        #expect(!text.contains("spillway_bond_") && text.last == "\n")
    }

    @Test func labelsAreEscaped() {
        let text = String(decoding: Self.aggregationPoint().metrics(), as: UTF8.self)
        #expect(text.contains(#"spillway_bond_up{bond="a\"\\\nb<i>"} 0"# + "\n"))
    }

    /// Each family once, in one piece, with its head before it; and every family is said by one of the roles.
    @Test func familiesAreWhole() {
        var said: Set<String> = []
        for facts in [Self.gateway(), Self.aggregationPoint()] {
            var open: String?
            var seen: Set<String> = []
            for line in String(decoding: facts.metrics(), as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ")
                if line.hasPrefix("# HELP") {
                    open = String(words[2])
                    #expect(seen.insert(String(words[2])).inserted, "\(words[2])")
                } else if line.hasPrefix("# TYPE") {
                    #expect(words[2] == open ?? "" && (words[3] == "counter") == words[2].hasSuffix("_total"))
                } else {
                    #expect(line.prefix { $0 != "{" && $0 != " " } == open ?? "")
                }
            }
            said.formUnion(seen)
        }
        #expect(said == Set(Metric.allCases.map(\.rawValue)))
    }

    // MARK: Page

    @Test func pageEscapes() {
        for facts in [Self.gateway(), Self.aggregationPoint()] {
            let text = Page.content(facts, RateHistory())
            #expect(!text.contains("<b>x") && !text.contains("<i>") && text.contains("&lt;b&gt;x"))
        }
        #expect(Page.escaped("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;")
        #expect(Page.content(Self.aggregationPoint(), RateHistory()).contains("no lte for 5 s: hello_lost"))
    }

    /// The policy forbids a style that an element has of its own, and a script in an attribute.
    @Test func pageKeepsToItsPolicy() {
        var history = RateHistory()
        for _ in 0..<800 { history.add(Self.gateway().legs) }
        let text = String(decoding: Page.document(Self.aggregationPoint(), history), as: UTF8.self)
        #expect(!text.contains(" style=") && !text.contains(" onclick") && !text.contains("javascript:"))
        #expect(text.components("<script").count == 2 && text.components("<style").count == 2)
        #expect(!text.contains("http://") && !text.contains("https://"))
    }

    // MARK: History

    @Test func historyIsARing() {
        var history = RateHistory()
        #expect(history.points.isEmpty)
        for number in 0..<1000 {
            var leg = Facts.Leg("dsl")
            leg.rate.down = UInt64(number) * 1000
            history.add([leg])
        }
        #expect(history.points.map(\.down.0) == Array(280..<1000) && history.points.allSatisfy { $0.down.1 == 0 })
    }

    @Test func chart() {
        var history = RateHistory()
        for _ in 0..<3 { history.add(Self.gateway().legs) }
        let chart = Chart(points: history.points, direction: \.down, events: Self.gateway().events)
        #expect(chart.ceiling == 20_000)
        let svg = chart.svg(title: "t")
        // DSL to 8 of 20 Mbit/s, both together to 16.
        #expect(svg.contains("class=\"lte\" d=\"M718 100L718 20L719 20L720 20V100Z\""), "\(svg)")
        #expect(svg.contains("class=\"dsl\" d=\"M718 100L718 60L719 60L720 60V100Z\""))
        #expect(svg.contains("class=\"mark bad\" d=\"M719 0V100\""))
        #expect(Chart(points: [], direction: \.up, events: []).ceiling == 100)
    }

    // MARK: Words

    @Test func wording() {
        #expect([0, 999, 850_000, 12_340_000, 1_250_000_000].map(Wording.rate) == ["0", "0 kbit/s", "850 kbit/s", "12.3 Mbit/s", "1.25 Gbit/s"])
        #expect([-1, 350, 20_300, 1_250_000].map(Wording.milliseconds) == ["0.00 ms", "0.35 ms", "20.3 ms", "1250 ms"])
        #expect([35, 725, 10_920, 183_600].map(Wording.time) == ["35 s", "12 min 5 s", "3 h 2 min", "2 d 3 h"])
        #expect(Wording.helloLoss(sent: 11, answered: 9) == "10.0 %" && Wording.helloLoss(sent: 11, answered: 10) == "0.0 %")
        #expect(Wording.helloLoss(sent: 1, answered: 0) == nil)
    }

    @Test func overflow() {
        #expect(Self.gateway().overflow(\.down) == 50 && Self.gateway().overflow(\.up) == 0)
        var idle = Self.gateway()
        for number in idle.legs.indices { idle.legs[number].rate = Facts.Rate() }
        #expect(idle.overflow(\.down) == nil)
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [Substring] { split(separator: separator, omittingEmptySubsequences: false) }
}
