/// Keywords of IANA's "Assigned Internet Protocol Numbers" that a filter list may name: those still in use, with the
/// spellings of /etc/protocols where they differ.
enum IPProtocolKeyword {
    /// Case is ignored.
    static func number(of keyword: some StringProtocol) -> UInt8? { numbers[keyword.lowercased()] }

    private static let numbers: [String: UInt8] = [
        "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipv4": 4, "ipencap": 4, "ipip": 4, "st": 5, "tcp": 6, "cbt": 7,
        "egp": 8, "igp": 9, "pup": 12, "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33,
        "idpr": 35, "xtp": 36, "ddp": 37, "ipv6": 41, "sdrp": 42, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45,
        "rsvp": 46, "gre": 47, "dsr": 48, "esp": 50, "ah": 51, "narp": 54, "mobile": 55, "skip": 57,
        "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "vmtp": 81, "eigrp": 88, "ospf": 89,
        "ospfigp": 89, "larp": 91, "mtp": 92, "ax.25": 93, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108,
        "vrrp": 112, "carp": 112, "pgm": 113, "l2tp": 115, "isis": 124, "fc": 133, "mobility": 135,
        "mobility header": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140,
        "wesp": 141, "rohc": 142, "ethernet": 143, "aggfrag": 144, "nsh": 145, "sctp": 132,
    ]
}
