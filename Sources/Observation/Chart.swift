/// Throughput per leg over the last hour, stacked, as a picture of its own (SVG): DSL below, LTE on top of it.
struct Chart {
    var points: [RateHistory.Point]
    var direction: KeyPath<RateHistory.Point, (UInt32, UInt32)>
    var events: [Facts.PastEvent]

    private static let width: Int64 = 720
    private static let height: UInt64 = 100
    private static let seconds = RateHistory.step * Int64(RateHistory.count)

    /// Kbit/s at the upper edge: the least of 1, 2 or 5 times a power of ten that holds everything.
    var ceiling: UInt64 {
        let most = points.map { UInt64($0[keyPath: direction].0) + UInt64($0[keyPath: direction].1) }.max() ?? 0
        var unit: UInt64 = 100
        while true {
            for factor: UInt64 in [1, 2, 5] where unit * factor >= most { return unit * factor }
            unit *= 10
        }
    }

    func svg(title: String) -> String {
        let top = ceiling
        func y(_ kbit: UInt64) -> UInt64 { Self.height - kbit * Self.height / top }
        // The newest point stands at the right edge.
        let first = Self.width - Int64(points.count) + 1
        var (line, dsl, all) = ("", "", "")
        for (number, point) in points.enumerated() {
            let (low, high) = (UInt64(point[keyPath: direction].0), UInt64(point[keyPath: direction].1))
            let x = first + Int64(number)
            line = number == 0 ? "M\(x) \(Self.height)" : line
            dsl += "L\(x) \(y(low))"
            all += "L\(x) \(y(low + high))"
        }
        var parts = [
            "<svg viewBox=\"0 0 \(Self.width) \(Self.height)\" preserveAspectRatio=\"none\" role=\"img\">",
            "<title>\(title)</title>",
        ]
        for quarter in 1..<4 { parts.append("<path class=\"grid\" d=\"M0 \(quarter * 25)H\(Self.width)\"/>") }
        if !points.isEmpty {
            // The sum lies behind, so that what is seen of it is LTE's part.
            parts.append("<path class=\"lte\" d=\"\(line)\(all)V\(Self.height)Z\"/>")
            parts.append("<path class=\"dsl\" d=\"\(line)\(dsl)V\(Self.height)Z\"/>")
        }
        for event in events where event.age <= Self.seconds {
            let x = Self.width - event.age / RateHistory.step
            let kind = event.event.kind.severity == .warning ? "mark bad" : "mark"
            parts.append(
                "<path class=\"\(kind)\" d=\"M\(x) 0V\(Self.height)\"><title>\(Page.escaped(Page.text(event)))</title></path>")
        }
        return parts.joined() + "</svg>"
    }
}
