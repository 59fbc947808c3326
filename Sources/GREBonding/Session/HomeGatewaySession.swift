public import Addresses

/// The gateway's half of one bonding connection, RFC 8157 §5 and §6.2, as a value without input or output: inputs
/// and times go in, effects come out. The same inputs at the same times always give the same effects.
public struct HomeGatewaySession: Sendable {
    public struct Settings: Hashable, Sendable {
        public var client: ClientIdentificationName
        /// The aggregator's address for the first request: G, or H where there is no anycast address. nil: it is still
        /// to be resolved, and comes by ``Input/aggregators(_:)``.
        public var aggregator: IPAddress?
        /// Family of the outer packets.
        public var family: IPFamily
        /// What the DSL modem reports, kbit/s downstream (RFC 8157 §5.1.3); 0: not known.
        public var dslSynchronizationRate: UInt32
        /// Upstream rate of the primary leg by configuration, kbit/s; 0: take the aggregator's word (§5.2.10).
        public var primaryUpstreamRate: UInt32
        /// All legs that may exist. The lowest is the primary; the highest is set up first.
        public var legs: [LegID]
        /// What else a Setup Request of a leg carries, after the standard's attributes.
        public var extraAttributes: [LegID: [Attribute]]
        /// Whether the controller answers ``wantsTrafficSampleAt``. Without it the bond stays in the Active Hello
        /// State: a gateway that never notices traffic would find a dead leg only after the Idle Hello Interval.
        public var monitorsTraffic: Bool
        /// Whether the controller fetches addresses through the granting leg and says ``Input/addressed``: the other
        /// legs wait for it (RFC 8157 §6.2), though not for ever.
        public var fetchesAddresses = false

        public init(
            client: ClientIdentificationName, aggregator: IPAddress?, family: IPFamily? = nil,
            dslSynchronizationRate: UInt32 = 0,
            primaryUpstreamRate: UInt32 = 0, legs: [LegID] = [.primary, .secondary],
            extraAttributes: [LegID: [Attribute]] = [:], monitorsTraffic: Bool = false
        ) {
            self.client = client
            self.aggregator = aggregator
            self.family = aggregator?.family ?? family ?? .v4
            self.dslSynchronizationRate = dslSynchronizationRate
            self.primaryUpstreamRate = primaryUpstreamRate
            self.legs = legs.sorted()
            self.extraAttributes = extraAttributes
            self.monitorsTraffic = monitorsTraffic
        }
    }

    public enum Input: Hashable, Sendable {
        /// The WAN of a leg has carrier and an address; also when the address is a new one.
        case wanUp(LegID, IPAddress)
        case wanDown(LegID, LegDownReason)
        /// What the name of the aggregator stands for from now on (RFC 8157 §6.2), the first choice first. A bond that
        /// is up keeps the address it was granted.
        case aggregators([IPAddress])
        /// A control message that arrived on the leg's interface.
        case message(ControlMessage, on: LegID, from: IPAddress)
        /// The time of ``deadline`` has come.
        case timeout
        /// What the kernel counted; due at ``wantsTrafficSampleAt``.
        case traffic(TrafficSample)
        /// A round trip of a leg that is up is wanted now: a Hello is sent beside those that are due (RFC 8157 §5.4).
        case probe(LegID)
        /// Whether the secondary leg is left although its round trip is short enough: it adds nothing (RFC 8157 §5.6.3,
        /// problem statement §4.4.1).
        case leaveSecondary(Bool)
        /// Traffic beside the bond on the primary WAN since the last sample, kbit/s; due at ``wantsBypassSampleAt``.
        /// Downstream it is reported (RFC 8157 §5.6.1), upstream it lowers this end's own CIR (§4.3).
        case bypassTraffic(UInt32, upstream: UInt32 = 0)
        /// The gateway has its addresses: §6.2.
        case addressed
        /// The prefix that was delegated through the bond and given to the LAN (§5.4.2, §5.6.7).
        case prefixAssigned(AssignedIPv6Prefix)
        /// Another prefix that the LAN was given (§5.6.7).
        case prefixAssignedToHost(AssignedIPv6Prefix)
        /// Binds the traffic of both ends to what is tested (§5.6.8–§5.6.10), when its legs are up.
        case startDiagnostic(Diagnostic)
        /// §5.6.11.
        case endDiagnostic
        /// Whether the secondary leg is only a reserve, which both ends use when the primary one is lost (§5.6.3,
        /// §5.6.4).
        case secondaryReserve(Bool)
        /// The operator ends the session in an orderly way.
        case stop
    }

