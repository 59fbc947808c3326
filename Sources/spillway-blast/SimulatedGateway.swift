import Addresses
import GREBonding
import Leases

/// A gateway as far as its aggregation point can tell: the product's own session and DHCP client, without a kernel
/// behind them.
struct SimulatedGateway {
    /// Replies that came later are lost.
    static let patience = Duration.seconds(2)

    let name: String
    let client: ClientIdentificationName
    /// Of its legs.
    let addresses: [LegID: IPv4Address]
    let aggregator: IPv4Address
    let hardwareAddress: [UInt8]
    let fetchesAddresses: Bool
    var session: HomeGatewaySession
    var leases: DHCPv4Client
    /// When its set-up began; nil once all legs are up.
    var begun: Instant?
    var bond: Bond?
    /// Of the next packet in the bond.
    var sequence: UInt32 = 0
    var echoes: UInt16 = 0
    /// Numbers of echoes that wait for a reply, and when they left.
    var waiting: [UInt16: Instant] = [:]
    var sent: UInt64 = 0
    var lost: UInt64 = 0
    /// DSL's share of what is sent comes first: one packet in so many takes LTE.
    var turn: UInt32 = 0

    init(
        number: Int, name: String, client: ClientIdentificationName, addresses: [LegID: IPv4Address],
        aggregator: IPv4Address, fetchesAddresses: Bool
    ) {
        self.name = name
        self.client = client
        self.addresses = addresses
        self.aggregator = aggregator
        self.fetchesAddresses = fetchesAddresses
        // Locally administered, RFC 7042 §2.1.
        hardwareAddress = [2, 0] + (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        (session, leases) = Self.machines(client, addresses, aggregator, hardwareAddress, fetchesAddresses)
    }

    private static func machines(
        _ client: ClientIdentificationName, _ addresses: [LegID: IPv4Address], _ aggregator: IPv4Address,
        _ hardwareAddress: [UInt8], _ fetchesAddresses: Bool
    ) -> (HomeGatewaySession, DHCPv4Client) {
        var settings = HomeGatewaySession.Settings(
            client: client, aggregator: .v4(aggregator), legs: addresses.keys.sorted())
        settings.fetchesAddresses = fetchesAddresses
        var leases = DHCPv4Client.Settings(hardwareAddress: hardwareAddress, clientIdentifier: [1] + hardwareAddress)
        leases.startDelay = 0
        return (HomeGatewaySession(settings: settings), DHCPv4Client(settings: leases))
    }

    /// After its session was stopped: all begins anew.
    mutating func forget() {
        (session, leases) = Self.machines(client, addresses, aggregator, hardwareAddress, fetchesAddresses)
        (bond, begun, sequence) = (nil, nil, 0)
        waiting.removeAll()
    }

    var isUp: Bool { session.legsUp.count == addresses.count }

    /// When it has something to do.
    var deadline: Instant? {
        [session.deadline, leases.deadline.map { Instant(nanoseconds: $0.nanoseconds) }].compactMap { $0 }.min()
    }

    /// Echoes for which nobody waits any more.
    mutating func giveUp(_ now: Instant) {
        let late = waiting.filter { now - $0.value > Self.patience }
        for number in late.keys { waiting[number] = nil }
        lost += UInt64(late.count)
    }
}
