import CLinux

/// `tbf`: one rate for everything.
public struct TokenBucketFilter: Hashable, Sendable {
    /// Bytes per second.
    public let rate: UInt64
    /// As the kernel keeps it: see ``Police/burstTicks``.
    public let burstTicks: UInt32
    /// Bytes that may wait.
    public var limit: UInt32

    /// Bytes.
    public var burst: UInt32 { SchedulerTime.bytes(ticks: burstTicks, rate: rate) }

    /// - Parameters:
    ///   - rate: bytes per second, not 0
    ///   - burst: bytes; not less than the MTU
    ///   - limit: bytes that may wait
    public init(rate: UInt64, burst: UInt32, limit: UInt32) {
        self.rate = rate
        burstTicks = SchedulerTime.ticks(bytes: burst, rate: rate)
        self.limit = limit
    }

    init?(_ attributes: borrowing AttributeReader<TBFSpace>) {
        guard let parameters = attributes.get(TBFSpace.parameters) else { return nil }
        rate = attributes.get(TBFSpace.rate64) ?? UInt64(parameters.rate.rate)
        burstTicks = parameters.buffer
        limit = parameters.limit
    }

    func write(_ writer: inout AttributeWriter<TBFSpace>) {
        var parameters = tc_tbf_qopt()
        parameters.rate = tc_ratespec(rate: rate)
        parameters.limit = limit
        parameters.buffer = burstTicks
        writer.put(TBFSpace.parameters, parameters)
        if rate > UInt64(UInt32.max) { writer.put(TBFSpace.rate64, rate) }
    }
}

/// `TCA_TBF_*`
enum TBFSpace {
    static let parameters = Attribute<TBFSpace, Structure<tc_tbf_qopt>>(TCA_TBF_PARMS, "TCA_TBF_PARMS")
    static let rate64 = Attribute<TBFSpace, UInt64>(TCA_TBF_RATE64, "TCA_TBF_RATE64")
}
