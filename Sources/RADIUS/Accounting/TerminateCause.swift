/// Acct-Terminate-Cause, RFC 2866 §5.10.
public enum TerminateCause: UInt32, Hashable, Sendable, CaseIterable {
    case userRequest = 1
    case lostCarrier = 2
    case lostService = 3
    case idleTimeout = 4
    case sessionTimeout = 5
    case adminReset = 6
    case adminReboot = 7
    case nasRequest = 10
    /// The subscriber began a new session in place of this one.
    case portPreempted = 13
}

/// Acct-Status-Type, RFC 2866 §5.1.
enum AccountingStatus: UInt32, Hashable, Sendable {
    case start = 1
    case stop = 2
    case interim = 3
    case on = 7
    case off = 8
}
