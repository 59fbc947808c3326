/// Why received bytes are not a RADIUS packet. The raw values are stable: they name counters.
public enum PacketError: String, Error, Hashable, Sendable, CaseIterable {
    /// Fewer bytes than the header has or than it tells.
    case truncated
    /// The Length is none that is allowed (RFC 2865 §3).
    case badLength = "bad_length"
    /// An attribute ends outside of the packet, or is shorter than its own header.
    case badAttribute = "bad_attribute"
    /// A Message-Authenticator that is not 16 bytes, or more than one of them.
    case badMessageAuthenticator = "bad_message_authenticator"
}
