public import Addresses

/// What an aggregation point's servers say to every gateway (`[dhcp]`).
public struct LeaseServerConfiguration: Hashable, Sendable {
    /// `enabled`: false answers no DHCP message. Default: true.
    public var isEnabled = true
    /// `server`: the IPv4 address by which gateways know the DHCPv4 server and reach it inside the bond. It is put on
    /// this host where it is not there yet. Default: the IPv4 address of `address`, else 192.0.0.1 (RFC 7335).
    public var server: IPv4Address
    /// `lease_time`: of an IPv4 address, and the valid lifetime of a prefix, 60 s…365 d. Default: 1 d.
    public var leaseTime: Milliseconds = .seconds(86_400)
    /// `preferred_time`: the preferred lifetime of a prefix, 60 s…365 d, not longer than `lease_time`. Default: the
    /// half of `lease_time`.
    public var preferredTime: Milliseconds = .seconds(43_200)
    /// `dns`: name servers, at most ``dnsLimit`` of each family. Default: none.
    public var dns: [IPAddress] = []
    public static let dnsLimit = 4
    /// `domain`: the domain that gateways are told (option 15). Default: none.
    public var domain: String?
    /// `mtu`: what gateways are told of their device's MTU (option 26). Default: nothing.
    public var mtu: TunnelMTU?

    public init(server: IPv4Address = IPv4Address(192, 0, 0, 1)) { self.server = server }
}

/// Addresses and prefixes for subscribers without their own (`[[pool]]`).
public struct PoolConfiguration: Hashable, Sendable {
    /// `name`, required: 1…32 letters, digits, "-", "_" or ".".
    public var name: String
    /// `addresses`: IPv4 networks, host bits clear. Of one with 4 addresses or more the first and the last are not
    /// given to anybody.
    public var addresses: [IPPrefix] = []
    /// `prefixes`: IPv6 prefixes that are cut into ``delegatedLength``.
    public var prefixes: [IPPrefix] = []
    /// `delegated_length`: bits of what a gateway is delegated, 32…64, at least those of each of `prefixes`.
    /// Default: 56.
    public var delegatedLength: UInt8 = 56

    public init(name: String) { self.name = name }
}

/// An operator's servers that gateways' DHCP messages go to (`[relay]`).
public struct LeaseRelayConfiguration: Hashable, Sendable {
    public enum ServerUse: String, Hashable, Sendable, CaseIterable {
        case all, failover
    }

    /// `dhcp4`, `dhcp6`: at most ``serverLimit`` each. A family without servers is served from the pools.
    public var servers4: [IPv4Address] = []
    public var servers6: [IPv6Address] = []
    public static let serverLimit = 8
    /// `servers`: whether each message goes to all of them, or to one until it is silent. Default: all.
    public var serverUse = ServerUse.all
    /// `address`: where DHCPv4 servers send answers (giaddr), put on this host where it is not there yet. Default: the
    /// `server` of `[dhcp]`.
    public var address: IPv4Address?
    /// `address6`: an address of this host where DHCPv6 servers send answers. Default: the IPv6 address of `address`.
    public var address6: IPv6Address?
    /// `link`: an address of the network that gateways get addresses from (RFC 3527). Default: not said.
    public var link: IPv4Address?
    /// `link6`: the link-address that tells DHCPv6 servers what to give. Default: ``address6``.
    public var link6: IPv6Address?
    /// `override`: the relay stands for the server, so that gateways renew through it. Default: true.
    public var overridesServerIdentifier = true
    /// `subscriber_id`: servers are told the name of the subscriber in this option, too. Default: false.
    public var tellsSubscriber = false

    public init() {}
}

/// Where leases are kept over a restart (`[state]`).
public struct StateConfiguration: Hashable, Sendable {
    /// `directory`: absolute path; it is made when it is not there. Default: "/var/lib/spillway".
    public var directory = "/var/lib/spillway"

    public init() {}
}
