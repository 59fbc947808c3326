import Addresses
import GREBonding
import NFTables

/// What the kernel counted for one leg of a bond: outer packets, their IP headers included.
struct LegTraffic: Hashable, Sendable {
    var received = Counter()
    var sent = Counter()
}

/// Where a bond's packets are counted: the elements that admit and direct them.
struct LegCounters {
    var outer: OuterTable
    var key: UInt32
    /// Outer source that the peer uses on a leg.
    var receiveFrom: [LegID: IPAddress]
    /// Stands for the bond on this host.
    var canonicalRemote: IPAddress

    /// - Returns: a leg that is not there has counted nothing.
    func read(_ tables: NFTablesClient) throws -> [LegID: LegTraffic] {
        try Self.read([self], tables).first ?? [:]
    }
}

extension LegCounters {
    /// The same for many bonds of one family at once.
    static func read(_ bonds: [LegCounters], _ tables: NFTablesClient) throws -> [[LegID: LegTraffic]] {
        var traffic = [[LegID: LegTraffic]](repeating: [:], count: bonds.count)
        guard let outer = bonds.first?.outer else { return traffic }
        for leg in outer.legs {
            let having = bonds.indices.filter { bonds[$0].receiveFrom[leg.id] != nil }
            let sources = having.compactMap { number in
                bonds[number].receiveFrom[leg.id].map { [outer.value($0), Value.integer(bonds[number].key)] }
            }
            for (number, found) in zip(having, try tables.elements(sources, of: outer.peers(leg))) {
                traffic[number][leg.id, default: LegTraffic()].received = found?.counter ?? Counter()
            }
            let remotes = bonds.map { [outer.value($0.canonicalRemote)] }
            for (number, found) in zip(bonds.indices, try tables.elements(remotes, of: outer.destinations(leg))) {
                traffic[number][leg.id, default: LegTraffic()].sent = found?.counter ?? Counter()
            }
        }
        return traffic
    }
}

extension TrafficSample {
    init(_ traffic: [LegID: LegTraffic]) {
        self.init(received: traffic.mapValues(\.received.packets), sent: traffic.mapValues(\.sent.packets))
    }
}
