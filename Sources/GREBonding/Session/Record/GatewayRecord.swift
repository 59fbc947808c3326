public import Addresses

/// What a gateway has to know of its bond so that another process goes on with it: all that both ends have agreed on.
public struct GatewayRecord: Hashable, Sendable {
    public var sessionID: UInt32
    public var key: UInt32
    public var aggregator: IPAddress
    /// Kbit/s, by the aggregator's word.
    public var primaryUpstreamRate: UInt32
    public var primaryDownstreamRate: UInt32
    /// Kbit/s of the primary WAN that the bond may not use upstream.
    public var upstreamBypass: UInt32
    /// The legs that are up, with the gateway's end of each.
    public var legs: [LegID: IPAddress]
    public var parameters: SessionParameters
    public var helloState: HelloState
    /// The secondary leg is left for its round trips, and because it adds nothing.
    public var isTooFar: Bool
    public var leavesSecondary: Bool
    /// A diagnostic binds the traffic; it ends with the process.
    public var isDiagnosing: Bool
    public var delegatedPrefix: AssignedIPv6Prefix
    public var hostPrefix: AssignedIPv6Prefix
    public var filterList: FilterList?
}

extension HomeGatewaySession {
    /// What another process would have to know now; nil: there is no bond that it could go on with.
    public var record: GatewayRecord? {
        guard let grant, !stopped else { return nil }
        var up: [LegID: IPAddress] = [:]
        for id in legsUp { up[id] = legs[id]?.address }
        guard !up.isEmpty else { return nil }
        return GatewayRecord(
            sessionID: grant.sessionID, key: grant.key, aggregator: grant.aggregator,
            primaryUpstreamRate: grant.primaryUpstreamRate, primaryDownstreamRate: grant.primaryDownstreamRate,
            upstreamBypass: upstreamBypass, legs: up, parameters: parameters, helloState: helloState,
            isTooFar: rtt.primaryOnly, leavesSecondary: leavesSecondary, isDiagnosing: diagnostic != nil,
            delegatedPrefix: delegatedPrefix, hostPrefix: hostPrefix, filterList: filters.current)
    }

    /// Goes on with the bond of a process before. Legs count as up where they were; a Hello is due on each at once. The
    /// data plane is asked for by the next input.
    /// - Returns: whether the record fits this session, which must not have begun; nothing was changed if not
    public mutating func resume(_ record: GatewayRecord, now: Instant) -> Bool {
        let addresses = record.legs.values + [record.aggregator]
        guard grant == nil, !stopped, record.key != 0, !record.legs.isEmpty,
            record.legs.keys.allSatisfy({ legs[$0] != nil }),
            addresses.allSatisfy({ $0.family == settings.family && $0.isUnicast && !$0.isLinkLocal }),
            Set(addresses).count == addresses.count
        else { return false }
        grant = Grant(
            sessionID: record.sessionID, key: record.key, aggregator: record.aggregator,
            primaryUpstreamRate: record.primaryUpstreamRate, primaryDownstreamRate: record.primaryDownstreamRate)
        parameters = record.parameters
        for (id, address) in record.legs {
            legs[id]?.address = address
            legs[id]?.state = .established(HelloMonitor(next: now))
        }
        upstreamBypass = record.upstreamBypass
        helloState = record.helloState
        wantedHelloState = record.helloState
        rtt = RTTMonitor(primaryOnly: record.isTooFar)
        leavesSecondary = record.leavesSecondary
        delegatedPrefix = record.delegatedPrefix
        hostPrefix = record.hostPrefix
        filters = FilterListAssembler(limits: filters.limits, current: record.filterList)
        traffic = TrafficWatch(bondSince: now)
        if isUp(primaryLeg) { nextBypassSample = now + .seconds(Int64(parameters.bypassBandwidthCheckInterval)) }
        if !isUp(grantingLeg), parameters.idleTimeout > 0 {
            idleTimeoutAt = now + .seconds(Int64(parameters.idleTimeout))
        }
        // What the process before was about to say when it ended is said again: each is a state, not an event.
        say(.helloState, now)
        say(.hostPrefix, now)
        if legsUp.count > 1 { say(.distribution, now) }
        if record.isDiagnosing { say(.diagnostic, now) }
        return true
    }
}
