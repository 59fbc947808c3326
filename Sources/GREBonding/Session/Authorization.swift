public import Addresses

/// A Setup Request that waits for the operator's answer (RFC 8157 §6.2).
public struct AuthorizationRequest: Hashable, Sendable {
    public var client: ClientIdentificationName
    public var leg: LegID
    /// Outer source of the request: E or D.
    public var source: IPAddress
    /// The address of ours that it came to.
    public var destination: IPAddress
    /// The session that a further leg asks to join, or that is to be revived.
    public var sessionID: UInt32?
    /// The GRE Key of the request.
    public var key: UInt32
    /// Kbit/s downstream, RFC 8157 §5.1.3; 0 when the request does not say.
    public var dslSynchronizationRate: UInt32
}

public enum AuthorizationResult: Hashable, Sendable {
    case granted(Authorization)
    /// RFC 8157 §5.3.1.
    case denied(ErrorCode)
}

/// What the operator grants a subscriber.
public struct Authorization: Hashable, Sendable {
    /// Kbit/s; 0: not known, then the gateway's DSL Synchronization Rate holds for downstream.
    public var dslUpstream: UInt32
    public var dslDownstream: UInt32
    /// What the gateway is told in the Accept of its first leg; nil: what all are told.
    public var parameters: SessionParameters?

    public init(dslUpstream: UInt32 = 0, dslDownstream: UInt32 = 0, parameters: SessionParameters? = nil) {
        self.dslUpstream = dslUpstream
        self.dslDownstream = dslDownstream
        self.parameters = parameters
    }
}

/// A request that is held back, complete enough to be taken up again.
struct PendingSetup: Hashable, Sendable {
    var request: AuthorizationRequest
}
