import Configuration
import GREBonding
import RADIUS

// What RADIUS servers say, done.
extension Aggregator {
    /// The servers' word on a Setup Request.
    func answered(_ request: AuthorizationRequest, _ answer: RADIUSService.Answer) {
        switch answer {
        case .denied(let code): hear(.authorized(request, .denied(code)))
        case .granted(let subscriber, let authorization):
            let before = subscribers[request.client]
            subscribers.grant(request.client, subscriber)
            hear(.authorized(request, .granted(authorization)))
            let id = radius?.ids[request.client]
            guard let id, let session = point.sessions[id], session.client == request.client else {
                return forget(request.client)
            }
            radius?.continued(id)
            if before != nil, before != subscriber { apply(id, session.bond) }
        }
    }

    /// Ends one bond by a Tear Down (RFC 8157 §5.5).
    func end(_ id: UInt32, _ code: ErrorCode) { hear(.tearDown(sessionID: id, code)) }

    /// A server changes what a subscriber has while its bond lives.
    func change(_ id: UInt32, _ subscriber: SubscriberConfiguration, sendsFilterList: Bool) {
        guard let session = point.sessions[id] else { return }
        subscribers.grant(session.client, subscriber)
        hear(.reauthorized(sessionID: id, Authorization(subscriber)))
        apply(id, point.sessions[id]?.bond)
        if sendsFilterList, let items = subscriber.filterList.flatMap({ settings.filterLists[$0] }) {
            hear(.setFilterList(sessionID: id, items))
        }
    }

    /// What the servers have to know of bonds that come and go.
    func account(_ event: SessionEvent) {
        switch event {
        case .bondUp(let id):
            if let client = point.sessions[id]?.client { radius?.began(id, client) }
        case .bondDown(let id, let reason):
            guard let radius, let client = radius.sessions[id]?.client else { return }
            radius.ended(id, reason)
            forget(client)
        default: break
        }
    }

    private func forget(_ client: ClientIdentificationName) {
        radius?.forget(client)
        subscribers.grant(client, nil)
    }
}
