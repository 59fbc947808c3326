import Addresses
import Configuration
import EventLog
import GREBonding
import Logging
import NFTables
import ProtocolSupport
import RADIUS

/// What a RADIUS server granted a bond and what the servers know of it, for a process that goes on with the bond.
struct GrantRecord: Hashable {
    var sessionID: UInt32
    /// With all that servers changed since.
    var accounted: AccountedSession
    /// The gateway's outer address on the leg that began the bond.
    var source: IPAddress
    /// When the bond began, and when it is to end; nil: never.
    var begun: Instant
    var until: Instant?
    /// A server has taken the Start.
    var isStarted: Bool
    /// What elements that are gone had counted.
    var counted: [LegID: LegTraffic] = [:]
}

extension GrantRecord {
    /// Any number will do: no server sees these.
    private static let vendor: UInt32 = 1

    var line: String {
        var grant = accounted.grant
        grant.userName = accounted.userName
        return [
            "grant session=\(sessionID)", "name=\(accounted.name)", "source=\(source)", "begun=\(begun.nanoseconds)",
            "until=\(until.map { String($0.nanoseconds) } ?? RecordLine.none)", "started=\(isStarted)",
            "counted=\(Self.text(counted))",
            "attributes=\(RecordLine.hex(grant.attributes(vendor: Self.vendor).bytes))",
        ].joined(separator: " ")
    }

    /// nil for anything that ``line`` does not give.
    static func read(_ text: Substring) -> GrantRecord? {
        guard let line = RecordLine(text, "grant", count: 8), let id = line.number("session"), let name = line["name"],
            let source = line.address("source"), let begun = line["begun"].flatMap({ Int64($0) }), begun >= 0,
            let until = line.optional("until"), let started = line.flag("started"),
            let counted = line["counted"].flatMap(traffic),
            let list = line.bytes("attributes").flatMap({ AttributeList(bytes: $0, vendor: vendor) }),
            let grant = try? AccessGrant(list), let userName = grant.userName,
            // The time at which it began is the server's to remember, the rest is ours to check.
            name.utf8.count == 16, let time = UInt32(name.prefix(8), radix: 16),
            name == AccountedSession.name(begun: Int64(time), session: id)[...]
        else { return nil }
        return GrantRecord(
            sessionID: id,
            accounted: AccountedSession(name: String(name), userName: userName, source: source, grant: grant),
            source: source, begun: Instant(nanoseconds: begun),
            until: until.map { Instant(nanoseconds: Int64(clamping: $0)) }, isStarted: started, counted: counted)
    }

    /// Of each leg its number, then packets and bytes received, packets and bytes sent.
    private static func text(_ counted: [LegID: LegTraffic]) -> String {
        counted.sorted { $0.key < $1.key }.map { leg, traffic in
            let (received, sent) = (traffic.received, traffic.sent)
            return [UInt64(leg.rawValue), received.packets, received.bytes, sent.packets, sent.bytes]
                .map(String.init).joined(separator: ":")
        }.joined(separator: ",")
    }

    private static func traffic(_ text: Substring) -> [LegID: LegTraffic]? {
        var counted: [LegID: LegTraffic] = [:]
        let comma = UInt8(ascii: ",")
        for word in text.utf8.split(separator: comma, omittingEmptySubsequences: !text.utf8.contains(comma)) {
            let numbers = word.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                .map { UInt64(Substring($0)) }
            let values = numbers.compactMap { $0 }
            guard values.count == 5, numbers.count == 5, let leg = UInt8(exactly: values[0]).map(LegID.init(rawValue:)),
                leg == .primary || leg == .secondary,
                counted.updateValue(
                    LegTraffic(
                        received: Counter(packets: values[1], bytes: values[2]),
                        sent: Counter(packets: values[3], bytes: values[4])), forKey: leg) == nil
            else { return nil }
        }
        return counted
    }
}

// What this run leaves for the next one, and what it takes over from the one before.
extension RADIUSService {
    func record(of id: UInt32) -> GrantRecord? {
        guard let session = sessions[id], let source = session.accounted.source else { return nil }
        return GrantRecord(
            sessionID: id, accounted: session.accounted, source: source, begun: session.begun, until: session.until,
            isStarted: session.isStarted, counted: session.counted)
    }

    /// Sessions whose record is another one than at the last call.
    func takeUnrecorded() -> Set<UInt32> {
        defer { unrecorded = [] }
        return unrecorded
    }

    /// Goes on with a session of a process before, if what it was granted can be given yet. Servers hear nothing of it,
    /// but the Start if none has taken it.
    func resume(
        _ record: GrantRecord, of client: ClientIdentificationName
    ) -> (subscriber: SubscriberConfiguration, authorization: Authorization)? {
        guard record.begun <= Clock.now(), sessions[record.sessionID] == nil, ids[client] == nil else { return nil }
        do {
            let grant = record.accounted.grant
            let subscriber = try take(grant, of: client, by: record.accounted.userName, from: record.source)
            var session = Session(client: client, accounted: record.accounted, begun: record.begun)
            session.counted = record.counted
            session.isStarted = record.isStarted
            sessions[record.sessionID] = session
            ids[client] = record.sessionID
            limit(record.sessionID, at: record.until)
            tellResumed(record)
            return (subscriber, Authorization(subscriber, parameters: SessionParameters(settings.session, grant)))
        } catch {
            log(.warning, "radius-unusable", "\(error)", ["client": client])
            return nil
        }
    }

    /// A session of a process before that cannot go on ends here; what the kernel still has of it counts.
    func abandon(_ record: GrantRecord, _ traffic: [LegID: LegTraffic]) {
        let id = record.sessionID
        guard record.begun <= Clock.now(), sessions[id] == nil else { return }
        tellResumed(record)
        account(.end(id, Usage(record.counted, traffic), .adminReset))
    }

    private func tellResumed(_ record: GrantRecord) {
        account(
            .resume(
                record.sessionID, record.accounted.attributes(nas), interval: interval(record.accounted.grant),
                begun: .nanoseconds(record.begun.nanoseconds), isStarted: record.isStarted))
    }
}
