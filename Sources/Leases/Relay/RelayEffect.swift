import Addresses

/// What a relay wants done, in this order.
public enum RelayEffect: Hashable, Sendable {
    /// To a server or the next relay, from the relay's own address and port 67 or 547.
    case forward(RelayedDatagram)
    /// To the client's link.
    case send(RelayedDatagram, to: ClientIdentity)
    /// The client's link is where this is from now on, or no longer: RFC 8987 §4.2.
    case addRoute(IPPrefix, ClientIdentity)
    case removeRoute(IPPrefix, ClientIdentity)
    /// What a server granted. The group is empty.
    case event(LeaseEvent)
    /// The client, where it is known.
    case discarded(DiscardReason, ClientIdentity?)
}

/// A UDP datagram that goes on.
public struct RelayedDatagram: Hashable, Sendable {
    public var payload: [UInt8]
    public var destination: IPAddress
    public var port: UInt16

    package init(payload: [UInt8], destination: IPAddress, port: UInt16) {
        self.payload = payload
        self.destination = destination
        self.port = port
    }
}