    public enum Effect: Hashable, Sendable {
        case send(ControlMessage, on: LegID, to: IPAddress)
        /// The data plane that is wanted from now on; nil: none.
        case bond(Bond?)
        /// The filter list in force from now on; empty: nothing bypasses the bond (RFC 8157 §5.6.2).
        case filterList([FilterItem])
        case event(SessionEvent)
    }

    /// Where a leg stands.
    enum LegState: Hashable, Sendable {
        /// No carrier or no address.
        case unavailable
        /// Ready to ask, from this time on.
        case waiting(until: Instant)
        case requesting(attempts: Int, next: Instant)
        case established(HelloMonitor)
    }

    struct Leg: Hashable, Sendable {
        var address: IPAddress?
        var state = LegState.unavailable
        /// Denials in a row, for the back-off.
        var denials = 0
    }

    public let settings: Settings
    /// Where the first request may go: ``requestsPerAddress`` to each in turn. Empty: nothing is asked.
    public private(set) var aggregators: [IPAddress]
    public static let requestsPerAddress = 2
    var legs: [LegID: Leg]
    var notifies = NotifyQueue()
    var parameters = SessionParameters()
    /// The bond that the aggregator granted, whether or not a leg is up at this moment.
    var grant: Grant?
    /// The data plane that was last asked for.
    public internal(set) var bond: Bond?
    var random: any RandomNumberGenerator & Sendable
    var stopped = false
    /// While no leg is up but the bond may still be revived.
    var reviveUntil: Instant?
    /// When the bond ends because its granting leg is away (RFC 8157 §5.2.8).
    var idleTimeoutAt: Instant?
    /// Tear Downs in a row before all legs were up, for the back-off.
    var refusals = 0
    public internal(set) var rtt = RTTMonitor()
    /// The operator wants the secondary leg kept for when the primary one is lost.
    public internal(set) var isSecondaryReserve = false
    /// The controller found that the secondary leg adds nothing.
    public internal(set) var leavesSecondary = false
    /// Whether the secondary leg is not used at present, for its round trips, because it is a reserve or adds nothing.
    public var primaryOnly: Bool { rtt.primaryOnly || isSecondaryReserve || leavesSecondary }
    public internal(set) var diagnostic: Diagnostic?
    /// The state that both ends have agreed on.
    public internal(set) var helloState = HelloState.active
    /// The state that the traffic asks for.
    var wantedHelloState = HelloState.active
    var traffic = TrafficWatch()
    var nextBypassSample: Instant?
    /// Until then legs other than the granting one wait for addresses.
    var addressesBy: Instant?
    /// Kbit/s of the primary WAN that the bond may not use upstream.
    var upstreamBypass: UInt32 = 0
    var filters = FilterListAssembler()
    /// What the Hellos carry, delegated through this bond, and what the LAN was given.
    var delegatedPrefix = AssignedIPv6Prefix.none
    var hostPrefix = AssignedIPv6Prefix.none

    struct Grant: Hashable, Sendable {
        var sessionID: UInt32
        var key: UInt32
        /// H, which takes the place of the address that was asked.
        var aggregator: IPAddress
        var primaryUpstreamRate: UInt32 = 0
        var primaryDownstreamRate: UInt32 = 0
    }

    public init(settings: Settings, random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()) {
        self.settings = settings
        aggregators = settings.aggregator.map { [$0] } ?? []
        self.random = random
        legs = Dictionary(uniqueKeysWithValues: settings.legs.map { ($0, Leg()) })
    }

    /// The leg that is set up first and whose Accept grants the bond (RFC 8157 §6.2: LTE before DSL).
    var grantingLeg: LegID { settings.legs.last ?? .secondary }
    var primaryLeg: LegID { settings.legs.first ?? .primary }

    /// When ``Input/timeout`` is due; nil: never.
    public var deadline: Instant? {
        var least: Instant?
        func take(_ t: Instant?) { if let t { least = min(least ?? t, t) } }
        for (id, leg) in legs {
            switch leg.state {
            case .unavailable: break
            case .waiting(let until): if mayRequest(id) { take(until) }
            case .requesting(_, let next): take(next)
            case .established(let hello): take(hello.next)
            }
        }
        if !legsUp.isEmpty { take(notifies.next) }
        take(addressesBy)
        take(reviveUntil)
        take(idleTimeoutAt)
        return stopped ? nil : least
    }

