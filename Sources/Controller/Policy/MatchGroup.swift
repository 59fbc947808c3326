/// The lists that a flow is compared with, in this order: the first one with an item that matches decides.
enum MatchGroup: Int, CaseIterable {
    /// `[[pin]]` with `leg = "dsl"`, `leg = "lte"`
    case pinDSL, pinLTE
    /// `[[exception]]`
    case exception
    /// `[[bypass]]`
    case bypass
    /// The aggregator's filter list (RFC 8157 §5.6.2).
    case `operator`

    /// What names of sets and chains begin with.
    var label: String {
        switch self {
        case .pinDSL: "pin_dsl"
        case .pinLTE: "pin_lte"
        case .exception: "exception"
        case .bypass: "bypass"
        case .operator: "operator"
        }
    }

    var way: PolicyTable.Way? {
        switch self {
        case .pinDSL: .dsl
        case .pinLTE: .lte
        case .exception: nil
        case .bypass, .operator: .bypass
        }
    }
}
