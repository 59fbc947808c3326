import Addresses
import Quota
import TestSupport

@testable import GREBonding
@testable import Leases

/// A gateway with its links, its leases, its quota and what passes its bond.
struct Home {
    let index: Int
    let name: ClientIdentificationName
    let identity: ClientIdentity
    let parameters: SessionParameters
    var session: HomeGatewaySession
    /// The data plane that was asked for last.
    var bond: Bond?
    var filterList: [FilterItem] = []

    /// What the links have when nothing is wrong with them, and what they have now.
    var addresses: [LegID: IPAddress]
    var links: [LegID: IPAddress] = [:]
    var delay: [LegID: Duration] = [.primary: .milliseconds(10), .secondary: .milliseconds(25)]
    var silent: Set<LegID> = []
    /// Whether the operator lets it in.
    var refusal: ErrorCode?
    /// Its program's clock counts milliseconds in 32 bits, and so do the times in its Hellos.
    let hasShortClock: Bool
    /// What was sent as another time: the whole one, oldest first.
    var sentTimes: [(short: GREBonding.Timestamp, whole: GREBonding.Timestamp)] = []

    var trafficFlows = false
    var sample = TrafficSample()
    /// When it was given last.
    var sampled: Instant?
    var arrived: [LegID: UInt64] = [:]
    var bypass: UInt32 = 0
    var isDiagnosing = false

    var client4: DHCPv4Client
    var client6: DHCPv6Client
    var address: DHCPv4Lease?
    var delegation: DHCPv6Lease?
    var saved4: String?
    var saved6: String?
    /// Of the bond that the clients speak in; 0: none.
    var spoken: UInt32 = 0

    var quota: DataQuota?
    var isReserve = false
    var link = LinkCount(
        name: "wwan0", boot: "a", index: 1, receivedBytes: 0, sentBytes: 0, packets: 0, headerLength: 14)
    /// Bytes on LTE in each period by the true time.
    var used: [BillingPeriod: UInt64] = [:]
    /// How often a new period brought LTE back.
    var resets = 0
    var stream: Stream

    init(_ index: Int, monitors: Bool, fetches: Bool, parameters: SessionParameters, random: inout SplitMix) {
        self.index = index
        self.parameters = parameters
        name = ClientIdentificationName("gateway-\(index)")!
        identity = ClientIdentity("gateway-\(index)")!
        hasShortClock = index == 1
        addresses = [.primary: Self.address(.primary, index, 2), .secondary: Self.address(.secondary, index, 2)]
        var settings = HomeGatewaySession.Settings(
            client: name, aggregator: World.h, dslSynchronizationRate: 50_000, monitorsTraffic: monitors)
        settings.fetchesAddresses = fetches
        session = HomeGatewaySession(settings: settings, random: SplitMix(state: random.next()))
        (client4, client6) = Self.clients(index, &random)
        stream = Stream(random: SplitMix(state: random.next()))
    }

    /// Of the third byte the gateway is known, so that messages find it.
    static func address(_ leg: LegID, _ index: Int, _ number: UInt8) -> IPAddress {
        .v4(IPv4Address(10, leg.rawValue + 1, UInt8(index), number))
    }

    static func clients(_ index: Int, _ random: inout SplitMix) -> (DHCPv4Client, DHCPv6Client) {
        let hardware: [UInt8] = [2, 0, 0, 0, 1, UInt8(index)]
        let client4 = DHCPv4Client(
            settings: .init(hardwareAddress: hardware, clientIdentifier: [1] + hardware),
            random: SplitMix(state: random.next()))
        var settings = DHCPv6Client.Settings(identifier: DUID(linkLayer: hardware), iaid: UInt32(index))
        settings.prefixLength = 56
        settings.rapidCommit = index % 2 == 1
        return (client4, DHCPv6Client(settings: settings, random: SplitMix(state: random.next())))
    }
}
