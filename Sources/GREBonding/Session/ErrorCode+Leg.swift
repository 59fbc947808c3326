// The codes that come in two, one for each leg of the standard: RFC 8157 §5.3.1.
extension ErrorCode {
    static func haapUnreachable(over leg: LegID) -> ErrorCode {
        leg == .primary ? .haapUnreachableOverDSL : .haapUnreachableOverLTE
    }

    static func tunnelFailed(_ leg: LegID) -> ErrorCode { leg == .primary ? .dslTunnelFailed : .lteTunnelFailed }

    static func managementError(during leg: LegID) -> ErrorCode {
        leg == .primary ? .managementErrorDuringDSLSetup : .managementErrorDuringLTESetup
    }

    /// Whether the subscriber was judged and refused, as opposed to something that is out of order for a while.
    var isRefusal: Bool {
        switch self {
        case .dslUserNotAllowed, .userAliasNotAllowed, .userIDsDoNotMatch, .clientIdentificationNameNotPermitted: true
        default: false
        }
    }
}
