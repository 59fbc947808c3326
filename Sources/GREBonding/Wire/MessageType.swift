/// MsgType, the upper four bits of the byte after the GRE header: RFC 8157 §5. All other values are reserved.
public enum MessageType: UInt8, Hashable, Sendable, CaseIterable {
    /// HG → HAAP, §5.1.
    case setupRequest = 1
    /// HAAP → HG, §5.2.
    case setupAccept
    /// HAAP → HG, §5.3.
    case setupDeny
    /// HG → HAAP and its echo, §5.4.
    case hello
    /// HAAP → HG, §5.5.
    case tearDown
    /// Both ways, acknowledged, §5.6.
    case notify
}

extension MessageType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .setupRequest: "GRE Tunnel Setup Request"
        case .setupAccept: "GRE Tunnel Setup Accept"
        case .setupDeny: "GRE Tunnel Setup Deny"
        case .hello: "GRE Tunnel Hello"
        case .tearDown: "GRE Tunnel Tear Down"
        case .notify: "GRE Tunnel Notify"
        }
    }
}
