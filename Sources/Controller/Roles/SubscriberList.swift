import Configuration
import GREBonding

/// The operator's word on who may bond (RFC 8157 §6.2): the `[[subscriber]]` tables.
struct SubscriberList {
    private let subscribers: [ClientIdentificationName: SubscriberConfiguration]

    init(_ subscribers: [SubscriberConfiguration]) {
        self.subscribers = Dictionary(subscribers.map { ($0.cin, $0) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(client: ClientIdentificationName) -> SubscriberConfiguration? { subscribers[client] }

    /// Whether a leg may be set up; error codes 5, 6 and 9 of RFC 8157 §5.3.1 come from here.
    func authorization(of client: ClientIdentificationName, leg: LegID) -> AuthorizationResult {
        guard let subscriber = subscribers[client] else { return .denied(.clientIdentificationNameNotPermitted) }
        switch subscriber.service {
        case .suspended: return .denied(.userAliasNotAllowed)
        case .lte where leg == .primary: return .denied(.dslUserNotAllowed)
        case .lte, .bonding: break
        }
        return .granted(
            Authorization(
                dslUpstream: subscriber.rates.dslUpstream?.kilobitsPerSecond ?? 0,
                dslDownstream: subscriber.rates.dslDownstream?.kilobitsPerSecond ?? 0))
    }

    /// Whether the operator's list allows a leg; the word of another system is not known here.
    func allows(_ leg: LegID, _ client: ClientIdentificationName) -> Bool {
        subscribers[client].map { $0.service == .bonding || ($0.service == .lte && leg == .secondary) } ?? true
    }

    /// Bonds that there may be.
    var bondCount: Int { subscribers.values.count { $0.service != .suspended } }

    /// Legs of a kind that there may be.
    func legCount(_ leg: LegID) -> Int {
        subscribers.values.count { $0.service == .bonding || ($0.service == .lte && leg == .secondary) }
    }
}
