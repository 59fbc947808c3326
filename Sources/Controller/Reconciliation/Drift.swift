import Addresses
import NetlinkKit

/// Something of ours that the kernel does not have as it was made.
struct Drift: Hashable, Sendable {
    /// What kind of object. The raw values are the same in every version: the status and the metrics have them.
    enum Kind: String, Hashable, Sendable, CaseIterable {
        case link, sysctl, address, route, rule, table, chain, set, element, counter, qdisc, filter, action, map
        case policy, state
    }

    var kind: Kind
    /// "bond0", "10.0.0.0/8 table 5301"
    var object: String
    /// "mtu"; "presence" where all of it is gone.
    var field: String
    var found: String
    var wanted: String

    static func gone(_ kind: Kind, _ object: String) -> Drift {
        Drift(kind: kind, object: object, field: "presence", found: "no", wanted: "yes")
    }
}

/// Compares one object field by field.
struct Comparison {
    let kind: Drift.Kind
    let object: String
    private(set) var drift: [Drift] = []

    init(_ kind: Drift.Kind, _ object: String) {
        self.kind = kind
        self.object = object
    }

    mutating func field<Value: Equatable>(_ name: String, _ found: Value, _ wanted: Value) {
        if found != wanted { differs(name, "\(found)", "\(wanted)") }
    }

    /// Where nil leaves the field to the kernel.
    mutating func field<Value: Equatable>(_ name: String, _ found: Value, ifWanted wanted: Value?) {
        if let wanted { field(name, found, wanted) }
    }

    mutating func differs(_ name: String, _ found: String, _ wanted: String) {
        drift.append(Drift(kind: kind, object: object, field: name, found: found, wanted: wanted))
    }
}

extension Link {
    /// What differs from what was asked for; a name that is another one and a bridge or VRF around it, too.
    func drift(from settings: LinkSettings, name wanted: String) -> [Drift] {
        var comparison = Comparison(.link, wanted)
        comparison.field("name", name, wanted)
        comparison.field("mtu", mtu, ifWanted: settings.mtu)
        comparison.field("up", isUp, ifWanted: settings.isUp)
        comparison.field("alias", alias ?? "", ifWanted: settings.alias)
        comparison.field("group", group, ifWanted: settings.group)
        comparison.field("txqueuelen", txQueueLength, ifWanted: settings.txQueueLength)
        comparison.field("master", master ?? 0, 0)
        switch (kind, settings.kind) {
        case (.gre(let found), .gre(let wanted)): comparison.tunnel(found, wanted)
        case (.ip6gre(let found), .ip6gre(let wanted)): comparison.tunnel(found, wanted)
        default: comparison.field("kind", kind.name, settings.kind.name)
        }
        return comparison.drift
    }
}

extension Comparison {
    fileprivate mutating func tunnel(_ found: GRETunnel, _ wanted: GRETunnel) {
        guard found != wanted else { return }
        field("local", found.local, wanted.local)
        field("remote", found.remote, wanted.remote)
        options(found.input, wanted.input, "input")
        options(found.output, wanted.output, "output")
        field("dev", found.link, wanted.link)
        field("ttl", found.ttl, wanted.ttl)
        field("tos", found.tos, wanted.tos)
        field("pmtudisc", found.pmtuDiscovery, wanted.pmtuDiscovery)
        field("ignore-df", found.ignoreDF, wanted.ignoreDF)
        field("fwmark", found.fwmark, wanted.fwmark)
        field("external", found.collectMetadata, wanted.collectMetadata)
        encapsulation(found.encapsulation, wanted.encapsulation)
    }

