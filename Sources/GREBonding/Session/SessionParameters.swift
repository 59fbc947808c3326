/// What the aggregator announces in the Accept of the first leg (RFC 8157 §5.2.4–§5.2.8, §5.2.12–§5.2.15).
public struct SessionParameters: Hashable, Sendable {
    /// Seconds, 1–100.
    public var activeHelloInterval = Constants.helloInterval.standard
    /// Seconds, 100–86 400.
    public var idleHelloInterval = Constants.idleHelloInterval.standard
    /// Hello attempts without an answer after which the leg has failed, 3–10.
    public var helloRetryTimes = Constants.helloRetryTimes.standard
    /// Milliseconds, 0–1000; 0: no threshold.
    public var rttDifferenceThreshold = Constants.rttDifferenceThreshold.standard
    /// Measurements in a row, 1–25.
    public var rttDifferenceThresholdViolation = Constants.rttCount.standard
    public var rttDifferenceThresholdCompliance = Constants.rttCount.standard
    /// Seconds, 10–300.
    public var bypassBandwidthCheckInterval = Constants.bypassCheckInterval.standard
    /// Seconds, 0–172 800; 0: never.
    public var idleTimeout = Constants.idleTimeout.standard
    /// Seconds, 30–86 400.
    public var noTrafficMonitoredInterval = Constants.noTrafficMonitoredInterval.standard

    public init() {}

    /// Takes what the attributes say, each held inside its range; the others stay.
    mutating func take(_ attributes: [Attribute]) {
        for attribute in attributes {
            switch attribute {
            case .activeHelloInterval(let v): activeHelloInterval = v.held(in: Constants.helloInterval)
            case .idleHelloInterval(let v): idleHelloInterval = v.held(in: Constants.idleHelloInterval)
            case .helloRetryTimes(let v): helloRetryTimes = v.held(in: Constants.helloRetryTimes)
            case .rttDifferenceThreshold(let v):
                rttDifferenceThreshold = v.held(in: Constants.rttDifferenceThreshold)
            case .rttDifferenceThresholdViolation(let v):
                rttDifferenceThresholdViolation = v.held(in: Constants.rttCount)
            case .rttDifferenceThresholdCompliance(let v):
                rttDifferenceThresholdCompliance = v.held(in: Constants.rttCount)
            case .bypassBandwidthCheckInterval(let v):
                bypassBandwidthCheckInterval = v.held(in: Constants.bypassCheckInterval)
            case .idleTimeout(let v): idleTimeout = v.held(in: Constants.idleTimeout)
            case .noTrafficMonitoredInterval(let v):
                noTrafficMonitoredInterval = v.held(in: Constants.noTrafficMonitoredInterval)
            default: break
            }
        }
    }

    /// The attributes of an Accept, in the order of their numbers, as deployed aggregators send them.
    var attributes: [Attribute] {
        [
            .rttDifferenceThreshold(rttDifferenceThreshold),
            .bypassBandwidthCheckInterval(bypassBandwidthCheckInterval),
            .activeHelloInterval(activeHelloInterval), .helloRetryTimes(helloRetryTimes), .idleTimeout(idleTimeout),
            .rttDifferenceThresholdViolation(rttDifferenceThresholdViolation),
            .rttDifferenceThresholdCompliance(rttDifferenceThresholdCompliance),
            .idleHelloInterval(idleHelloInterval), .noTrafficMonitoredInterval(noTrafficMonitoredInterval),
        ]
    }
}
