import Formatting
import GREBonding

/// What came of it.
struct Tally {
    /// Values of which the least, the greatest and ranks between are wanted; a random choice of them is kept.
    struct Sample {
        private static let most = 10_000
        private var values: [Int64] = []
        private(set) var count = 0

        mutating func add(_ value: Duration) {
            count += 1
            guard values.count == Self.most else { return values.append(value.nanoseconds) }
            // Each value so far has the same chance to be kept.
            let place = Int.random(in: 0..<count)
            if place < Self.most { values[place] = value.nanoseconds }
        }

        /// Milliseconds, by the nearest rank.
        func rank(_ share: Double) -> Double {
            guard !values.isEmpty else { return 0 }
            let place = Int((share * Double(values.count)).rounded(.up)) - 1
            return Double(values.sorted()[max(0, place)]) / 1e6
        }
    }

    var setUps = 0
    var setUpTime = Sample()
    var roundTrip = Sample()
    var echoRoundTrip = Sample()
    var denied: [UInt32: Int] = [:]
    var unanswered = 0
    var lostLegs: [String: Int] = [:]
    var lostBonds = 0
    var discarded: [String: Int] = [:]
    var unreadable = 0
    var refusedByKernel = 0
    var hellosAnswered = 0
    var firstRequest: Instant?
    /// When the last of those that were up at any time came up.
    var lastUp: Instant?

    /// A second, over the time from the first request until the last bond was up.
    var setUpRate: Double {
        guard let firstRequest, let lastUp, lastUp > firstRequest else { return 0 }
        return Double(setUps) / Double((lastUp - firstRequest).nanoseconds) * 1e9
    }

    func json(_ gateways: [SimulatedGateway], seconds: Double, drops: UInt64) -> JSONObject {
        func number(_ value: Double) -> String { String((value * 1000).rounded() / 1000) }
        func counts(_ values: some Sequence<(key: String, value: Int)>) -> JSONObject {
            values.sorted { $0.key < $1.key }.reduce(into: JSONObject()) { $0.add($1.key, $1.value) }
        }
        var object = JSONObject()
        object.add("version", 1)
        object.addRaw("seconds", number(seconds))
        object.add("gateways", gateways.count)
        object.add("up", gateways.count { $0.isUp })
        object.add("set_ups", setUps)
        object.addRaw("set_ups_per_s", number(setUpRate))
        for (name, sample) in [("set_up", setUpTime), ("hello", roundTrip), ("echo", echoRoundTrip)] {
            object.addRaw("\(name)_ms_p50", number(sample.rank(0.5)))
            object.addRaw("\(name)_ms_p99", number(sample.rank(0.99)))
        }
        object.add("hellos_answered", hellosAnswered)
        object.add("denied", counts(denied.map { (String($0.key), $0.value) }))
        object.add("unanswered", unanswered)
        object.add("lost_legs", counts(lostLegs.map { ($0.key, $0.value) }))
        object.add("lost_bonds", lostBonds)
        object.add("discarded", counts(discarded.map { ($0.key, $0.value) }))
        object.add("unreadable", unreadable)
        object.add("echoes_sent", gateways.reduce(0) { $0 + $1.sent })
        object.add("echoes_lost", gateways.reduce(0) { $0 + $1.lost })
        if let worst = gateways.max(by: { $0.lost < $1.lost }), worst.lost > 0 {
            var bond = JSONObject()
            bond.add("client", worst.name)
            bond.add("sent", worst.sent)
            bond.add("lost", worst.lost)
            object.add("worst", bond)
        }
        object.add("refused_by_kernel", refusedByKernel)
        object.add("own_drops", drops)
        return object
    }
}
