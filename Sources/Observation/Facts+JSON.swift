public import Formatting

extension Facts {
    /// What `spillway top --json` prints and the page's server has as facts.json.
    public var json: JSONObject {
        var object = JSONObject()
        object.add("version", 1)
        object.add("role", role.rawValue)
        object.add("uptime_s", uptime)
        object.add("summary", summary)
        object.add("draining", isDraining)
        var counts = JSONObject()
        counts.add("configured", bonds.configured)
        counts.add("up", bonds.up)
        counts.add("both_legs", bonds.both)
        counts.add("only_dsl", bonds.onlyDSL)
        counts.add("only_lte", bonds.onlyLTE)
        object.add("bonds", counts)
        object.add("legs", legs.map(\.json))
        if let share = overflow(\.down) { object.add("overflow_down_percent", share) }
        if let share = overflow(\.up) { object.add("overflow_up_percent", share) }
        if let bond { object.add("bond", bond.json) }
        object.add("resequencer", resequencer.json)
        if role == .aggregationPoint {
            object.add("unhealthiest", unhealthiest.map(\.json))
            object.add("busiest", busiest.map(\.json))
        }
        object.addRaw("events", "[\(events.map { $0.event.json(time: $0.time) }.joined(separator: ","))]")
        return object
    }
}

extension Facts.Leg {
    var json: JSONObject {
        var object = JSONObject()
        object.add("name", name)
        object.add("configured", configured)
        object.add("up", up)
        if !state.isEmpty { object.add("state", state) }
        if let why { object.add("reason", why) }
        if let since { object.add("since_s", since) }
        if let interface { object.add("interface", interface) }
        if let address { object.add("address", address) }
        object.add("down_kbit", rate.down / 1000)
        object.add("up_kbit", rate.up / 1000)
        if capacity.down > 0 { object.add("capacity_down_kbit", capacity.down / 1000) }
        if capacity.up > 0 { object.add("capacity_up_kbit", capacity.up / 1000) }
        object.add("received_bytes", traffic.receivedBytes)
        object.add("sent_bytes", traffic.sentBytes)
        if let roundTrip { object.add("rtt_us", roundTrip) }
        if let smoothedRoundTrip { object.add("rtt_smoothed_us", smoothedRoundTrip) }
        if !roundTrips.isEmpty {
            object.addRaw("rtt_history_us", "[\(roundTrips.map(String.init).joined(separator: ","))]")
        }
        if hellosSent > 0 {
            object.add("hellos_sent", hellosSent)
            object.add("hellos_answered", hellosAnswered)
        }
        return object
    }
}

extension Facts.Bond {
    var json: JSONObject {
        var object = JSONObject()
        object.add("name", name)
        object.add("up", isUp)
        if isUp {
            object.add("session_id", session)
            object.add("distribution", distribution)
            object.add("hello_state", helloState)
            object.add("committed_kbit", committed / 1000)
            object.add("bypass_down_kbit", bypass.down / 1000)
            object.add("bypass_up_kbit", bypass.up / 1000)
        }
        if let device { object.add("device", device) }
        if let trouble { object.add("trouble", trouble) }
        object.add("down_kbit", rate.down / 1000)
        object.add("up_kbit", rate.up / 1000)
        return object
    }
}

extension Facts.Resequencer {
    var json: JSONObject {
        var object = JSONObject()
        object.add("depth", depth)
        object.add("in_order", inOrder)
        object.add("held", held)
        object.add("late", late)
        object.add("passed_over", passedOver)
        object.add("timed_out", timedOut)
        object.add("resynchronized", resynchronized)
        object.add("longest_wait_us", longestWait / 1000)
        return object
    }
}
