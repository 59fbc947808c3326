import CLinux

/// The number of a queueing discipline, class or attachment point: `major:minor`.
public struct TrafficHandle: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public init(_ major: UInt16, _ minor: UInt16) { rawValue = UInt32(major) << 16 | UInt32(minor) }

    public static let unspecified = TrafficHandle(rawValue: 0)
    /// The parent of a device's first queueing discipline.
    public static let root = TrafficHandle(rawValue: 0xFFFF_FFFF)
    /// The parent of `clsact`.
    public static let clsact = TrafficHandle(rawValue: 0xFFFF_FFF1)
    /// Where filters see what the device receives.
    public static let ingress = TrafficHandle(rawValue: 0xFFFF_FFF2)
    /// Where filters see what is sent, before it is queued.
    public static let egress = TrafficHandle(rawValue: 0xFFFF_FFF3)

    public var description: String {
        switch self {
        case .root: "root"
        case .clsact: "clsact"
        case .ingress: "ingress"
        case .egress: "egress"
        default: String(rawValue >> 16, radix: 16) + ":" + String(rawValue & 0xFFFF, radix: 16)
        }
    }
}

/// What happens to a packet after an action or filter (`TC_ACT_*`).
public struct Verdict: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// On to the next filter.
    public static let `continue` = Verdict(rawValue: -1)
    /// Let it pass: no more filters.
    public static let pass = Verdict(rawValue: 0)
    public static let reclassify = Verdict(rawValue: 1)
    public static let drop = Verdict(rawValue: 2)
    /// On to the filter's next action.
    public static let pipe = Verdict(rawValue: 3)
    /// The action has taken it.
    public static let stolen = Verdict(rawValue: 4)

    /// On to the filters of another chain, a number below 2^28.
    public static func goto(chain: UInt32) -> Verdict {
        Verdict(rawValue: Int32(bitPattern: 0x2000_0000 | chain & 0x0FFF_FFFF))
    }

    /// Skip that many actions, a number below 2^28.
    public static func jump(_ count: UInt32) -> Verdict {
        Verdict(rawValue: Int32(bitPattern: 0x1000_0000 | count & 0x0FFF_FFFF))
    }
}

/// Counters of a queueing discipline, class or action.
public struct TrafficStatistics: Hashable, Sendable {
    public var bytes: UInt64 = 0
    public var packets: UInt64 = 0
    public var drops: UInt32 = 0
    /// Of `police`: packets that exceeded.
    public var overlimits: UInt32 = 0
    public var requeues: UInt32 = 0
    /// Packets waiting.
    public var queueLength: UInt32 = 0
    /// Bytes waiting.
    public var backlog: UInt32 = 0

    public init() {}

    init(_ attributes: borrowing AttributeReader<StatisticsSpace>) {
        if let basic = attributes.get(StatisticsSpace.basic) {
            bytes = basic.span.bytes.load(UInt64.self, at: 0) ?? 0
            packets = UInt64(basic.span.bytes.load(UInt32.self, at: 8) ?? 0)
        }
        packets = attributes.get(StatisticsSpace.packets64) ?? packets
        if let queue = attributes.get(StatisticsSpace.queue) {
            queueLength = queue.qlen
            backlog = queue.backlog
            drops = queue.drops
            requeues = queue.requeues
            overlimits = queue.overlimits
        }
    }
}

/// `TCA_STATS_*`
enum StatisticsSpace {
    static let basic = Attribute<StatisticsSpace, [UInt8]>(TCA_STATS_BASIC, "TCA_STATS_BASIC")
    static let queue = Attribute<StatisticsSpace, Structure<gnet_stats_queue>>(TCA_STATS_QUEUE, "TCA_STATS_QUEUE")
    static let packets64 = Attribute<StatisticsSpace, UInt64>(TCA_STATS_PKT64, "TCA_STATS_PKT64")
}
