import Addresses
import GREBonding

/// `role = "haap"`
struct AggregationPointDecoder {
    let table: TableReader
    let context: LoadContext

    func decode() -> AggregationPointConfiguration? {
        let addresses = table.addressPerFamily("address", required: true)
        let anycast = table.addressPerFamily("anycast", required: false)
        let dialect = table.choice("dialect", Dialect.self) ?? .rfc8157
        checkAddresses(addresses, anycast: anycast, dialect: dialect)

        var result = AggregationPointConfiguration(addresses: addresses)
        result.anycast = anycast
        result.addressLifetime = table.duration("address_lifetime", in: 2...300, unit: .seconds)
        result.dialect = dialect
        result.session = session()
        result.tunnel = tunnel()
        result.resequencer = table.resequencer()
        result.colour = table.colour()
        result.kernel = table.kernel()
        result.control = table.control()
        result.state = table.state()
        result.dhcp = table.leaseServer(addresses: addresses)
        result.hooks = table.hooks()
        result.http = table.http(hasSubscribers: true)
        result.log = table.log()
        result.limits = limits()
        result.radius = RADIUSDecoder(context: context).decode(table)
        result.ipsec = table.ipsec(context, result.kernel)
        let filterLists = FilterListDecoder(table, context: context)
        result.filterLists = filterLists.lists
        result.pins = table.pins(areOfAnswers: true)
        let pools = PoolDecoder(table)
        result.pools = pools.pools
        result.relay = table.leaseRelay(addresses: addresses, pools: pools.pools)
        let subscribers = SubscriberDecoder(
            table, filterLists: filterLists, pools: pools, own: addresses + anycast)
        (result.defaults, result.defaultFilterList) = (subscribers.defaults, subscribers.defaultFilterList)
        result.unlisted = subscribers.unlisted
        result.subscribers = self.subscribers(subscribers)
        checkCanonical(result.kernel, addresses: addresses + anycast)
        return addresses.isEmpty ? nil : result
    }

    private func session() -> SessionConfiguration {
        table.section("session") { table in
            var result = SessionConfiguration()
            func set(
                _ path: WritableKeyPath<SessionConfiguration, Milliseconds>, _ key: String, _ range: ClosedRange<UInt64>,
                step: UInt64 = 1, unit: TableReader.DurationUnit = .seconds
            ) {
                if let value = table.duration(key, in: range, step: step, unit: unit) { result[keyPath: path] = value }
            }
            func set(
                _ path: WritableKeyPath<SessionConfiguration, UInt32>, _ key: String, _ range: ClosedRange<Int64>
            ) {
                if let value = table.integer(key, in: range) { result[keyPath: path] = UInt32(value) }
            }
            set(\.activeHelloInterval, "active_hello_interval", 1...100)
            set(\.idleHelloInterval, "idle_hello_interval", 100...86400, step: 100)
            set(\.helloRetryTimes, "hello_retry_times", 3...10)
            set(\.idleTimeout, "idle_timeout", 0...172_800, step: 60)
            set(\.noTrafficMonitoredInterval, "no_traffic_monitored_interval", 30...86400)
            set(\.rttDifferenceThreshold, "rtt_difference_threshold", 0...1000, unit: .milliseconds)
            set(\.rttViolation, "rtt_violation", 1...25)
            set(\.rttCompliance, "rtt_compliance", 1...25)
            set(\.bypassCheckInterval, "bypass_check_interval", 10...300)
            if let alone = table.boolean("lte_alone") { result.lteAlone = alone }
            result.dslAttributes = table.setupAttributes("dsl_attributes")
            result.lteAttributes = table.setupAttributes("lte_attributes")
            return result
        } ?? SessionConfiguration()
    }

    private func tunnel() -> TunnelPoolConfiguration {
        table.section("tunnel") { table in
            var result = TunnelPoolConfiguration()
            if let prefix = table.value("prefix", String.self, expected: "the start of an interface name") {
                // Seven bytes are left for a number.
                if prefix.utf8.count <= 8, InterfaceName(prefix) != nil {
                    result.prefix = prefix
                } else {
                    table.report("prefix", "\"\(prefix)\" is not 1…8 bytes that an interface name may begin with")
                }
            }
            if let mtu = table.mtu("mtu") { result.mtu = mtu }
            return result
        } ?? TunnelPoolConfiguration()
    }

    private func limits() -> LimitsConfiguration {
        table.section("limits") { table in
            var result = LimitsConfiguration()
            if let bonds = table.integer("bonds", in: 1...1_000_000) { result.bonds = Int(bonds) }
            if let rate = table.integer("drain_rate", in: 10...100_000, unit: "bonds/s") {
                result.drainRate = Int(rate)
            }
            return result
        } ?? LimitsConfiguration()
    }

    private func subscribers(_ decoder: SubscriberDecoder) -> [SubscriberConfiguration] {
        decoder.decode(table)
            + (context.include("subscribers_file", of: table, limit: LoadContext.subscriberFileLimit) {
                decoder.decode($0)
            } ?? [])
    }

    // MARK: what no key can tell alone

    private func checkAddresses(_ addresses: [IPAddress], anycast: [IPAddress], dialect: Dialect) {
        for g in anycast {
            if addresses.contains(g) {
                table.report("anycast", "\(g) is also address: leave anycast out when they are the same")
            } else if !addresses.isEmpty, !addresses.contains(where: { $0.family == g.family }) {
                table.report("anycast", "\(g) is \(g.family.label), but address has no \(g.family.label) address")
            }
        }
        guard dialect == .deployed else { return }
        for (key, list) in [("address", addresses), ("anycast", anycast)] where list.contains(where: { $0.family == .v4 }) {
            table.report(key, "the dialect \"deployed\" runs over IPv6 only, but this has an IPv4 address")
        }
    }

    private func checkCanonical(_ kernel: KernelConfiguration, addresses: [IPAddress]) {
        for address in addresses {
            let pair = kernel.canonical(address.family)
            if address == pair.local || address == pair.remote {
                table.report(
                    "address", "\(address) is one of the canonical addresses of [kernel], which never leave the host")
            }
        }
    }
}
