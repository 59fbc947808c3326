/// A value that RFC 8157 does not allow in an attribute that is otherwise well-formed.
public struct RangeViolation: Hashable, Sendable {
    /// The type of the attribute at fault.
    public let attribute: AttributeType
    /// The value at fault, in the attribute's unit.
    public let value: UInt32
    /// Both ends are allowed.
    public let allowed: ClosedRange<UInt32>
    /// Values must be multiples of this; 1 where there is no such rule.
    public let step: UInt32

    /// nil when the value is allowed. `step` must divide both ends of the range.
    init?(_ attribute: AttributeType, _ value: UInt32, _ allowed: ClosedRange<UInt32>, step: UInt32 = 1) {
        if allowed.contains(value), value % step == 0 { return nil }
        self.attribute = attribute
        self.value = value
        self.allowed = allowed
        self.step = step
    }

    /// The allowed value to use instead: the nearer end of the range, or the next multiple of the step. It is rounded
    /// up because an Idle Timeout of 0 would mean "never".
    public var clamped: UInt32 {
        let value = min(max(value, allowed.lowerBound), allowed.upperBound)
        return value % step == 0 ? value : value + (step - value % step)
    }
}

extension RangeViolation: CustomStringConvertible {
    public var description: String {
        let steps = step == 1 ? "" : " in steps of \(step)"
        return "\(attribute) \(value) is not in \(allowed.lowerBound)–\(allowed.upperBound)\(steps)"
    }
}

extension Attribute {
    /// What is out of range, or nil. Such values are parsed and sent back like any others.
    public var violation: RangeViolation? {
        switch self {
        case .rttDifferenceThreshold(let v): RangeViolation(.rttDifferenceThreshold, v, 0...1000)
        case .bypassBandwidthCheckInterval(let v): RangeViolation(.bypassBandwidthCheckInterval, v, 10...300)
        case .activeHelloInterval(let v): RangeViolation(.activeHelloInterval, v, 1...100)
        case .helloRetryTimes(let v): RangeViolation(.helloRetryTimes, v, 3...10)
        case .idleTimeout(let v): RangeViolation(.idleTimeout, v, 0...172_800, step: 60)
        case .rttDifferenceThresholdViolation(let v): RangeViolation(.rttDifferenceThresholdViolation, v, 1...25)
        case .rttDifferenceThresholdCompliance(let v): RangeViolation(.rttDifferenceThresholdCompliance, v, 1...25)
        case .idleHelloInterval(let v): RangeViolation(.idleHelloInterval, v, 100...86_400, step: 100)
        case .noTrafficMonitoredInterval(let v): RangeViolation(.noTrafficMonitoredInterval, v, 30...86_400)
        case .ipv6PrefixAssignedByHAAP(let p): RangeViolation(.ipv6PrefixAssignedByHAAP, UInt32(p.length), 0...128)
        case .ipv6PrefixAssignedToHost(let p): RangeViolation(.ipv6PrefixAssignedToHost, UInt32(p.length), 0...128)
        case .timestamp(let t): RangeViolation(.timestamp, t.milliseconds, 0...999)
        case .errorCode(let code): RangeViolation(.errorCode, code.rawValue, ErrorCode.defined)
        case .filterListPackageACK(let ack):
            RangeViolation(.filterListPackageACK, UInt32(ack.code.rawValue), 0...2)
        case .filterListPackage(let package):
            RangeViolation(
                .filterListPackage, UInt32(clamping: package.valueLength), 8...UInt32(FilterListPackage.maximumLength))
        default: nil
        }
    }

    /// The attribute itself when its value is allowed, else the same with ``RangeViolation/clamped``. An error code,
    /// an ACK code and a Filter List Package have no nearest value and stay as they are.
    public var clamped: Attribute {
        guard let value = violation?.clamped else { return self }
        return switch self {
        case .rttDifferenceThreshold: .rttDifferenceThreshold(value)
        case .bypassBandwidthCheckInterval: .bypassBandwidthCheckInterval(value)
        case .activeHelloInterval: .activeHelloInterval(value)
        case .helloRetryTimes: .helloRetryTimes(value)
        case .idleTimeout: .idleTimeout(value)
        case .rttDifferenceThresholdViolation: .rttDifferenceThresholdViolation(value)
        case .rttDifferenceThresholdCompliance: .rttDifferenceThresholdCompliance(value)
        case .idleHelloInterval: .idleHelloInterval(value)
        case .noTrafficMonitoredInterval: .noTrafficMonitoredInterval(value)
        case .ipv6PrefixAssignedByHAAP(let p): .ipv6PrefixAssignedByHAAP(.init(address: p.address, length: 128))
        case .ipv6PrefixAssignedToHost(let p): .ipv6PrefixAssignedToHost(.init(address: p.address, length: 128))
        case .timestamp(let t): .timestamp(Timestamp(seconds: t.seconds, milliseconds: value))
        default: self
        }
    }
}
