public import Addresses
public import GREBonding

/// An aggregation point's settings (`role = "haap"`).
public struct AggregationPointConfiguration: Hashable, Sendable {
    /// `address`, required: the addresses H where bonds end, at most one of each family (RFC 8157 §5.2.1).
    public var addresses: [IPAddress]
    /// `anycast`: the addresses G where the first Setup Request arrives, at most one of each family, each of a family
    /// that `address` has too. Default: none; gateways then use H.
    public var anycast: [IPAddress] = []
    /// `address_lifetime`: 2…300 s. Both kinds of addresses are put on a device of this program, and the kernel takes
    /// them away so long after its last sign of life; G also goes when a drain begins. Default: they are the operator's.
    public var addressLifetime: Milliseconds?
    /// `dialect`: "rfc8157" or "deployed". Default: "rfc8157".
    public var dialect: Dialect = .rfc8157
    public var session = SessionConfiguration()
    public var tunnel = TunnelPoolConfiguration()
    public var resequencer = ResequencerConfiguration()
    public var colour = ColourConfiguration()
    public var kernel = KernelConfiguration()
    public var control = ControlConfiguration()
    public var state = StateConfiguration()
    public var hooks = HooksConfiguration()
    public var http = HTTPConfiguration()
    public var log = LogConfiguration()
    /// `[defaults]`: rates of subscribers that have none of their own.
    public var defaults = SubscriberRates()
    /// `[[subscriber]]` here, in the drop-in files and in `subscribers_file`, in this order. Each CIN is unique.
    public var subscribers: [SubscriberConfiguration] = []
    /// `[dhcp]`
    public var dhcp = LeaseServerConfiguration()
    /// `[relay]`
    public var relay = LeaseRelayConfiguration()
    /// `[[pool]]`: each name is unique, and no two overlap.
    public var pools: [PoolConfiguration] = []
    /// What `[defaults]` makes of a subscriber that says nothing, for those whom only RADIUS knows.
    public var unlisted = SubscriberConfiguration(cin: .unnamed)
    /// `[radius]`. Default: none; ``subscribers`` are all that may bond.
    public var radius: RADIUSConfiguration?
    /// `[ipsec]`. Default: none; the legs' packets are in the clear.
    public var ipsec: IPsecConfiguration?
    /// `[limits]`
    public var limits = LimitsConfiguration()
    /// `[[filter_list]]` by name: what gateways are to leave out of their bonds (RFC 8157 §5.6.2). Each value is one
    /// that ``FilterRule`` reads; an empty list clears the gateway's.
    public var filterLists: [String: [FilterItem]] = [:]
    /// `[[pin]]`: what takes one leg of each bond on its way to gateways, as long as that leg is there; said as
    /// subscribers send it. At most 16 384 items, without host names and Ethernet addresses. Default: none.
    public var pins: [Pin] = []
    /// `[defaults] filter_list`: a key of ``filterLists``. Default: none.
    public var defaultFilterList: String?

    public init(addresses: [IPAddress]) { self.addresses = addresses }

    public func address(_ family: IPFamily) -> IPAddress? { addresses.first { $0.family == family } }
}

/// What the aggregation point announces in its Setup Accepts (`[session]`). A bare number counts the unit of the
/// attribute.
public struct SessionConfiguration: Hashable, Sendable {
    /// `active_hello_interval`: 1…100 s (RFC 8157 §5.2.6). Default: 10 s.
    public var activeHelloInterval: Milliseconds = .seconds(10)
    /// `idle_hello_interval`: 100…86400 s in steps of 100 (RFC 8157 §5.2.14). Default: 1800 s.
    public var idleHelloInterval: Milliseconds = .seconds(1800)
    /// `hello_retry_times`: 3…10 (RFC 8157 §5.2.7). Default: 3.
    public var helloRetryTimes: UInt32 = 3
    /// `idle_timeout`: 0…172800 s in steps of 60; 0 is never (RFC 8157 §5.2.8). Default: 86400 s.
    public var idleTimeout: Milliseconds = .seconds(86400)
    /// `no_traffic_monitored_interval`: 30…86400 s (RFC 8157 §5.2.15). Default: 60 s.
    public var noTrafficMonitoredInterval: Milliseconds = .seconds(60)
    /// `rtt_difference_threshold`: 0…1000 ms; 0 is no threshold (RFC 8157 §5.2.4). Default: 0 ms.
    public var rttDifferenceThreshold = Milliseconds(0)
    /// `rtt_violation`: measurements above the threshold that end the use of LTE, 1…25 (RFC 8157 §5.2.12). Default: 3.
    public var rttViolation: UInt32 = 3
    /// `rtt_compliance`: measurements below the threshold that begin it again, 1…25 (RFC 8157 §5.2.13). Default: 3.
    public var rttCompliance: UInt32 = 3
    /// `bypass_check_interval`: 10…300 s (RFC 8157 §5.2.5). Default: 10 s.
    public var bypassCheckInterval: Milliseconds = .seconds(10)
    /// `lte_alone`: whether a bond stays with LTE when DSL is refused; the standard ends it (RFC 8157 §6.2).
    /// Default: false.
    public var lteAlone = false
    /// `dsl_attributes`: appended to the Setup Accept of DSL in this order, at most 16 of at most 1000 bytes each.
    /// Default: none.
    public var dslAttributes: [Attribute] = []
    /// `lte_attributes`: the same for LTE.
    public var lteAttributes: [Attribute] = []

