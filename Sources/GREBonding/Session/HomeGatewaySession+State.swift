// Traffic, Hello state, bypass, prefixes and diagnostics: what the controller reports and the user asks for.
extension HomeGatewaySession {
    /// When packets were last seen in the bond.
    struct TrafficWatch: Hashable, Sendable {
        var sample = TrafficSample()
        var lastSeen: Instant?
        var lastSample: Instant?

        init() {}
        init(bondSince now: Instant) {
            lastSeen = now
            lastSample = now
        }
    }

    /// When the controller is to give ``Input/traffic(_:)``: often while packets flow, to find out a leg that falls
    /// silent; nil: not wanted.
    public var wantsTrafficSampleAt: Instant? {
        guard settings.monitorsTraffic, bond != nil, let last = traffic.lastSample else { return nil }
        let busy = last - (traffic.lastSeen ?? last) < .seconds(1)
        return last + (busy ? Constants.trafficSampleBusy : Constants.trafficSampleQuiet)
    }

    /// When the controller is to give ``Input/bypassTraffic(_:)``: each Bypass Bandwidth Check Interval (RFC 8157
    /// §5.2.5) while the primary leg is up; nil: not wanted.
    public var wantsBypassSampleAt: Instant? { isUp(primaryLeg) ? nextBypassSample : nil }

    /// The interval of the state that both ends have agreed on.
    var helloInterval: Duration {
        .seconds(Int64(helloState == .idle ? parameters.idleHelloInterval : parameters.activeHelloInterval))
    }

    /// RFC 8157 §5.2.14, §5.2.15, §5.6.13, §5.6.14.
    mutating func sampled(_ sample: TrafficSample, _ now: Instant) {
        guard settings.monitorsTraffic, grant != nil else { return }
        let before = traffic.sample
        // What fetches the addresses is nobody's traffic.
        let flows = sample != before && addressesBy == nil
        traffic.sample = sample
        traffic.lastSample = now
        for id in legsUp {
            guard case .established(var hello)? = legs[id]?.state else { continue }
            hello.sampled(
                received: sample.received[id] ?? 0 != before.received[id] ?? 0,
                sent: sample.sent[id] ?? 0 != before.sent[id] ?? 0, now: now)
            legs[id]?.state = .established(hello)
        }
        if flows { traffic.lastSeen = now }
        let quiet = now - (traffic.lastSeen ?? now)
        if flows, wantedHelloState == .idle {
            wantedHelloState = .active
            say(.helloState, now)
            // Packets go out; whether the legs still stand has not been looked at for long.
            if helloState == .idle { hurryHellos(now) }
        } else if wantedHelloState == .active, quiet > .seconds(Int64(parameters.noTrafficMonitoredInterval)) {
            wantedHelloState = .idle
            say(.helloState, now)
        }
    }

    /// RFC 8157 §5.6.14: no RTT detection while idle, and nothing remembered of it. The aggregator does the same.
    mutating func forgetRoundTrips() {
        rtt.reset()
        leavesSecondary = false
        notifies.remove(.distribution)
        for (id, leg) in legs {
            if case .established(var hello) = leg.state {
                hello.clearRTT()
                legs[id]?.state = .established(hello)
            }
        }
    }

    mutating func leaveSecondary(_ leaves: Bool, _ now: Instant, _ effects: inout [Effect]) {
        guard grant != nil, helloState == .active, legsUp.count > 1, leaves != leavesSecondary else { return }
        let before = primaryOnly
        leavesSecondary = leaves
        guard primaryOnly != before else { return }
        effects.append(.event(.primaryOnly(primaryOnly)))
        say(.distribution, now)
    }

    mutating func hurryHello(_ id: LegID, _ now: Instant) {
        guard case .established(var hello)? = legs[id]?.state else { return }
        hello.hurry(now: now)
        legs[id]?.state = .established(hello)
    }

    /// After a change of the Hello state: a leg whose last Hello is longer ago than the interval is asked at once.
    mutating func paceHellos(_ now: Instant) {
        for id in legsUp {
            guard case .established(var hello)? = legs[id]?.state else { continue }
            hello.pace(helloInterval, now: now)
            legs[id]?.state = .established(hello)
        }
    }

    mutating func hurryHellos(_ now: Instant) { for id in legsUp { hurryHello(id, now) } }

    mutating func bypassed(_ rate: UInt32, _ upstream: UInt32, _ now: Instant) {
        guard grant != nil, isUp(primaryLeg) else { return }
        upstreamBypass = upstream
        nextBypassSample = now + .seconds(Int64(parameters.bypassBandwidthCheckInterval))
        notifies.add(.bypassTrafficRate(rate), preferring: primaryLeg, now: now)
    }

    mutating func assigned(_ prefix: AssignedIPv6Prefix, _ now: Instant) {
        guard prefix != hostPrefix else { return }
        hostPrefix = prefix
        say(.hostPrefix, now)
    }

    /// The aggregator forgets it when a leg comes or goes, and is told again when both are up.
    mutating func reserve(_ isReserve: Bool, _ now: Instant) {
        guard isReserve != isSecondaryReserve else { return }
        let before = primaryOnly
        isSecondaryReserve = isReserve
        if primaryOnly != before, legsUp.count > 1 { say(.distribution, now) }
    }

    mutating func start(_ kind: Diagnostic, _ now: Instant, _ effects: inout [Effect]) {
        guard grant != nil, kind.isPossible(with: legsUp) else { return }
        diagnostic = kind
        effects.append(.event(.diagnostic(kind)))
        say(.diagnostic, now)
    }

    mutating func endDiagnostic(_ now: Instant, _ effects: inout [Effect]) {
        guard diagnostic != nil else { return }
        diagnostic = nil
        effects.append(.event(.diagnostic(nil)))
        say(.diagnostic, now)
    }
}
