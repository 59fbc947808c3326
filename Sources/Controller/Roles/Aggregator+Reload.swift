import Addresses
import Configuration
import EventLog
import GREBonding
import Leases
import Logging

// Other settings while bonds are up.
extension Aggregator {
    /// What keeps to a leg on its way to gateways.
    func applyPins() {
        guard let pins = PinTable(settings.pins, markMask: settings.kernel.markMask) else {
            common.state.apply([], for: .policy)
            return
        }
        for problem in pins.sets.values.flatMap(\.problems) {
            common.log(.warning, "pin-skipped", problem.item, ["why": problem.reason])
        }
        common.state.apply([.ruleset(pins.ruleset())], for: .policy)
    }

    /// Puts into effect what `settings` have otherwise than before.
    func took(from old: AggregationPointConfiguration) {
        if settings.pins != old.pins { applyPins() }
        let arePinned = settings.pins.isEmpty != old.pins.isEmpty
        let before = subscribers
        if settings.subscribers != old.subscribers {
            subscribers = SubscriberList(settings.subscribers, unlisted: settings.unlisted)
            for subscriber in settings.subscribers where before[subscriber.cin] == nil { reserve(subscriber) }
        }
        for id in Array(point.sessions.keys) {
            guard let session = point.sessions[id] else { continue }
            let (was, now) = (before[session.client], subscribers[session.client])
            if let code = refusal(session) {
                hear(.tearDown(sessionID: id, code))
                continue
            }
            if let now, was != now { hear(.reauthorized(sessionID: id, Authorization(now))) }
            if was != now || arePinned { apply(id, point.sessions[id]?.bond) }
            let had = was?.filterList.flatMap { old.filterLists[$0] }
            let has = now?.filterList.flatMap { settings.filterLists[$0] }
            if had != has { hear(.setFilterList(sessionID: id, has ?? [])) }
        }
    }

    /// A new subscriber's own address and prefix are leased to nobody else, unless somebody has them already.
    private func reserve(_ subscriber: SubscriberConfiguration) {
        let own = [subscriber.address.map { IPPrefix(host: .v4($0)) }, subscriber.prefix].compactMap { $0 }
        guard let leases, !own.isEmpty, let client = ClientIdentity(subscriber.cin) else { return }
        for prefix in own {
            guard let holder = leases.holder(of: prefix, besides: client) else { continue }
            return common.log(
                .warning, "not-reserved", "another subscriber has leased it",
                ["bond": subscriber.cin, "resource": prefix, "holder": holder])
        }
        leases.claim(own, of: client, as: subscriber)
    }

    /// Why a session may not go on; nil: it may.
    private func refusal(_ session: AggregationSession) -> ErrorCode? {
        for leg in [LegID.primary, .secondary] where session.bond?.legs[leg] != nil {
            if case .denied(let code) = subscribers.authorization(of: session.client, leg: leg) { return code }
        }
        return nil
    }
}