    fileprivate mutating func tunnel(_ found: IPv6GRETunnel, _ wanted: IPv6GRETunnel) {
        guard found != wanted else { return }
        field("local", found.local, wanted.local)
        field("remote", found.remote, wanted.remote)
        options(found.input, wanted.input, "input")
        options(found.output, wanted.output, "output")
        field("dev", found.link, wanted.link)
        field("hoplimit", found.hopLimit, wanted.hopLimit)
        field("encaplimit", found.encapLimit.map(Int.init) ?? -1, wanted.encapLimit.map(Int.init) ?? -1)
        field("flowinfo", found.flowInfo, wanted.flowInfo)
        field("flags", found.flags.rawValue, wanted.flags.rawValue)
        field("fwmark", found.fwmark, wanted.fwmark)
        field("external", found.collectMetadata, wanted.collectMetadata)
        encapsulation(found.encapsulation, wanted.encapsulation)
    }

    private mutating func options(_ found: GREOptions, _ wanted: GREOptions, _ way: String) {
        field("\(way)-key", found.key ?? 0, wanted.key ?? 0)
        field("\(way)-sequence", found.sequence, wanted.sequence)
        field("\(way)-checksum", found.checksum, wanted.checksum)
    }

    private mutating func encapsulation(_ found: TunnelEncapsulation, _ wanted: TunnelEncapsulation) {
        field("encap", found.kind.rawValue, wanted.kind.rawValue)
        field("encap-sport", found.sourcePort, wanted.sourcePort)
        field("encap-dport", found.destinationPort, wanted.destinationPort)
        field("encap-flags", found.flags, wanted.flags)
    }
}

extension InterfaceAddress {
    /// Seconds by which a lifetime that counts down may be off.
    static let lifetimeTolerance: UInt32 = 2

    /// - Parameter name: of the device
    func drift(from wanted: InterfaceAddress, name: String) -> [Drift] {
        var comparison = Comparison(.address, "\(wanted.address) \(name)")
        comparison.field("peer", peer?.description ?? "", wanted.peer?.description ?? "")
        comparison.field("scope", scope.rawValue, wanted.scope.rawValue)
        // Older kernels forget it.
        if `protocol` != 0 { comparison.field("protocol", `protocol`, wanted.protocol) }
        comparison.field("metric", routePriority, wanted.routePriority)
        let own = Flags.noPrefixRoute.rawValue | Flags.manageTemporary.rawValue | Flags.homeAddress.rawValue
        comparison.field("flags", flags.rawValue & own, wanted.flags.rawValue & own)
        comparison.lifetime("valid", validLifetime, wanted.validLifetime)
        comparison.lifetime("preferred", preferredLifetime, wanted.preferredLifetime)
        return comparison.drift
    }
}

extension Comparison {
    fileprivate mutating func lifetime(_ name: String, _ found: UInt32, _ wanted: UInt32) {
        let isForEver = (found == .max, wanted == .max)
        let difference = max(found, wanted) - min(found, wanted)
        guard isForEver.0 != isForEver.1 || difference > InterfaceAddress.lifetimeTolerance else { return }
        differs(name, isForEver.0 ? "forever" : "\(found)", isForEver.1 ? "forever" : "\(wanted)")
    }
}

extension Route {
    func drift(from wanted: Route) -> [Drift] {
        guard self != wanted else { return [] }
        var comparison = Comparison(.route, "\(wanted.destination) table \(wanted.table)")
        comparison.field("type", "\(type)", "\(wanted.type)")
        comparison.field("protocol", `protocol`.rawValue, wanted.protocol.rawValue)
        comparison.field("scope", scope.rawValue, wanted.scope.rawValue)
        comparison.field("src", preferredSource?.description ?? "", wanted.preferredSource?.description ?? "")
        comparison.field("tos", tos, wanted.tos)
        comparison.field("mtu", mtu ?? 0, wanted.mtu ?? 0)
        comparison.field("advmss", advertisedMSS ?? 0, wanted.advertisedMSS ?? 0)
        comparison.field("via", nextHops.map(\.text), wanted.nextHops.map(\.text))
        return comparison.drift
    }

    /// Two with the same cannot be there at once.
    func isInPlace(of other: Route) -> Bool {
        destination == other.destination && table == other.table && priority == other.priority && tos == other.tos
    }
}

extension NextHop {
    fileprivate var text: String {
        "\(gateway?.description ?? "-") link \(link) weight \(weight)\(isOnLink ? " onlink" : "")"
    }
}
