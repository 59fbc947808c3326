import Addresses
import NFTables

/// What a set is asked about the first packet of a flow. Items of a filter list that ask the same share a set: a prefix
/// is a range of addresses.
enum MatchShape: String, CaseIterable {
    case mac
    case `protocol`
    case dscp4
    case dscp6
    case destinationPort = "dport"
    case sourcePort = "sport"
    case destination4 = "daddr4"
    case destination6 = "daddr6"
    case source4 = "saddr4"
    case source6 = "saddr6"
    case destinationAndPort4 = "daddr_dport4"
    case destinationAndPort6 = "daddr_dport6"
    case sourceAndPort4 = "saddr_sport4"
    case sourceAndPort6 = "saddr_sport6"
    /// Ranges of both: the kernel's set for them takes some thousand times longer to fill than that for pairs.
    case destinationAndPortRange4 = "daddr_dport_range4"
    case destinationAndPortRange6 = "daddr_dport_range6"
    case sourceAndPortRange4 = "saddr_sport_range4"
    case sourceAndPortRange6 = "saddr_sport_range6"

    /// The fields of a key; ranges of numbers are elements of interval sets.
    var key: [FieldType] {
        switch self {
        case .mac: [.etherAddress]
        case .protocol: [.inetProtocol]
        case .dscp4: [.dscp]
        case .dscp6: [.payload(.network, offset: 0, length: 2)]
        case .destinationPort, .sourcePort: [.inetService]
        case .destination4, .source4: [.ipv4Address]
        case .destination6, .source6: [.ipv6Address]
        case .destinationAndPort4, .sourceAndPort4, .destinationAndPortRange4, .sourceAndPortRange4:
            [.ipv4Address, .inetService]
        case .destinationAndPort6, .sourceAndPort6, .destinationAndPortRange6, .sourceAndPortRange6:
            [.ipv6Address, .inetService]
        }
    }

    var flags: NamedSet.Flags {
        switch self {
        case .mac, .protocol, .dscp4, .dscp6, .destinationAndPort4, .destinationAndPort6, .sourceAndPort4, .sourceAndPort6:
            []
        default: .interval
        }
    }

    /// What a rule says to ask the set.
    func statements(_ set: String) -> [Statement] {
        switch self {
        case .mac: [.overEthernet, .match(.etherSaddr, .inSet(set))]
        case .protocol: [.match(.transportProtocol, .inSet(set))]
        case .dscp4: [.family(.v4), .dscp(.v4, inSet: set)]
        case .dscp6: [.family(.v6), .dscp(.v6, inSet: set)]
        case .destinationPort: [.hasPorts, .match(.destinationPort, .inSet(set))]
        case .sourcePort: [.hasPorts, .match(.sourcePort, .inSet(set))]
        case .destination4: [.family(.v4), .match(.ipDaddr, .inSet(set))]
        case .destination6: [.family(.v6), .match(.ip6Daddr, .inSet(set))]
        case .source4: [.family(.v4), .match(.ipSaddr, .inSet(set))]
        case .source6: [.family(.v6), .match(.ip6Saddr, .inSet(set))]
        case .destinationAndPort4, .destinationAndPortRange4:
            [.hasPorts, .family(.v4), .match([.ipDaddr, .destinationPort], inSet: set)]
        case .destinationAndPort6, .destinationAndPortRange6:
            [.hasPorts, .family(.v6), .match([.ip6Daddr, .destinationPort], inSet: set)]
        case .sourceAndPort4, .sourceAndPortRange4:
            [.hasPorts, .family(.v4), .match([.ipSaddr, .sourcePort], inSet: set)]
        case .sourceAndPort6, .sourceAndPortRange6:
            [.hasPorts, .family(.v6), .match([.ip6Saddr, .sourcePort], inSet: set)]
        }
    }
}
