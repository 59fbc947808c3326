import Configuration
import GREBonding

/// The operator's word on who may bond (RFC 8157 §6.2): the `[[subscriber]]` tables, and over them what RADIUS servers
/// have granted while it holds.
struct SubscriberList {
    private let listed: [ClientIdentificationName: SubscriberConfiguration]
    private let unlisted: SubscriberConfiguration
    private var granted: [ClientIdentificationName: SubscriberConfiguration] = [:]
    /// Bonds that there may be, and of those the ones that may have DSL. Each scrape of the metrics asks.
    let bondCount: Int
    private let primaryCount: Int

    /// - Parameter unlisted: what a subscriber without a table has
    init(
        _ subscribers: [SubscriberConfiguration], unlisted: SubscriberConfiguration = SubscriberConfiguration(cin: .unnamed)
    ) {
        listed = Dictionary(subscribers.map { ($0.cin, $0) }, uniquingKeysWith: { first, _ in first })
        self.unlisted = unlisted
        bondCount = listed.values.count { $0.service != .suspended }
        primaryCount = listed.values.count { $0.service == .bonding }
    }

    subscript(client: ClientIdentificationName) -> SubscriberConfiguration? { granted[client] ?? listed[client] }

    /// What holds for a subscriber where a server does not say otherwise.
    func base(of client: ClientIdentificationName) -> SubscriberConfiguration {
        if let subscriber = listed[client] { return subscriber }
        var result = unlisted
        result.cin = client
        return result
    }

    /// nil: the grant has ended.
    mutating func grant(_ client: ClientIdentificationName, _ subscriber: SubscriberConfiguration?) {
        granted[client] = subscriber
    }

    /// Whether a leg may be set up; error codes 5, 6 and 9 of RFC 8157 §5.3.1 come from here.
    func authorization(of client: ClientIdentificationName, leg: LegID) -> AuthorizationResult {
        guard let subscriber = listed[client] else { return .denied(.clientIdentificationNameNotPermitted) }
        switch subscriber.service {
        case .suspended: return .denied(.userAliasNotAllowed)
        case .lte where leg == .primary: return .denied(.dslUserNotAllowed)
        case .lte, .bonding: break
        }
        return .granted(Authorization(subscriber))
    }

    /// Whether the operator's list allows a leg; the word of another system is not known here.
    func allows(_ leg: LegID, _ client: ClientIdentificationName) -> Bool {
        self[client].map { $0.service == .bonding || ($0.service == .lte && leg == .secondary) } ?? true
    }

    /// Legs of a kind that there may be.
    func legCount(_ leg: LegID) -> Int { leg == .primary ? primaryCount : bondCount }
}

extension Authorization {
    init(_ subscriber: SubscriberConfiguration, parameters: SessionParameters? = nil) {
        self.init(
            dslUpstream: subscriber.rates.dslUpstream?.kilobitsPerSecond ?? 0,
            dslDownstream: subscriber.rates.dslDownstream?.kilobitsPerSecond ?? 0, parameters: parameters)
    }
}
