import CLinux

/// The `police` action: a token bucket that sorts packets into those within a rate and those beyond it (one rate of
/// RFC 2697).
public struct Police: Hashable, Sendable {
    /// Bytes per second.
    public let rate: UInt64
    /// The bucket's depth as the kernel keeps it: the time to send it at ``rate``, in units of 64 ns.
    public let burstTicks: UInt32
    /// Bytes; longer packets always exceed.
    public var mtu: UInt32
    /// Bytes added to each packet's length before it is counted.
    public var overhead: UInt16
    /// For packets within the rate. A `goto` is refused here.
    public var conform: Verdict
    /// For packets beyond it.
    public var exceed: Verdict

    /// The bucket's depth in bytes. The kernel rounds it to what passes in 64 ns, so this can differ from what was
    /// asked for by `rate / 31_250_000` bytes.
    public var burst: UInt32 { SchedulerTime.bytes(ticks: burstTicks, rate: rate) }

    /// - Parameters:
    ///   - rate: bytes per second, not 0
    ///   - burst: bytes; at most what passes in 275 s
    public init(
        rate: UInt64, burst: UInt32, mtu: UInt32 = .max, overhead: UInt16 = 0, conform: Verdict = .pipe,
        exceed: Verdict
    ) {
        self.rate = rate
        burstTicks = SchedulerTime.ticks(bytes: burst, rate: rate)
        self.mtu = mtu
        self.overhead = overhead
        self.conform = conform
        self.exceed = exceed
    }

    init?(_ attributes: borrowing AttributeReader<PoliceSpace>) {
        guard let parameters = attributes.get(PoliceSpace.parameters) else { return nil }
        rate = attributes.get(PoliceSpace.rate64) ?? UInt64(parameters.rate.rate)
        burstTicks = parameters.burst
        mtu = parameters.mtu
        overhead = parameters.rate.overhead
        exceed = Verdict(rawValue: parameters.action)
        conform = Verdict(rawValue: attributes.get(PoliceSpace.result) ?? 0)
    }

    func write(_ writer: inout AttributeWriter<PoliceSpace>, index: UInt32) {
        var parameters = tc_police()
        parameters.index = index
        parameters.action = exceed.rawValue
        parameters.burst = burstTicks
        parameters.mtu = mtu
        parameters.rate = tc_ratespec(rate: rate, overhead: overhead)
        writer.put(PoliceSpace.parameters, parameters)
        // The kernel wants a table of 256 numbers whenever there is a rate, and then calculates without it.
        writer.put(PoliceSpace.rateTable, [UInt8](repeating: 0, count: 1024))
        if rate > UInt64(UInt32.max) { writer.put(PoliceSpace.rate64, rate) }
        writer.put(PoliceSpace.result, conform.rawValue)
    }
}

/// `TCA_POLICE_*`
enum PoliceSpace {
    static let parameters = Attribute<PoliceSpace, Structure<tc_police>>(TCA_POLICE_TBF, "TCA_POLICE_TBF")
    static let rateTable = Attribute<PoliceSpace, [UInt8]>(TCA_POLICE_RATE, "TCA_POLICE_RATE")
    static let result = Attribute<PoliceSpace, Int32>(TCA_POLICE_RESULT, "TCA_POLICE_RESULT")
    static let rate64 = Attribute<PoliceSpace, UInt64>(TCA_POLICE_RATE64, "TCA_POLICE_RATE64")
}
