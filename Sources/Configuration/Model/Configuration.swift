/// The settings of one instance, complete and checked.
public enum Configuration: Hashable, Sendable {
    case homeGateway(HomeGatewayConfiguration)
    case aggregationPoint(AggregationPointConfiguration)

    public var log: LogConfiguration {
        switch self {
        case .homeGateway(let c): c.log
        case .aggregationPoint(let c): c.log
        }
    }

    public var control: ControlConfiguration {
        switch self {
        case .homeGateway(let c): c.control
        case .aggregationPoint(let c): c.control
        }
    }

    public var hooks: HooksConfiguration {
        switch self {
        case .homeGateway(let c): c.hooks
        case .aggregationPoint(let c): c.hooks
        }
    }

    public var http: HTTPConfiguration {
        switch self {
        case .homeGateway(let c): c.http
        case .aggregationPoint(let c): c.http
        }
    }

    /// As the settings name it.
    public var roleName: String {
        switch self {
        case .homeGateway: "hg"
        case .aggregationPoint: "haap"
        }
    }
}
