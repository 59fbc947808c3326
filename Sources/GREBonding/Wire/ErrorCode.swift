/// Why a tunnel was refused or ended: RFC 8157 §5.3.1. Values without a meaning are kept.
public struct ErrorCode: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let haapUnreachableOverLTE = ErrorCode(rawValue: 1)
    public static let haapUnreachableOverDSL = ErrorCode(rawValue: 2)
    public static let lteTunnelFailed = ErrorCode(rawValue: 3)
    public static let dslTunnelFailed = ErrorCode(rawValue: 4)
    public static let dslUserNotAllowed = ErrorCode(rawValue: 5)
    public static let userAliasNotAllowed = ErrorCode(rawValue: 6)
    public static let userIDsDoNotMatch = ErrorCode(rawValue: 7)
    public static let sessionAlreadyExists = ErrorCode(rawValue: 8)
    public static let clientIdentificationNameNotPermitted = ErrorCode(rawValue: 9)
    public static let maintenance = ErrorCode(rawValue: 10)
    public static let managementErrorDuringLTESetup = ErrorCode(rawValue: 11)
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
