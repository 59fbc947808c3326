import Addresses

extension TableReader {
    /// `[resequencer]`
    func resequencer() -> ResequencerConfiguration {
        section("resequencer") { table in
            var result = ResequencerConfiguration()
            if let buffer = table.integer("buffer", in: 64...65536, unit: "packets") { result.buffer = Int(buffer) }
            if let timer = table.resequencerTimer("timer") { result.timer = timer }
            if let hold = table.duration("overflow_hold", in: 100...60_000, unit: .milliseconds) {
                result.overflowHold = hold
            }
            return result
        } ?? ResequencerConfiguration()
    }

    private func resequencerTimer(_ key: String) -> ResequencerTimer? {
        guard let node = node(key) else { return nil }
        if case .string("auto") = node.value { return .automatic }
        return duration(node, key, in: 5...1000, unit: .milliseconds, alternative: "\"auto\", ").map { .fixed($0) }
    }

    /// `[colour]`
    func colour() -> ColourConfiguration {
        section("colour") { table in
            var result = ColourConfiguration()
            if let share = table.integer("cir_share", in: 50...100, unit: "%") { result.cirShare = Int(share) }
            if let burst = table.duration("burst", in: 1...1000, unit: .milliseconds) { result.burst = burst }
            if let overflow = table.choice("overflow", Overflow.self) { result.overflow = overflow }
            if let distribution = table.choice("distribution", LegDistribution.self) {
                result.distribution = distribution
                if distribution != .overflow, result.overflow != .queue {
                    table.report("distribution", "\"\(distribution.rawValue)\" takes overflow = \"queue\"")
                }
            }
            return result
        } ?? ColourConfiguration()
    }

    /// `[control]`
    func control() -> ControlConfiguration {
        section("control") { table in
            var result = ControlConfiguration()
            if let path = table.value("socket", String.self, expected: "a path") {
                if !path.utf8.starts(with: "/".utf8) || path.utf8.contains(0) {
                    table.report("socket", "expected an absolute path, found \"\(path)\"")
                } else if path.utf8.count > 107 {
                    table.report("socket", "\(path.utf8.count) bytes is out of range: at most 107 bytes")
                } else {
                    result.socket = path
                }
            }
            return result
        } ?? ControlConfiguration()
    }

    /// `[hooks]`
    func hooks() -> HooksConfiguration {
        section("hooks") { table in
            var result = HooksConfiguration()
            if let path = table.value("command", String.self, expected: "a path") {
                if path.utf8.starts(with: "/".utf8), !path.utf8.contains(0) {
                    result.command = path
                } else {
                    table.report("command", "expected an absolute path, found \"\(path)\"")
                }
            }
            if let time = table.duration("timeout", in: 1...300, unit: .seconds) { result.timeout = time }
            return result
        } ?? HooksConfiguration()
    }

    /// `[http]`
    func http(hasSubscribers: Bool) -> HTTPConfiguration {
        section("http") { table in
            var result = HTTPConfiguration()
            result.listen = table.listenAddresses("listen")
            if hasSubscribers, let labels = table.boolean("subscriber_labels") { result.subscriberLabels = labels }
            return result
        } ?? HTTPConfiguration()
    }

    /// Each of an array, or the one element alone.
    private func listenAddresses(_ key: String) -> [ListenAddress] {
        guard let node = node(key) else { return [] }
        let elements: [TOMLNode] = if case .array(let array) = node.value { array } else { [node] }
        if elements.count > HTTPConfiguration.listenLimit {
            report(key, "\(elements.count) addresses are out of range: at most \(HTTPConfiguration.listenLimit)")
            return []
        }
        var result: [ListenAddress] = []
        for element in elements {
            let address: ListenAddress? =
                switch element.value {
                case .integer(let port) where (1...65535).contains(port):
                    ListenAddress(.v4(IPv4Address(127, 0, 0, 1)), port: UInt16(port))
                case .string(let text): ListenAddress(text)
                default: nil
                }
            if let address, !address.address.isMulticast {
                if !result.contains(address) { result.append(address) }
            } else {
                let found = if case .string(let text) = element.value { "\"\(text)\"" } else { element.value.kind }
                problems.add(
                    element.location,
                    "\(name(key)): expected \"127.0.0.1:9157\", \"[::1]:9157\" or a port, found \(found)")
            }
        }
        return result
    }

    /// `[log]`
    func log() -> LogConfiguration {
        section("log") { table in
            var result = LogConfiguration()
            if let level = table.choice("level", LogLevel.self) { result.level = level }
            if let format = table.choice("format", LogFormat.self) { result.format = format }
            return result
        } ?? LogConfiguration()
    }
}
