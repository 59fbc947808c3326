import CLinux

/// A time as CoDel keeps it, in units of 1024 ns. The kernel reports less than it was given; this type compares equal
/// all the same.
public struct CoDelTime: Hashable, Sendable, ExpressibleByIntegerLiteral {
    private let units: UInt32

    /// What to write so that the kernel keeps this time.
    public var microseconds: UInt32 { UInt32(clamping: (UInt64(units) * 1024 + 999) / 1000) }

    public init(microseconds: UInt32) { units = UInt32(truncatingIfNeeded: UInt64(microseconds) * 1000 >> 10) }

    /// Microseconds.
    public init(integerLiteral value: UInt32) { self.init(microseconds: value) }

    /// Undoes the kernel's rounding.
    init(reported: UInt32) { units = UInt32(truncatingIfNeeded: (UInt64(reported) * 1000 + 1023) >> 10) }
}

/// `fq_codel` (RFC 8290). What is nil is left to the kernel.
public struct FQCoDel: Hashable, Sendable {
    /// Packets.
    public var limit: UInt32?
    /// How long a packet may wait without further consequences.
    public var target: CoDelTime?
    public var interval: CoDelTime?
    public var flows: UInt32?
    /// Bytes a flow may send in turn.
    public var quantum: UInt32?
    /// Bytes.
    public var memoryLimit: UInt32?
    /// Mark packets instead of dropping them where the sender allows it.
    public var ecn: Bool?

    public init(
        limit: UInt32? = nil, target: CoDelTime? = nil, interval: CoDelTime? = nil, flows: UInt32? = nil,
        quantum: UInt32? = nil, memoryLimit: UInt32? = nil, ecn: Bool? = nil
    ) {
        self.limit = limit
        self.target = target
        self.interval = interval
        self.flows = flows
        self.quantum = quantum
        self.memoryLimit = memoryLimit
        self.ecn = ecn
    }

    init(_ attributes: borrowing AttributeReader<FQCoDelSpace>) {
        limit = attributes.get(FQCoDelSpace.limit)
        target = attributes.get(FQCoDelSpace.target).map(CoDelTime.init(reported:))
        interval = attributes.get(FQCoDelSpace.interval).map(CoDelTime.init(reported:))
        flows = attributes.get(FQCoDelSpace.flows)
        quantum = attributes.get(FQCoDelSpace.quantum)
        memoryLimit = attributes.get(FQCoDelSpace.memoryLimit)
        ecn = attributes.get(FQCoDelSpace.ecn).map { $0 != 0 }
    }

    func write(_ writer: inout AttributeWriter<FQCoDelSpace>) {
        writer.put(FQCoDelSpace.limit, ifPresent: limit)
        writer.put(FQCoDelSpace.target, ifPresent: target?.microseconds)
        writer.put(FQCoDelSpace.interval, ifPresent: interval?.microseconds)
        writer.put(FQCoDelSpace.flows, ifPresent: flows)
        writer.put(FQCoDelSpace.quantum, ifPresent: quantum)
        writer.put(FQCoDelSpace.memoryLimit, ifPresent: memoryLimit)
        writer.put(FQCoDelSpace.ecn, ifPresent: ecn.map { $0 ? 1 : 0 })
    }
}

/// `TCA_FQ_CODEL_*`
enum FQCoDelSpace {
    static let target = Attribute<FQCoDelSpace, UInt32>(TCA_FQ_CODEL_TARGET, "TCA_FQ_CODEL_TARGET")
    static let limit = Attribute<FQCoDelSpace, UInt32>(TCA_FQ_CODEL_LIMIT, "TCA_FQ_CODEL_LIMIT")
    static let interval = Attribute<FQCoDelSpace, UInt32>(TCA_FQ_CODEL_INTERVAL, "TCA_FQ_CODEL_INTERVAL")
    static let ecn = Attribute<FQCoDelSpace, UInt32>(TCA_FQ_CODEL_ECN, "TCA_FQ_CODEL_ECN")
    static let flows = Attribute<FQCoDelSpace, UInt32>(TCA_FQ_CODEL_FLOWS, "TCA_FQ_CODEL_FLOWS")
    static let quantum = Attribute<FQCoDelSpace, UInt32>(TCA_FQ_CODEL_QUANTUM, "TCA_FQ_CODEL_QUANTUM")
    static let memoryLimit = Attribute<FQCoDelSpace, UInt32>(
        TCA_FQ_CODEL_MEMORY_LIMIT, "TCA_FQ_CODEL_MEMORY_LIMIT")
}
