/// What a packet is: RFC 2865 §4, RFC 2866 §4, RFC 5176 §2. Values without a meaning are kept.
public struct PacketCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let accessRequest = PacketCode(rawValue: 1)
    public static let accessAccept = PacketCode(rawValue: 2)
    public static let accessReject = PacketCode(rawValue: 3)
    public static let accountingRequest = PacketCode(rawValue: 4)
    public static let accountingResponse = PacketCode(rawValue: 5)
    public static let accessChallenge = PacketCode(rawValue: 11)
    public static let disconnectRequest = PacketCode(rawValue: 40)
    public static let disconnectACK = PacketCode(rawValue: 41)
    public static let disconnectNAK = PacketCode(rawValue: 42)
    public static let changeRequest = PacketCode(rawValue: 43)
    public static let changeACK = PacketCode(rawValue: 44)
    public static let changeNAK = PacketCode(rawValue: 45)

    /// Whether a packet of this code answers a request of that one. A client without challenges takes one for a
    /// rejection (RFC 2865 §4.4).
    func answers(_ request: PacketCode) -> Bool {
        switch request {
        case .accessRequest: [.accessAccept, .accessReject, .accessChallenge].contains(self)
        case .accountingRequest: self == .accountingResponse
        default: false
        }
    }
}
