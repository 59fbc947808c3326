/// Why received bytes are not a DHCP message.
public struct WireError: Error, Hashable, Sendable {
    /// The raw values are stable: they name counters and metric labels.
    public enum Reason: String, Hashable, Sendable, CaseIterable {
        /// The bytes end before the options.
        case truncated
        /// Not the four bytes that begin DHCPv4's options (RFC 2131 §3).
        case badCookie = "bad_cookie"
        /// The op, the hardware address's length or the message type is none that is known.
        case badHeader = "bad_header"
        /// The bytes end inside an option.
        case optionTruncated = "option_truncated"
        /// An option has a length or a content that its code cannot have.
        case badOption = "bad_option"
    }

    public let reason: Reason
    /// The code of the option at fault, where it is known.
    public let option: UInt16?

    public init(_ reason: Reason, option: UInt16? = nil) {
        self.reason = reason
        self.option = option
    }
}

extension WireError: CustomStringConvertible {
    public var description: String { reason.rawValue + (option.map { ", option \($0)" } ?? "") }
}
