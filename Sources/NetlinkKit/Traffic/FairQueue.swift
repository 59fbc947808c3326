import CLinux

/// `fq`: keeps each packet until the time of departure it carries. What is nil is left to the kernel.
public struct FairQueue: Hashable, Sendable {
    /// Packets, in all and of one flow.
    public var limit: UInt32?
    public var flowLimit: UInt32?
    /// Whether sockets of this host are held to their own pace.
    public var paces: Bool?
    /// Base-2 logarithm of the number of hash buckets, 1…18.
    public var bucketsLog: UInt32?

    public init(
        limit: UInt32? = nil, flowLimit: UInt32? = nil, paces: Bool? = nil, bucketsLog: UInt32? = nil
    ) {
        self.limit = limit
        self.flowLimit = flowLimit
        self.paces = paces
        self.bucketsLog = bucketsLog
    }

    init(_ attributes: borrowing AttributeReader<FairQueueSpace>) {
        limit = attributes.get(FairQueueSpace.limit)
        flowLimit = attributes.get(FairQueueSpace.flowLimit)
        paces = attributes.get(FairQueueSpace.paces).map { $0 != 0 }
        bucketsLog = attributes.get(FairQueueSpace.bucketsLog)
    }

    func write(_ writer: inout AttributeWriter<FairQueueSpace>) {
        writer.put(FairQueueSpace.limit, ifPresent: limit)
        writer.put(FairQueueSpace.flowLimit, ifPresent: flowLimit)
        writer.put(FairQueueSpace.paces, ifPresent: paces.map { $0 ? 1 : 0 })
        writer.put(FairQueueSpace.bucketsLog, ifPresent: bucketsLog)
    }
}

/// `TCA_FQ_*`
enum FairQueueSpace {
    static let limit = Attribute<FairQueueSpace, UInt32>(TCA_FQ_PLIMIT, "TCA_FQ_PLIMIT")
    static let flowLimit = Attribute<FairQueueSpace, UInt32>(TCA_FQ_FLOW_PLIMIT, "TCA_FQ_FLOW_PLIMIT")
    static let paces = Attribute<FairQueueSpace, UInt32>(TCA_FQ_RATE_ENABLE, "TCA_FQ_RATE_ENABLE")
    static let bucketsLog = Attribute<FairQueueSpace, UInt32>(TCA_FQ_BUCKETS_LOG, "TCA_FQ_BUCKETS_LOG")
}
