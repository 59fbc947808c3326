import Addresses
import GREBonding

/// `[[subscriber]]`, from however many files: what one subscriber has, no other may have.
final class SubscriberDecoder {
    private let problems: ProblemCollector
    private let filterLists: FilterListDecoder
    private let pools: PoolDecoder
    /// The aggregation point's own addresses.
    private let own: [IPAddress]
    private(set) var defaults = SubscriberRates()
    private(set) var defaultFilterList: String?
    private var defaultPool: String?
    private var defaultPathMTU = SubscriberConfiguration.standardPathMTU
    private var cins: [ClientIdentificationName: SourceLocation] = [:]
    private var prefixes: [IPPrefix: SourceLocation] = [:]

    /// Reads `[defaults]`.
    init(_ table: TableReader, filterLists: FilterListDecoder, pools: PoolDecoder, own: [IPAddress]) {
        problems = table.problems
        self.own = own
        self.filterLists = filterLists
        self.pools = pools
        _ = table.section("defaults") { table in
            defaults = Self.rates(table)
            defaultPathMTU = Self.pathMTU(table) ?? defaultPathMTU
            defaultFilterList = filterLists.reference("filter_list", in: table)
            defaultPool = pools.reference("pool", in: table)
        }
    }

    /// A subscriber of nothing but `[defaults]`.
    var unlisted: SubscriberConfiguration {
        var result = SubscriberConfiguration(cin: .unnamed)
        result.pool = defaultPool
        result.rates = defaults
        result.pathMTU = defaultPathMTU
        result.filterList = defaultFilterList
        return result
    }

    func decode(_ table: TableReader) -> [SubscriberConfiguration] {
        table.sections("subscriber") { decodeOne($0) }
    }

    private static func rates(_ table: TableReader) -> SubscriberRates {
        var result = SubscriberRates()
        result.dslUpstream = table.rate("dsl_upstream")
        result.dslDownstream = table.rate("dsl_downstream")
        result.lteDownstream = table.rate("lte_downstream")
        result.dslLimit = table.rate("dsl_limit")
        result.lteLimit = table.rate("lte_limit")
        let (dsl, lte) = (table.weight("dsl_weight"), table.weight("lte_weight"))
        if let dsl, let lte {
            result.weights = LegWeights(dsl: dsl, lte: lte)
        } else if dsl != nil || lte != nil {
            table.report(dsl == nil ? "lte_weight" : "dsl_weight", "a weight of one leg needs one of the other")
        }
        return result
    }

    private static func pathMTU(_ table: TableReader) -> UInt32? {
        table.integer("path_mtu", in: 576...9000, unit: "bytes").map { UInt32($0) }
    }

    private func decodeOne(_ table: TableReader) -> SubscriberConfiguration? {
        let cin = table.cin("cin", required: true)
        let address = table.value("address", IPv4Address.self, expected: "an IPv4 address")
        let address6 = table.value("address6", IPv6Address.self, expected: "an IPv6 address")
        let routes = table.list("routes", IPPrefix.self, expected: "a prefix such as 192.0.2.0/28")
        let rates = Self.rates(table)
        let pathMTU = Self.pathMTU(table)
        let service = table.choice("service", SubscriberService.self)
        let filterList = filterLists.reference("filter_list", in: table)
        let prefix = delegatedPrefix(table)
        let pool = pools.reference("pool", in: table)

        if let cin { claim(cin, table) }
        if let address { claim(.v4(address), "address", table) }
        if let address6 { claim(.v6(address6), "address6", table) }
        if let prefix {
            claim(prefix, "prefix", at: table.location(of: "prefix"))
            for address in own where prefix.contains(address) {
                table.report("prefix", "\(prefix) holds \(address), this aggregation point's own address")
            }
        }
        for (route, location) in routes {
            if route.masked != route {
                problems.add(location, "subscriber.routes: \(route) has host bits set: \(route.masked) is the prefix")
            } else {
                claim(route, "routes", at: location)
            }
        }
        guard let cin else { return nil }
        var result = SubscriberConfiguration(cin: cin)
        result.address = address
        result.address6 = address6
        result.prefix = prefix
        result.pool = pool ?? defaultPool
        result.routes = routes.map(\.value)
        result.rates = rates.filled(from: defaults)
        result.pathMTU = pathMTU ?? defaultPathMTU
        result.service = service ?? .bonding
        result.filterList = filterList ?? defaultFilterList
        return result
    }

    private func delegatedPrefix(_ table: TableReader) -> IPPrefix? {
        let expected = "an IPv6 prefix such as 2001:db8:1::/56"
        guard let prefix = table.value("prefix", IPPrefix.self, expected: expected) else { return nil }
        if prefix.address.family != .v6 || !prefix.address.isUnicast || prefix.address.isLinkLocal {
            table.report("prefix", "expected \(expected), found \"\(prefix)\"")
        } else if !(32...64).contains(prefix.length) {
            table.report("prefix", "a length of \(prefix.length) is out of range: 32…64")
        } else if prefix.masked != prefix {
            table.report("prefix", "\(prefix) has host bits set: \(prefix.masked) is the prefix")
        } else {
            return prefix
        }
        return nil
    }

    private func claim(_ cin: ClientIdentificationName, _ table: TableReader) {
        if let earlier = cins[cin] {
            table.report("cin", "\"\(cin)\" is already that of another subscriber (\(earlier.file):\(earlier.line))")
        } else {
            cins[cin] = table.location(of: "cin")
        }
    }

    private func claim(_ address: IPAddress, _ key: String, _ table: TableReader) {
        guard address.isUnicast else {
            table.report(key, "\(address) is not a unicast address")
            return
        }
        claim(IPPrefix(host: address), key, at: table.location(of: key))
    }

    private func claim(_ prefix: IPPrefix, _ key: String, at location: SourceLocation) {
        if let earlier = prefixes[prefix] {
            problems.add(
                location,
                "subscriber.\(key): \(prefix) is already routed to a subscriber (\(earlier.file):\(earlier.line))")
        } else {
            prefixes[prefix] = location
        }
    }
}
