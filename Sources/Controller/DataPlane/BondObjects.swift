import Addresses
import Configuration
import GREBonding
import NFTables
import NetlinkKit

/// The kernel objects of one bond, the same for both roles.
struct BondObjects {
    var outer: OuterTable
    var sets: OuterTable.BondSets
    var device: String
    /// The device's remote address on this host, which stands for the bond.
    var canonicalRemote: IPAddress
    /// Bytes of an inner packet.
    var mtu: UInt32
    var alias: String
    /// Outer source that the peer uses on a leg, and the outer addresses to send with.
    var receiveFrom: [LegID: IPAddress]
    var sendTo: [LegID: IPAddress]
    var sendFrom: [LegID: IPAddress]
    var colouring: Colouring
    /// Whether packets carry sequence numbers.
    var numbersPackets = true

    func objects(_ bond: Bond) -> [KernelObject] {
        var objects: [KernelObject] = [
            .link(name: device, LinkSettings(kind(bond.key), mtu: mtu, isUp: true, alias: alias, group: SegmentTable.group)),
            .colouring(link: device, colouring),
        ]
        let identity = outer.value(canonicalRemote)
        for leg in sets.legs {
            if let source = receiveFrom[leg.id] {
                objects.append(
                    .element(leg.peers, Element(outer.value(source), .integer(bond.key), data: .value(identity))))
                // To a gateway both legs bring the same.
                let known = KernelObject.element(sets.known, Element(outer.value(source), .integer(bond.key)))
                if !objects.contains(known) { objects.append(known) }
            }
            if let destination = sendTo[leg.id] {
                objects.append(
                    .element(leg.destinations, Element(identity, data: .value(outer.value(destination)))))
            }
            if let sources = leg.sources, let source = sendFrom[leg.id] {
                objects.append(.element(sources, Element(identity, data: .value(outer.value(source)))))
            }
        }
        if bond.legs.count > 1 { objects.append(.element(sets.bonded, Element(identity))) }
        return objects
    }

    private func kind(_ key: UInt32) -> LinkKind {
        // Sequence numbers go out but are not enforced by the device: it would drop what the slower leg brings.
        let input = GREOptions(key: key)
        let output = GREOptions(key: key, sequence: numbersPackets)
        switch (outer.canonical, canonicalRemote) {
        case (.v6(let local), .v6(let remote)):
            return .ip6gre(IPv6GRETunnel(local: local, remote: remote, input: input, output: output))
        case (.v4(let local), .v4(let remote)):
            var tunnel = GRETunnel(local: local, remote: remote, input: input, output: output)
            tunnel.ttl = 64
            return .gre(tunnel)
        default: return .dummy
        }
    }
}

/// What a packet grows by on its way into a leg.
enum Overhead {
    /// GRE with key and sequence number, RFC 2890 §2.
    static let gre: UInt32 = 12

    /// Outer IP and GRE headers in bytes, the latter with or without a sequence number.
    static func outer(_ family: IPFamily, numbered: Bool = true) -> UInt32 {
        (family == .v4 ? 20 : 40) + gre - (numbered ? 0 : 4)
    }
}

extension Colouring {
    /// The program for a bond's distribution (RFC 8157 §4.3).
    /// - Parameters:
    ///   - rate: bytes a second that the first leg carries, all headers counted
    ///   - burst: bytes
    ///   - overhead: bytes that each inner packet grows by on the first leg
    init(
        _ distribution: Bond.Distribution, table: OuterTable, rate: UInt64, burst: UInt32, overhead: Int,
        secondary: SecondLeg = SecondLeg(), secondaryOverhead: Int = 0, queues: Bool = false, policy: LegPolicy? = nil,
        pins: Bool = false
    ) {
        let legs: [LegID] =
            switch distribution {
            case .only(let leg): [leg]
            case .overflow(let first, let second): [first, second]
            }
        self.init(
            primary: table.mark(legs[0]), secondary: table.mark(legs[legs.count - 1]), mask: table.markMask,
            rate: rate, burst: burst, overhead: UInt16(clamping: overhead))
        self.legs = legs.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
        marks = [table.mark(.primary), table.mark(.secondary)]
        self.queues = queues
        self.pins = pins
        second = secondary
        self.secondaryOverhead = UInt16(clamping: secondaryOverhead)
        guard let policy else { return }
        limits = [LegID.primary, .secondary].map { policy.limits[$0]?.bytesPerSecond ?? 0 }
        sharing = policy.sharing
    }

    /// Stands for the first leg's rate where neither it nor a limit is known.
    static let unknownRate = BitRate(bitsPerSecond: 10_000_000_000)
}
