import ProtocolSupport

public import Addresses

/// What an aggregation point has to know of one bond so that another process goes on with it.
public struct AggregationRecord: Hashable, Sendable {
    public var sessionID: UInt32
    public var key: UInt32
    public var client: ClientIdentificationName
    /// H, in the family that the gateway speaks.
    public var local: IPAddress
    /// The gateway's end of each leg, and whether anything ever came by it with the key.
    public var legs: [LegID: IPAddress]
    public var confirmed: Set<LegID>
    public var parameters: SessionParameters
    public var dslSynchronizationRate: UInt32
    /// Kbit/s downstream beside the bond.
    public var bypassRate: UInt32
    public var primaryOnly: Bool
    public var helloState: HelloState
    public var hostPrefix: AssignedIPv6Prefix
    /// Of the next filter list.
    public var nextCommitCount: UInt32
}

extension AggregationSession {
    var record: AggregationRecord {
        AggregationRecord(
            sessionID: id, key: key, client: client, local: local, legs: gatewayAddresses,
            confirmed: Set(legs.filter(\.value.confirmed).keys), parameters: parameters,
            dslSynchronizationRate: dslSynchronizationRate, bypassRate: bypassRate, primaryOnly: primaryOnly,
            helloState: helloState, hostPrefix: hostPrefix, nextCommitCount: filters.nextCommitCount)
    }
}

extension AggregationPoint {
    /// What another process would have to know of all bonds.
    public var records: [AggregationRecord] { sessions.values.filter { !$0.legs.isEmpty }.map(\.record) }

    /// What another process would have to know of the bonds that are others than at the last call; nil: gone.
    public mutating func takeChangedRecords() -> [UInt32: AggregationRecord?] {
        var changed: [UInt32: AggregationRecord?] = [:]
        for id in unrecorded {
            let now = sessions[id].flatMap { $0.legs.isEmpty ? nil : $0.record }
            let hash = now?.hashValue
            if hash != recorded[id] { changed[id] = .some(now) }
            recorded[id] = hash
        }
        unrecorded = []
        return changed
    }

    /// Whether a record fits: it is possible in itself, belongs here, and takes nothing that another bond has.
    public func canResume(_ record: AggregationRecord) -> Bool {
        let ends = record.legs.values
        return !stopped && record.sessionID != 0 && record.key != 0 && !record.legs.isEmpty
            && sessions[record.sessionID] == nil && sessionOfKey[record.key] == nil
            && sessionOfClient[record.client] == nil && sessions.count < settings.maximumSessions
            && settings.addresses.contains(record.local)
            && ends.allSatisfy { $0.family == record.local.family && $0.isUnicast && $0 != record.local }
            && record.legs.keys.allSatisfy { $0 == .primary || $0 == .secondary }
    }

    /// Goes on with a bond of a process before. Each leg may be silent for as long as if it had been heard just now.
    /// - Returns: the data plane that it wants, and what happened; nil: the record does not fit
    public mutating func resume(
        _ record: AggregationRecord, _ authorization: Authorization, now: Instant
    ) -> [Effect]? {
        guard canResume(record) else { return nil }
        var session = AggregationSession(
            id: record.sessionID, key: record.key, client: record.client, local: record.local,
            authorization: authorization, settings: settings)
        session.resume(record, now)
        sessionOfKey[session.key] = session.id
        sessionOfClient[session.client] = session.id
        unrecorded.insert(session.id)
        var effects: [Effect] = []
        keep(&session, &effects)
        return effects
    }

    /// So many bonds are about to be gone on with.
    public mutating func reserve(_ count: Int) {
        sessions.reserveCapacity(count)
        sessionOfKey.reserveCapacity(count)
        sessionOfClient.reserveCapacity(count)
        unrecorded.reserveCapacity(count)
        deadlines.reserve(count)
    }
}

extension AggregationSession {
    fileprivate mutating func resume(_ record: AggregationRecord, _ now: Instant) {
        for (id, address) in record.legs {
            legs[id] = Leg(address: address, heard: now, confirmed: record.confirmed.contains(id))
        }
        parameters = record.parameters
        dslSynchronizationRate = record.dslSynchronizationRate
        bypassRate = record.bypassRate
        primaryOnly = record.primaryOnly
        helloState = record.helloState
        hostPrefix = record.hostPrefix
        filters = FilterListSender(nextCommitCount: record.nextCommitCount)
        wasUp = true
        wasHeard = !record.confirmed.isEmpty
    }
}
