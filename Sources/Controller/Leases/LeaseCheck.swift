import Addresses
import Leases
import NetlinkKit

/// Why a lease is not taken. The raw values are stable: they name counters.
enum LeaseRefusal: String, Hashable, Sendable, CaseIterable {
    /// The address or prefix is, or holds, one of this host's own networks: an access link's, a LAN's.
    case ownNetwork = "own_network"
    /// It is the aggregator's, by which the bond itself goes.
    case aggregator
    /// It stands for the ends of bonds inside this host.
    case canonical
    /// No prefix that a subscriber is given: not 32 to 64 bits.
    case wrongSize = "wrong_size"
}

/// What an aggregator, or whoever speaks in its place, may not turn to the bond.
struct LeaseCheck {
    /// Networks of this host's devices, without those that leases brought.
    var networks: [IPPrefix]
    var aggregators: [IPAddress]
    var canonical: [IPPrefix]

    /// Nil when the address can be used.
    func refusal(of address: IPv4Address) -> LeaseRefusal? { refusal(IPPrefix(host: .v4(address))) }

    func refusal(of prefix: IPPrefix) -> LeaseRefusal? {
        (32...64).contains(prefix.length) ? refusal(prefix) : .wrongSize
    }

    private func refusal(_ prefix: IPPrefix) -> LeaseRefusal? {
        if canonical.contains(where: { $0.overlaps(prefix) }) { return .canonical }
        if aggregators.contains(where: { prefix.contains($0) }) { return .aggregator }
        return networks.contains { $0.overlaps(prefix) } ? .ownNetwork : nil
    }
}