    public mutating func handle(_ input: Input, now: Instant) -> [Effect] {
        var effects: [Effect] = []
        if stopped { return effects }
        switch input {
        case .wanUp(let id, let address): wanUp(id, address, now, &effects)
        case .wanDown(let id, let reason): wanDown(id, reason, now, &effects)
        case .aggregators(let addresses): resolved(addresses, now)
        case .message(let message, let id, let source): receive(message, id, source, now, &effects)
        case .timeout: break
        case .traffic(let sample): sampled(sample, now)
        case .probe(let id): probe(id, now, &effects)
        case .leaveSecondary(let leaves): leaveSecondary(leaves, now, &effects)
        case .bypassTraffic(let down, let up): bypassed(down, up, now)
        case .addressed: addressesBy = nil
        case .prefixAssigned(let prefix):
            delegatedPrefix = prefix
            assigned(prefix, now)
        case .prefixAssignedToHost(let prefix): assigned(prefix, now)
        case .startDiagnostic(let kind): start(kind, now, &effects)
        case .endDiagnostic: endDiagnostic(now, &effects)
        case .secondaryReserve(let isReserve): reserve(isReserve, now)
        case .stop:
            stop(&effects)
            return effects
        }
        runTimers(now, &effects)
        publish(&effects)
        return effects
    }

    /// A request that is under way went to an address that may no longer hold: it begins anew. Waits that a Deny
    /// imposed stay.
    private mutating func resolved(_ addresses: [IPAddress], _ now: Instant) {
        let usable = addresses.filter { $0.family == settings.family }
        guard usable != aggregators else { return }
        aggregators = usable
        if grant == nil, case .requesting? = legs[grantingLeg]?.state {
            legs[grantingLeg]?.state = .waiting(until: now)
        }
    }

    /// The round-trip time of a leg that is up.
    public func roundTripTime(of id: LegID) -> RoundTripTime? {
        if case .established(let hello)? = legs[id]?.state { hello.rtt } else { nil }
    }

    /// Hellos of a leg that is up, since it was set up.
    public func hellos(of id: LegID) -> (sent: UInt64, answered: UInt64)? {
        if case .established(let hello)? = legs[id]?.state { (hello.sentCount, hello.answeredCount) } else { nil }
    }

    public func isUp(_ id: LegID) -> Bool {
        if case .established? = legs[id]?.state { true } else { false }
    }

    /// Kbit/s by the aggregator's word (RFC 8157 §5.2.11), the base of what bypasses the bond; 0: not known.
    public var configuredDownstreamRate: UInt32 { grant?.primaryDownstreamRate ?? 0 }

    public var legsUp: [LegID] { settings.legs.filter(isUp) }

    /// One word for where a leg stands, for people.
    public func stateName(of id: LegID) -> String {
        switch legs[id]?.state {
        case .unavailable, nil: "no_wan"
        case .waiting: "waiting"
        case .requesting: "requesting"
        case .established: "up"
        }
    }

    /// Asks for the data plane that the legs allow, when it differs from what was asked last.
    mutating func publish(_ effects: inout [Effect]) {
        let wanted = wantedBond()
        guard wanted != bond else { return }
        if let wanted, bond == nil { effects.append(.event(.bondUp(sessionID: wanted.sessionID))) }
        bond = wanted
        effects.append(.bond(wanted))
    }

    private func wantedBond() -> Bond? {
        guard let grant else { return nil }
        var up: [LegID: IPAddress] = [:]
        for id in legsUp { up[id] = legs[id]?.address }
        // While the only leg is being revived from a new address the device and its sequence stay.
        if up.isEmpty { return reviveUntil == nil ? nil : bond }
        let total = settings.primaryUpstreamRate > 0 ? settings.primaryUpstreamRate : grant.primaryUpstreamRate
        return Bond(
            sessionID: grant.sessionID, key: grant.key, aggregator: grant.aggregator, legs: up,
            distribution: Bond.distribution(over: up.keys, primaryOnly: primaryOnly, diagnostic: diagnostic),
            committedInformationRate: total == 0 ? 0 : max(1, total - min(total, upstreamBypass)),
            client: settings.client)
    }
}