    public init() {}
}

/// What an aggregation point takes on (`[limits]`).
public struct LimitsConfiguration: Hashable, Sendable {
    /// `bonds`: at a time, 1…1000000. Default: 100000.
    public var bonds = 100_000
    /// `drain_rate`: bonds ended in a second while draining, 10…100000. Default: 100.
    public var drainRate = 100

    public init() {}
}

/// The bonds' devices (`[tunnel]` of an aggregation point).
public struct TunnelPoolConfiguration: Hashable, Sendable {
    /// `prefix`: what the device names begin with, 1…8 bytes valid in an interface name. Default: "bond".
    public var prefix = "bond"
    /// `mtu`: bytes of an inner packet, 576…9000, or "auto". Default: "auto".
    public var mtu: TunnelMTU = .automatic

    public init() {}
}

/// Rates of one subscriber's lines, 1 kbit/s…100 Gbit/s each, and how they are shared.
public struct SubscriberRates: Hashable, Sendable {
    /// `dsl_upstream`: Configured DSL Upstream Bandwidth (RFC 8157 §5.2.10). Default: unknown.
    public var dslUpstream: BitRate?
    /// `dsl_downstream`: Configured DSL Downstream Bandwidth (RFC 8157 §5.2.11). Default: unknown.
    public var dslDownstream: BitRate?
    /// `lte_downstream`: where LTE traffic to the gateway is shaped. Default: not shaped.
    public var lteDownstream: BitRate?
    /// `dsl_limit`, `lte_limit`: what the bond may send on the line at most. Default: no limit.
    public var dslLimit: BitRate?
    public var lteLimit: BitRate?
    /// `dsl_weight`, `lte_weight`: the lines' shares of what the bond sends, 1…1000 each; both or neither. Default: the
    /// rates downstream.
    public var weights: LegWeights?

    public init() {}

    /// Own rates first, then those of `other`.
    public func filled(from other: SubscriberRates) -> SubscriberRates {
        var result = self
        result.dslUpstream = dslUpstream ?? other.dslUpstream
        result.dslDownstream = dslDownstream ?? other.dslDownstream
        result.lteDownstream = lteDownstream ?? other.lteDownstream
        result.dslLimit = dslLimit ?? other.dslLimit
        result.lteLimit = lteLimit ?? other.lteLimit
        result.weights = weights ?? other.weights
        return result
    }
}

/// Shares of the two legs, 1…1000 each; only their ratio counts.
public struct LegWeights: Hashable, Sendable {
    public var dsl: UInt32
    public var lte: UInt32

    public init(dsl: UInt32, lte: UInt32) {
        self.dsl = dsl
        self.lte = lte
    }
}

/// One gateway that may bond (`[[subscriber]]`).
public struct SubscriberConfiguration: Hashable, Sendable {
    /// `cin`, required and unique: Client Identification Name, 1…40 bytes of UTF-8 (RFC 8157 §5.1.1).
    public var cin: ClientIdentificationName
    /// `address`: the IPv4 address routed to the bond as a /32, and leased to it by DHCP. Default: one of `pool`.
    public var address: IPv4Address?
    /// `prefix`: the IPv6 prefix routed to the bond, and delegated to it by DHCPv6; 32…64 bits, host bits clear.
    /// Default: one of `pool`.
    public var prefix: IPPrefix?
    /// `pool`: the name of a pool in ``AggregationPointConfiguration/pools``, already filled from `[defaults]`.
    /// Default: none; what the subscriber does not have of its own it is not given.
    public var pool: String?
    /// `address6`: the IPv6 address routed to the bond as a /128. Default: none.
    public var address6: IPv6Address?
    /// `routes`: prefixes routed to the bond, host bits clear. Default: none.
    public var routes: [IPPrefix] = []
    /// `dsl_upstream`, `dsl_downstream`, `lte_downstream`, already filled from `[defaults]`.
    public var rates = SubscriberRates()
    /// `service`: "bonding", "lte" or "none". Default: "bonding".
    public var service: SubscriberService = .bonding
    /// `path_mtu`: bytes of an outer packet that both of the gateway's links take, 576…9000, already filled from
    /// `[defaults]`. Default: 1492, what PPPoE leaves of Ethernet (RFC 2516 §7).
    public var pathMTU = SubscriberConfiguration.standardPathMTU
    static let standardPathMTU: UInt32 = 1492
    /// `filter_list`: a key of ``AggregationPointConfiguration/filterLists``, already filled from `[defaults]`.
    /// Default: none; the gateway is then sent no list.
    public var filterList: String?

    public init(cin: ClientIdentificationName) { self.cin = cin }
}

/// What a subscriber is allowed (`service` of `[[subscriber]]`). The raw values are those of the settings.
public enum SubscriberService: String, Hashable, Sendable, CaseIterable {
    /// Both legs.
    case bonding
    /// LTE only: DSL is refused with error code 5 (RFC 8157 §5.3.1).
    case lte
    /// Nothing: both legs are refused with error code 6.
    case suspended = "none"
}
