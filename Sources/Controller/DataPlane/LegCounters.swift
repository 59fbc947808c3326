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
        var traffic: [LegID: LegTraffic] = [:]
        for leg in outer.legs {
            var both = LegTraffic()
            if let source = receiveFrom[leg.id] {
                let found = try tables.elements([[outer.value(source), .integer(key)]], of: outer.peers(leg))
                both.received = found.first??.counter ?? Counter()
            }
            let found = try tables.elements([[outer.value(canonicalRemote)]], of: outer.destinations(leg))
            both.sent = found.first??.counter ?? Counter()
            traffic[leg.id] = both
        }
        return traffic
    }
}

extension TrafficSample {
    init(_ traffic: [LegID: LegTraffic]) {
        self.init(received: traffic.mapValues(\.received.packets), sent: traffic.mapValues(\.sent.packets))
    }
}
