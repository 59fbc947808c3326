/// Whether the legs' round trips are too far apart to be bonded: RFC 8157 §5.2.4, §5.2.12, §5.2.13.
///
/// A measurement is one fresh round trip of each of the two legs; their distance, whichever is the slower one, violates
/// the threshold when it is greater. "More than n in a row" is read literally: with n = 3 the fourth violation in a row
/// stops the use of the secondary leg, and the fourth compliance in a row resumes it. A threshold of 0 is none.
public struct RTTMonitor: Hashable, Sendable {
    /// Whether the secondary leg is not used at present.
    public private(set) var primaryOnly = false
    /// Measurements in a row that violated the threshold, or kept it.
    public private(set) var violations: UInt32 = 0
    public private(set) var compliances: UInt32 = 0
    /// The distance that was measured last.
    public private(set) var difference: Duration?
    /// Round trips since the last comparison.
    private var fresh: [LegID: Duration] = [:]

    public init() {}

    /// Goes on where another one was.
    init(primaryOnly: Bool) { self.primaryOnly = primaryOnly }

    /// Takes a round trip of a leg; true when ``primaryOnly`` changed.
    mutating func measured(_ sample: Duration, on leg: LegID, _ parameters: SessionParameters) -> Bool {
        guard parameters.rttDifferenceThreshold > 0, leg == .primary || leg == .secondary else { return false }
        fresh[leg] = sample
        guard let first = fresh[.primary], let second = fresh[.secondary] else { return false }
        fresh = [:]
        let distance = first > second ? first - second : second - first
        difference = distance
        if distance > .milliseconds(Int64(parameters.rttDifferenceThreshold)) {
            compliances = 0
            violations = min(violations, 1000) + 1
        } else {
            violations = 0
            compliances = min(compliances, 1000) + 1
        }
        if !primaryOnly, violations > parameters.rttDifferenceThresholdViolation {
            primaryOnly = true
        } else if primaryOnly, compliances > parameters.rttDifferenceThresholdCompliance {
            primaryOnly = false
        } else {
            return false
        }
        violations = 0
        compliances = 0
        return true
    }

    /// Forgets everything, as on the way to the Idle Hello State (§5.6.14) and when a leg is lost.
    mutating func reset() { self = RTTMonitor() }
}
