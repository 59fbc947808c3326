import Addresses
import CLinux

/// `IFLA_*`
enum LinkSpace {
    static let address = Attribute<LinkSpace, [UInt8]>(IFLA_ADDRESS, "IFLA_ADDRESS")
    static let name = Attribute<LinkSpace, String>(IFLA_IFNAME, "IFLA_IFNAME")
    static let mtu = Attribute<LinkSpace, UInt32>(IFLA_MTU, "IFLA_MTU")
    static let link = Attribute<LinkSpace, UInt32>(IFLA_LINK, "IFLA_LINK")
    static let master = Attribute<LinkSpace, UInt32>(IFLA_MASTER, "IFLA_MASTER")
    static let txQueueLength = Attribute<LinkSpace, UInt32>(IFLA_TXQLEN, "IFLA_TXQLEN")
    static let operState = Attribute<LinkSpace, UInt8>(IFLA_OPERSTATE, "IFLA_OPERSTATE")
    static let alias = Attribute<LinkSpace, UnterminatedString>(IFLA_IFALIAS, "IFLA_IFALIAS")
    static let group = Attribute<LinkSpace, UInt32>(IFLA_GROUP, "IFLA_GROUP")
    static let carrier = Attribute<LinkSpace, UInt8>(IFLA_CARRIER, "IFLA_CARRIER")
    static let namespaceDescriptor = Attribute<LinkSpace, UInt32>(IFLA_NET_NS_FD, "IFLA_NET_NS_FD")
    static let namespaceProcess = Attribute<LinkSpace, UInt32>(IFLA_NET_NS_PID, "IFLA_NET_NS_PID")
    static let extensionMask = Attribute<LinkSpace, UInt32>(IFLA_EXT_MASK, "IFLA_EXT_MASK")
    static let statistics64 = Attribute<LinkSpace, [UInt8]>(IFLA_STATS64, "IFLA_STATS64")
    static let info = Nest<LinkSpace, LinkInfoSpace>(IFLA_LINKINFO, "IFLA_LINKINFO")
    static let families = Nest<LinkSpace, FamilySpace>(IFLA_AF_SPEC, "IFLA_AF_SPEC")
}

/// `IFLA_INFO_*`. What is in `IFLA_INFO_DATA` depends on `IFLA_INFO_KIND`.
enum LinkInfoSpace {
    static let kind = Attribute<LinkInfoSpace, String>(IFLA_INFO_KIND, "IFLA_INFO_KIND")
    static let gre = Nest<LinkInfoSpace, GRESpace>(IFLA_INFO_DATA, "IFLA_INFO_DATA")
    static let veth = Nest<LinkInfoSpace, VethSpace>(IFLA_INFO_DATA, "IFLA_INFO_DATA")
}

/// `IFLA_GRE_*`, shared by the IPv4 and IPv6 tunnels.
enum GRESpace {
    static let link = Attribute<GRESpace, UInt32>(IFLA_GRE_LINK, "IFLA_GRE_LINK")
    static let iflags = Attribute<GRESpace, BigEndian<UInt16>>(IFLA_GRE_IFLAGS, "IFLA_GRE_IFLAGS")
    static let oflags = Attribute<GRESpace, BigEndian<UInt16>>(IFLA_GRE_OFLAGS, "IFLA_GRE_OFLAGS")
    static let ikey = Attribute<GRESpace, BigEndian<UInt32>>(IFLA_GRE_IKEY, "IFLA_GRE_IKEY")
    static let okey = Attribute<GRESpace, BigEndian<UInt32>>(IFLA_GRE_OKEY, "IFLA_GRE_OKEY")
    static let local4 = Attribute<GRESpace, IPv4Address>(IFLA_GRE_LOCAL, "IFLA_GRE_LOCAL")
    static let remote4 = Attribute<GRESpace, IPv4Address>(IFLA_GRE_REMOTE, "IFLA_GRE_REMOTE")
    static let local6 = Attribute<GRESpace, IPv6Address>(IFLA_GRE_LOCAL, "IFLA_GRE_LOCAL")
    static let remote6 = Attribute<GRESpace, IPv6Address>(IFLA_GRE_REMOTE, "IFLA_GRE_REMOTE")
    static let ttl = Attribute<GRESpace, UInt8>(IFLA_GRE_TTL, "IFLA_GRE_TTL")
    static let tos = Attribute<GRESpace, UInt8>(IFLA_GRE_TOS, "IFLA_GRE_TOS")
    static let pmtuDiscovery = Attribute<GRESpace, UInt8>(IFLA_GRE_PMTUDISC, "IFLA_GRE_PMTUDISC")
    static let encapLimit = Attribute<GRESpace, UInt8>(IFLA_GRE_ENCAP_LIMIT, "IFLA_GRE_ENCAP_LIMIT")
    static let flowInfo = Attribute<GRESpace, BigEndian<UInt32>>(IFLA_GRE_FLOWINFO, "IFLA_GRE_FLOWINFO")
    static let flags = Attribute<GRESpace, UInt32>(IFLA_GRE_FLAGS, "IFLA_GRE_FLAGS")
    static let encapType = Attribute<GRESpace, UInt16>(IFLA_GRE_ENCAP_TYPE, "IFLA_GRE_ENCAP_TYPE")
    static let encapFlags = Attribute<GRESpace, UInt16>(IFLA_GRE_ENCAP_FLAGS, "IFLA_GRE_ENCAP_FLAGS")
    static let encapSourcePort = Attribute<GRESpace, BigEndian<UInt16>>(IFLA_GRE_ENCAP_SPORT, "IFLA_GRE_ENCAP_SPORT")
    static let encapDestinationPort = Attribute<GRESpace, BigEndian<UInt16>>(
        IFLA_GRE_ENCAP_DPORT, "IFLA_GRE_ENCAP_DPORT")
    static let collectMetadata = Attribute<GRESpace, Presence>(IFLA_GRE_COLLECT_METADATA, "IFLA_GRE_COLLECT_METADATA")
    static let ignoreDF = Attribute<GRESpace, UInt8>(IFLA_GRE_IGNORE_DF, "IFLA_GRE_IGNORE_DF")
    static let fwmark = Attribute<GRESpace, UInt32>(IFLA_GRE_FWMARK, "IFLA_GRE_FWMARK")
}

enum VethSpace {
    /// Holds an `ifinfomsg` and then link attributes.
    static let peer = Nest<VethSpace, LinkSpace>(VETH_INFO_PEER, "VETH_INFO_PEER")
}

/// `IFLA_AF_SPEC`: one nest for an address family.
enum FamilySpace {
    static let inet = Nest<FamilySpace, InetSpace>(AF_INET, "AF_INET")
}

enum InetSpace {
    /// Read: an array of numbers. Written: ``ConfigurationSpace``.
    static let values = Attribute<InetSpace, [UInt8]>(IFLA_INET_CONF, "IFLA_INET_CONF")
    static let configuration = Nest<InetSpace, ConfigurationSpace>(IFLA_INET_CONF, "IFLA_INET_CONF")
}

enum ConfigurationSpace {
    static func key(_ item: IPv4DeviceConfiguration.Item) -> Attribute<ConfigurationSpace, UInt32> {
        Attribute(item.rawValue, "IPV4_DEVCONF_\(item.rawValue)")
    }
}
