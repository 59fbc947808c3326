public import Addresses
public import GREBonding

/// The reorder buffer (`[resequencer]`), RFC 8157 §4.4 after RFC 2890 §2.2.
public struct ResequencerConfiguration: Hashable, Sendable {
    /// `buffer`: MAX_PERFLOW_BUFFER in packets, 64…65536. Default: 4096.
    public var buffer: Int = 4096
    /// `timer`: OUTOFORDER_TIMER, 5…1000 ms, or "auto": follows the measured difference of the legs. Default: "auto".
    public var timer: ResequencerTimer = .automatic
    /// `overflow_hold`: how long a bond is still put in order after the last packet on the LTE leg, 100 ms…60 s.
    /// Default: 2 s.
    public var overflowHold: Milliseconds = .seconds(2)

    public init() {}
}

public enum ResequencerTimer: Hashable, Sendable {
    case automatic
    /// 5…1000 ms.
    case fixed(Milliseconds)
}

/// How packets are coloured for DSL or LTE (`[colour]`), RFC 8157 §4.3 with the marker of RFC 2697.
public struct ColourConfiguration: Hashable, Sendable {
    /// `cir_share`: CIR in percent of the DSL rate, 50…100. Default: 99.
    public var cirShare: Int = 99
    /// `burst`: CBS + EBS, as time at CIR, 1 ms…1 s. Default: 4 ms. Never less than two packets of the tunnel's MTU:
    /// see ``burstBytes(cir:mtu:)``.
    public var burst = Milliseconds(4)
    /// `overflow`: what decides that a packet goes to LTE. Default: "queue".
    public var overflow = Overflow.queue
    /// `distribution`: how what this end sends is shared between the legs. Default: "overflow".
    public var distribution = LegDistribution.overflow

    public init() {}

    /// CIR for a DSL rate.
    public func cir(of rate: BitRate) -> BitRate {
        let percent = UInt64(clamping: cirShare)
        return BitRate(
            bitsPerSecond: rate.bitsPerSecond / 100 &* percent &+ rate.bitsPerSecond % 100 &* percent / 100)
    }

    /// CBS + EBS in bytes: `burst` at `cir`, at least twice `mtu`.
    public func burstBytes(cir: BitRate, mtu: UInt32) -> UInt64 { max(cir.bytes(in: burst), UInt64(mtu) * 2) }
}

/// How what one end sends is shared between two legs that are up. The raw values are those of the settings.
public enum LegDistribution: String, Hashable, Sendable, CaseIterable {
    /// Packet by packet; LTE takes what overflows (RFC 8157 §4.3).
    case overflow
    /// Packet by packet, in proportion to weights.
    case weighted
    /// Each flow keeps to one leg; flows are shared in proportion to weights.
    case perFlow = "per-flow"
}

/// What decides that a packet goes to LTE.
public enum Overflow: String, Hashable, Sendable, CaseIterable {
    /// The marker of RFC 2697: what DSL's rate has no token for.
    case police
    /// One short queue before both legs: the one that is free first takes the next packet. Takes a kernel with BPF.
    case queue
}

/// What this program may use of the kernel's shared number spaces (`[kernel]`). Change it only where another program
/// uses the same numbers.
public struct KernelConfiguration: Hashable, Sendable {
    /// `mark_mask`: bits of the packet mark that belong to this program: at least two, adjacent. Default: 0xf0000000.
    public var markMask: UInt32 = 0xF000_0000
    /// `table`: the first of 16 routing table numbers, 256…4294967280 or 1…237. Default: 5300.
    public var table: UInt32 = 5300
    /// `rule_priority`: the first of 16 priorities of routing rules, 1…32750 (before the main table). Default: 5300.
    public var rulePriority: UInt32 = 5300
    /// `protocol`: the routing protocol number that marks this program's routes, 5…254 and no other daemon's.
    /// Default: 157.
    public var routeProtocol: UInt8 = 157
    /// `queue`: the first NFQUEUE number, 0…65535. Default: 5300.
    public var queue: UInt16 = 5300
    /// `queues`: how many queues, 1…16; a bond stays in one. Default: 1.
    public var queues: UInt16 = 1
    /// `canonical`: the IPv4 pair that stands for the bond's ends inside this host. Default: 192.0.0.8, 192.0.0.9.
    public var canonical = CanonicalPair(
        local: .v4(IPv4Address(192, 0, 0, 8)), remote: .v4(IPv4Address(192, 0, 0, 9)))
    /// `canonical6`: the same for IPv6. Default: fd53:7069:6c6c:7761:79::8, fd53:7069:6c6c:7761:79::9.
    public var canonical6 = CanonicalPair(
        local: .v6(IPv6Address(high: 0xFD53_7069_6C6C_7761, low: 0x0079_0000_0000_0008)),
        remote: .v6(IPv6Address(high: 0xFD53_7069_6C6C_7761, low: 0x0079_0000_0000_0009)))

    public init() {}

    /// The pair of the outer packets' family.
    public func canonical(_ family: IPFamily) -> CanonicalPair { family == .v4 ? canonical : canonical6 }
}

/// Two unlike unicast addresses of one family that never leave the host.
public struct CanonicalPair: Hashable, Sendable {
    public var local: IPAddress
    public var remote: IPAddress

    public init(local: IPAddress, remote: IPAddress) {
        self.local = local
        self.remote = remote
    }
}

/// The control socket (`[control]`).
public struct ControlConfiguration: Hashable, Sendable {
    /// `socket`: absolute path of the Unix socket, at most 107 bytes. Default: "/run/spillway/control.sock".
    public var socket = "/run/spillway/control.sock"

    public init() {}
}

/// What is started when something happens (`[hooks]`).
public struct HooksConfiguration: Hashable, Sendable {
    /// `command`: absolute path of a program, started without arguments for each event. Default: none.
    public var command: String?
    /// `timeout`: how long it may take, 1…300 s. Default: 10 s.
    public var timeout: Milliseconds = .seconds(10)

    public init() {}
}

/// The local HTTP server with metrics and a page (`[http]`).
public struct HTTPConfiguration: Hashable, Sendable {
    /// `listen`: addresses with ports, at most 4; a port alone is one of 127.0.0.1. Default: none, no server.
    public var listen: [ListenAddress] = []
    static let listenLimit = 4
    /// `subscriber_labels`: metrics of each bond besides those of all, at an aggregation point. Default: false.
    public var subscriberLabels = false

    public init() {}
}

/// What is logged and how (`[log]`).
public struct LogConfiguration: Hashable, Sendable {
    /// `level`: the least severe level that is written. Default: "info".
    public var level: LogLevel = .info
    /// `format`: "text" (key=value) or "json", one event a line. Default: "text".
    public var format: LogFormat = .text

    public init() {}
}

public enum LogLevel: String, Hashable, Sendable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}

public enum LogFormat: String, Hashable, Sendable, CaseIterable {
    case text, json
}

/// Traffic that keeps to one leg (`[[pin]]`).
public struct Pin: Hashable, Sendable {
    public var item: FilterItem
    public var leg: Leg

    /// `leg`: "dsl" or "lte".
    public enum Leg: String, Hashable, Sendable, CaseIterable {
        case dsl, lte
    }

    public init(_ item: FilterItem, _ leg: Leg) {
        self.item = item
        self.leg = leg
    }
}
