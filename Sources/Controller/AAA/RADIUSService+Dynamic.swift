import Addresses
import Configuration
import EventLog
import Formatting
import GREBonding
import Logging
import RADIUS

// What servers ask of bonds that live (RFC 5176).
extension RADIUSService {
    func listen(_ loop: EventLoop) throws(SystemError) {
        var settings = DynamicAuthorization.Settings(
            sources: Dictionary(
                radius.servers.map { ($0.address, $0.secret) }, uniquingKeysWith: { first, _ in first }),
            nasIdentifier: nas.identifier, nasAddresses: nas.addresses, vendor: nas.vendor)
        settings.requiresTimestamp = radius.requiresEventTimestamp
        dynamic = DynamicAuthorization(settings: settings, authenticator: .system)
        for address in nas.addresses {
            let socket = try DatagramSocket(at: address, port: radius.dynamicAuthorizationPort)
            try loop.watch(socket.descriptor) { [weak self] in self?.receive(socket) }
            dynamicSockets.append(socket)
        }
    }

    private func receive(_ socket: DatagramSocket) {
        for _ in 0..<256 {
            guard let datagram = socket.receive(), var machine = dynamic else { return }
            let outcome = machine.receive(
                datagram.payload, from: datagram.source, port: datagram.port, now: RADIUSClock.now(),
                unixTime: RADIUSClock.unixTime()
            ) { (request) throws(ErrorCause) in
                do throws(ErrorCause) {
                    try perform(request)
                } catch {
                    log(
                        .info, "radius-refused", "a server's request was refused",
                        ["why": "\(error)", "server": datagram.source])
                    throw error
                }
            }
            dynamic = machine
            switch outcome {
            case .reply(let answer), .repeated(let answer):
                socket.send(answer, to: datagram.source, port: datagram.port)
                if case .repeated = outcome { discarded[.duplicate, default: 0] &+= 1 }
            case .discarded(let reason):
                discarded[reason, default: 0] &+= 1
                log(
                    .info, "radius-discarded", "a request was not acted on",
                    ["why": reason.rawValue, "source": datagram.source])
            }
        }
    }

    private func perform(_ request: DynamicRequest) throws(ErrorCause) {
        let found = sessions(request.target)
        guard let id = found.first else { throw .sessionContextNotFound }
        guard found.count == 1 else { throw .multipleSessionSelectionUnsupported }
        switch request.kind {
        case .disconnect:
            log(.notice, "radius-disconnect", "a server ends the bond", ["session": id])
            causes[id] = .adminReset
            aggregator?.end(id, .maintenance)
        case .change(let attributes): try change(id, AccessChange(attributes))
        }
    }

    private func change(_ id: UInt32, _ change: AccessChange) throws(ErrorCause) {
        guard let client = sessions[id]?.client, var subscriber = aggregator?.subscribers[client] else {
            throw .sessionContextNotFound
        }
        if let list = change.filterList {
            guard settings.filterLists[list] != nil else { throw .invalidAttributeValue }
            subscriber.filterList = list
        }
        sessions[id]?.accounted.grant.take(change)
        unrecorded.insert(id)
        subscriber.rates.take(change.dslUpstream, change.dslDownstream, change.lteDownstream)
        limit(id, change.sessionTimeout, from: Clock.now())
        log(.notice, "radius-change", "a server changes the bond", ["session": id])
        aggregator?.change(id, subscriber, sendsFilterList: change.filterList != nil)
    }

    /// The first eight digits of a name are a time, the others are the session's number.
    private func sessions(_ target: DynamicRequest.Target) -> [UInt32] {
        if let name = target.acctSessionID {
            guard let id = UInt32(name.suffix(8), radix: 16), let session = sessions[id],
                session.accounted.name == name, matches(session, target)
            else { return [] }
            return [id]
        }
        return sessions.filter { matches($0.value, target) }.map(\.key)
    }

    private func matches(_ session: Session, _ target: DynamicRequest.Target) -> Bool {
        let accounted = session.accounted
        let prefixes = accounted.grant.routes
        return (target.userName == nil || target.userName == accounted.userName)
            && (target.callingStationID == nil || target.callingStationID == accounted.source?.description)
            && (target.framedIPAddress == nil || target.framedIPAddress == accounted.grant.address)
            && target.framedIPv6Prefix.map(prefixes.contains) ?? true
            && target.delegatedIPv6Prefix.map { $0 == accounted.grant.delegatedPrefix } ?? true
    }

    // MARK: Status

    var json: JSONObject {
        var object = JSONObject()
        object.add("accepted", accepted)
        object.add("rejected", rejected)
        object.add("unanswered", unanswered)
        object.add("unusable", unusable)
        object.add("waiting", authentication?.inFlight ?? 0)
        object.add("authentication", authentication?.json ?? [])
        var reasons = discarded
        for group in [authentication, accountingServers] {
            reasons.merge(group?.discarded ?? [:], uniquingKeysWith: &+)
        }
        if let accounting, let accountingServers {
            var records = JSONObject()
            records.add("taken", accounting.statistics.taken)
            records.add("waiting", accounting.waiting)
            records.add("in_flight", accounting.inFlight)
            records.add("dropped", accounting.statistics.dropped)
            records.add("superseded", accounting.statistics.superseded)
            object.add("records", records)
            object.add("accounting", accountingServers.json)
        }
        if let dynamic {
            var requests = JSONObject()
            requests.add("disconnected", dynamic.statistics.disconnected)
            requests.add("changed", dynamic.statistics.changed)
            requests.add("refused", dynamic.statistics.refused)
            object.add("dynamic", requests)
        }
        var counts = JSONObject()
        for (reason, count) in reasons.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            counts.add(reason.rawValue, count)
        }
        object.add("discarded", counts)
        return object
    }
}
