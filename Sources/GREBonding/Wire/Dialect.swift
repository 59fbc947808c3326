/// The two forms in which the protocol is spoken. Both roles must be set to the same one.
public enum Dialect: String, Sendable, CaseIterable {
    /// As published: RFC 8157 §5.
    case rfc8157
    /// As one network has run it for years: its own protocol type and tunnel type codes, and an end marker.
    case deployed

    /// The type of the attribute without value that ends every message of the ``deployed`` dialect.
    public static let endMarkerType: UInt8 = 255

    /// The Protocol Type of the GRE header of control messages.
    public var protocolType: UInt16 {
        switch self {
        case .rfc8157: 0xB7EA
        case .deployed: 0x0101
        }
    }

    /// Whether messages are ended with attribute 255 when sent.
    public var hasEndMarker: Bool { self == .deployed }

    /// The dialect whose control messages have this protocol type; nil when the packet is not a control message.
    public init?(protocolType: UInt16) {
        switch protocolType {
        case Dialect.rfc8157.protocolType: self = .rfc8157
        case Dialect.deployed.protocolType: self = .deployed
        default: return nil
        }
    }

    /// The T-Type code (4 bits) of a leg; nil for a leg that the protocol has no code for.
    public func tunnelType(of leg: LegID) -> UInt8? {
        switch (self, leg) {
        case (.rfc8157, .primary): 1
        case (.rfc8157, .secondary): 2
        case (.deployed, .primary): 8
        case (.deployed, .secondary): 0
        default: nil
        }
    }

    /// The leg of a T-Type code; nil for reserved codes, whose messages a receiver ignores (RFC 8157 §5).
    public func leg(ofTunnelType code: UInt8) -> LegID? {
        switch (self, code) {
        case (.rfc8157, 1), (.deployed, 8): .primary
        case (.rfc8157, 2), (.deployed, 0): .secondary
        default: nil
        }
    }
}
