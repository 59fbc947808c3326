/// What is to be asked or told, before it is known which server it goes to: authenticator, hidden password and
/// identifier are the server's own.
public struct ClientRequest: Hashable, Sendable {
    /// ``PacketCode/accessRequest`` or ``PacketCode/accountingRequest``.
    public var code: PacketCode
    public var attributes: AttributeList
    /// Hidden with each server's secret.
    public var password: [UInt8]?
    /// When that happened of which it tells: the Acct-Delay-Time counts from there (RFC 2866 §5.2).
    public var since: Duration?

    public init(code: PacketCode, attributes: AttributeList, password: [UInt8]? = nil, since: Duration? = nil) {
        self.code = code
        self.attributes = attributes
        self.password = password
        self.since = since
    }
}

/// A shared secret. It is in no text that this program makes.
public struct SharedSecret: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public var description: String { "(secret)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why something received was not acted on. The raw values are stable: they name counters.
public enum RADIUSDiscardReason: String, Hashable, Sendable, CaseIterable {
    case truncated
    case badLength = "bad_length"
    case badAttribute = "bad_attribute"
    case badMessageAuthenticator = "bad_message_authenticator"
    /// An answer to nothing that was asked, or to what was given up.
    case unknownIdentifier = "unknown_identifier"
    case unexpectedCode = "unexpected_code"
    /// Not from one who knows the secret.
    case badAuthenticator = "bad_authenticator"
    /// An answer to an Access-Request that carries no Message-Authenticator.
    case noMessageAuthenticator = "no_message_authenticator"
    /// A request of RFC 5176 from an address that is no server's.
    case unknownSource = "unknown_source"
    /// Its Event-Timestamp is too far from the clock here, or is missing where it is required (RFC 5176 §6.3).
    case stale
    /// The same request again; the first answer is repeated.
    case duplicate
    /// The answer has no room for all that it must bring back.
    case unanswerable

    init(_ error: PacketError) { self = RADIUSDiscardReason(rawValue: error.rawValue) ?? .badAttribute }
}
