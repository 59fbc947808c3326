import GREBonding

/// Which bonds of an aggregation point a status is to show.
public struct StatusQuery: Hashable, Sendable {
    public enum Filter: String, Hashable, Sendable, CaseIterable {
        case all
        /// Not all legs that the subscriber is to have are used.
        case unhealthy
        case noDSL = "no-dsl"
        case noLTE = "no-lte"
        /// In the Idle Hello State (RFC 8157 §5.6.14).
        case idle
    }

    public enum Order: String, Hashable, Sendable, CaseIterable {
        case session, name
        /// The busiest first.
        case rate
        /// The worst first, of those the latest.
        case health
    }

    /// Client Identification Name or Session ID of the only one; nil: any.
    public var bond: String?
    public var filter = Filter.all
    public var order = Order.session
    /// At most so many, 0…1000000.
    public var limit = StatusQuery.standardLimit

    public static let standardLimit = 100
    public static let most = 1_000_000

    public init() {}

    /// Reads what ``words`` wrote; nil when it is something else.
    init?(_ words: Substring) {
        var rest = words.drop { $0 == " " }
        while !rest.isEmpty {
            guard let equal = rest.firstIndex(of: "=") else { return nil }
            let key = rest[..<equal]
            let after = rest[rest.index(after: equal)...]
            if key == "bond" {
                // A name may hold blanks, so it comes last.
                guard !after.isEmpty else { return nil }
                bond = String(after)
                return
            }
            let value = String(after.prefix { $0 != " " })
            switch key {
            case "filter":
                guard let filter = Filter(rawValue: value) else { return nil }
                self.filter = filter
            case "sort":
                guard let order = Order(rawValue: value) else { return nil }
                self.order = order
            case "limit":
                guard let limit = Int(value), (0...Self.most).contains(limit) else { return nil }
                self.limit = limit
            default: return nil
            }
            rest = after.drop { $0 != " " }.drop { $0 == " " }
        }
    }

    /// What differs from the standard, for a request's line.
    var words: String {
        var words: [String] = []
        let standard = Self()
        if filter != standard.filter { words.append("filter=\(filter.rawValue)") }
        if order != standard.order { words.append("sort=\(order.rawValue)") }
        if limit != standard.limit { words.append("limit=\(limit)") }
        if let bond { words.append("bond=\(bond)") }
        return words.joined(separator: " ")
    }

    func matches(_ session: AggregationSession, grade: Int) -> Bool {
        if let bond, session.client.description != bond, "\(session.id)" != bond { return false }
        return switch filter {
        case .all: true
        case .unhealthy: grade > 0
        case .noDSL: session.bond?.legs[.primary] == nil
        case .noLTE: session.bond?.legs[.secondary] == nil
        case .idle: session.helloState == .idle
        }
    }
}
