/// Why a tunnel was refused or ended: RFC 8157 §5.3.1. Values without a meaning are kept.
public struct ErrorCode: RawRepresentable, Hashable, Sendable {
    /// The value of the wire.
    public var rawValue: UInt32

    /// Any value; 1…12 have a meaning.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 1: The HG could not reach the HAAP when it set up the LTE tunnel.
    public static let haapUnreachableOverLTE = ErrorCode(rawValue: 1)
    /// 2: The HG could not reach the HAAP when it set up the DSL tunnel.
    public static let haapUnreachableOverDSL = ErrorCode(rawValue: 2)
    /// 3: The LTE tunnel failed.
    public static let lteTunnelFailed = ErrorCode(rawValue: 3)
    /// 4: The DSL tunnel failed.
    public static let dslTunnelFailed = ErrorCode(rawValue: 4)
    /// 5: The DSL user has no right to the service.
    public static let dslUserNotAllowed = ErrorCode(rawValue: 5)
    /// 6: The user alias or GUID has no right to the service.
    public static let userAliasNotAllowed = ErrorCode(rawValue: 6)
    /// 7: The LTE and DSL legs belong to different users.
    public static let userIDsDoNotMatch = ErrorCode(rawValue: 7)
    /// 8: The user already has a bonding session.
    public static let sessionAlreadyExists = ErrorCode(rawValue: 8)
    /// 9: The Client Identification Name is not permitted.
    public static let clientIdentificationNameNotPermitted = ErrorCode(rawValue: 9)
    /// 10: The HAAP ended the session for maintenance.
    public static let maintenance = ErrorCode(rawValue: 10)
    /// 11: The HAAP could not ask its management system during the LTE setup.
    public static let managementErrorDuringLTESetup = ErrorCode(rawValue: 11)
    /// 12: The HAAP could not ask its management system during the DSL setup.
    public static let managementErrorDuringDSLSetup = ErrorCode(rawValue: 12)

    /// The values that have a meaning.
    public static let defined: ClosedRange<UInt32> = 1...12
}

extension ErrorCode: CustomStringConvertible {
    /// The meaning in a few words, for logs.
    public var description: String {
        switch self {
        case .haapUnreachableOverLTE: "LTE setup could not reach the HAAP"
        case .haapUnreachableOverDSL: "DSL setup could not reach the HAAP"
        case .lteTunnelFailed: "LTE tunnel failed"
        case .dslTunnelFailed: "DSL tunnel failed"
        case .dslUserNotAllowed: "DSL user has no right to the service"
        case .userAliasNotAllowed: "user alias or GUID has no right to the service"
        case .userIDsDoNotMatch: "LTE and DSL belong to different users"
        case .sessionAlreadyExists: "user already has a bonding session"
        case .clientIdentificationNameNotPermitted: "CIN not permitted"
        case .maintenance: "HAAP ended the session for maintenance"
        case .managementErrorDuringLTESetup: "HAAP could not ask its management system (LTE setup)"
        case .managementErrorDuringDSLSetup: "HAAP could not ask its management system (DSL setup)"
        default: "unknown error code \(rawValue)"
        }
    }
}
