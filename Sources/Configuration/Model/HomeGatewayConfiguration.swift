public import Addresses
public import GREBonding

/// A gateway's settings (`role = "hg"`).
public struct HomeGatewayConfiguration: Hashable, Sendable {
    /// `haap`, required: the aggregation point's address or host name (G, RFC 8157 §4.1).
    public var haap: AggregationPointAddress
    /// `family`: of the addresses that a host name in `haap` is resolved to, and so of the outer packets. Default:
    /// that of `haap` if it is an address; else IPv6 for the dialect "deployed", IPv4 for "rfc8157".
    public var family: IPFamily
    /// `lan`: the interfaces whose traffic goes to the bond. May be empty. Default: none.
    public var lan: [InterfaceName] = []
    /// `cin`: Client Identification Name, 1…40 bytes of UTF-8 (RFC 8157 §5.1.1). Default: the host name.
    public var cin: ClientIdentificationName
    /// `dialect`: "rfc8157" or "deployed". Default: "rfc8157".
    public var dialect: Dialect = .rfc8157
    /// `[dsl]`, required: the primary leg.
    public var dsl: LegConfiguration
    /// `[lte]`, required: the secondary leg.
    public var lte: LegConfiguration
    public var tunnel = TunnelConfiguration()
    /// `[[bypass]]`: what leaves past the bond by DSL, beside the aggregator's filter list; at most 16 384 items.
    /// Default: none.
    public var bypass: [FilterItem] = []
    /// `[[exception]]`: what stays in the bond whatever the two lists say; at most 16 384 items. Default: none.
    public var exceptions: [FilterItem] = []
    /// `[[pin]]`: what takes one leg of the bond as long as it is there; at most 16 384 items. Default: none.
    public var pins: [Pin] = []
    public var names = NamesConfiguration()
    /// `[ipsec]`. Default: none; the legs' packets are in the clear.
    public var ipsec: IPsecConfiguration?
    public var resequencer = ResequencerConfiguration()
    public var colour = ColourConfiguration()
    public var kernel = KernelConfiguration()
    public var control = ControlConfiguration()
    public var state = StateConfiguration()
    public var hooks = HooksConfiguration()
    public var http = HTTPConfiguration()
    public var log = LogConfiguration()

    public init(haap: AggregationPointAddress, cin: ClientIdentificationName, dsl: LegConfiguration, lte: LegConfiguration) {
        self.haap = haap
        family = haap.family ?? .v4
        self.cin = cin
        self.dsl = dsl
        self.lte = lte
    }
}

/// One access link of a gateway (`[dsl]`, `[lte]`).
public struct LegConfiguration: Hashable, Sendable {
    /// `interface`, required.
    public var interface: InterfaceName
    /// `gateway`: the next hop on the link, same family as the outer packets. Default: that of the default route which the kernel
    /// has on this interface.
    public var gateway: IPAddress?
    /// `dns`: the servers that resolve a host name in `haap` over this link, at most ``dnsServerLimit``. Empty: those of
    /// `/etc/resolv.conf`. Default: empty.
    public var dns: [IPAddress] = []
    public static let dnsServerLimit = 4
    /// `upstream`: the link's rate towards the network, 1 kbit/s…100 Gbit/s. Default: unknown.
    public var upstream: BitRate?
    /// `downstream`: the link's rate from the network, 1 kbit/s…100 Gbit/s. Default: unknown.
    public var downstream: BitRate?
    /// `limit`: what the bond may send on the link at most, 1 kbit/s…100 Gbit/s. Default: no limit.
    public var limit: BitRate?
    /// `weight`: the leg's share of what the bond sends, 1…1000; both legs have one or neither. Default: `upstream`.
    public var weight: UInt32?
    /// `[lte.quota]`. Default: none.
    public var quota: QuotaConfiguration?
    /// `link_overhead`: bytes that the link adds to each IP packet where its rate is counted, -64…256. Default: 14
    /// (Ethernet without its check sequence). Negative where the modem's rate counts less than the packet.
    public var linkOverhead: Int = 14
    /// `prefix`, of `[dsl]` only: the IPv6 prefix of the LAN that this link's network routes to it, 1…64 bits long,
    /// host bits clear. Sources in it are not translated when they pass the bond by. Default: none.
    public var prefix: IPPrefix?
    /// `enabled`: false leaves the link alone. Default: true.
    public var isEnabled = true
    /// `setup_attributes`: appended to the leg's Setup Request in this order, at most 16 of at most 1000 bytes each.
    /// Default: none.
    public var setupAttributes: [Attribute] = []

    public init(interface: InterfaceName) { self.interface = interface }
}

/// How much LTE may carry in a month before it is only a reserve (`[lte.quota]`).
public struct QuotaConfiguration: Hashable, Sendable {
    /// `volume`, required: bytes of IP packets on the link both ways, 1 MB…1 PB.
    public var volume: DataVolume
    /// `reset_day`: of the month, at 00:00 UTC, 1…31; in shorter months the last day. Default: 1.
    public var resetDay = 1
    /// `warn_at`: percent of `volume`, 1…99. Default: 80.
    public var warnings = [80]

    public init(volume: DataVolume) { self.volume = volume }
}

/// The bond as the gateway's kernel sees it (`[tunnel]` of a gateway).
public struct TunnelConfiguration: Hashable, Sendable {
    /// `name`: the GRE device's name, at most 15 bytes. Default: "bond0".
    public var name: InterfaceName
    /// `address`: IPv4 address of the device; without a length it is a /32. Default: by DHCP.
    public var address: IPPrefix?
    /// `address6`: IPv6 address of the device; without a length it is a /128. Default: none.
    public var address6: IPPrefix?
    /// `prefix`: the IPv6 prefix that the LAN uses through the bond (RFC 8157 §5.4.2, §5.6.7), 1…64 bits long, host
    /// bits clear. Default: by DHCPv6.
    public var prefix: IPPrefix?
    /// `dhcp`: whether the device's IPv4 address comes by DHCP through the bond (RFC 8157 §6.2). Default: true without
    /// `address`.
    public var dhcp = true
    /// `dhcp6`: whether a prefix for the LAN comes by DHCPv6 through the bond. Default: true without `address6` and
    /// `prefix`.
    public var dhcp6 = true
    /// `mtu`: bytes of an inner packet, 576…9000, or "auto": the smaller leg's MTU less the outer headers.
    /// Default: "auto".
    public var mtu: TunnelMTU = .automatic
    /// `masquerade`: translate the LAN's IPv4 sources to the device's address. Default: true.
    public var masquerade = true
    /// `default_route`: the LAN's traffic goes to the bond. Default: true.
    public var defaultRoute = true

    public init(name: InterfaceName = .bond0) { self.name = name }
}

public enum TunnelMTU: Hashable, Sendable {
    case automatic
    /// 576…9000 bytes.
    case bytes(UInt32)
}

extension InterfaceName {
    /// "bond0".
    public static let bond0 = InterfaceName(trusted: "bond0")
}
