import Addresses
import Configuration
import GREBonding
import Leases
import NFTables
import NetlinkKit
import Testing

@testable import Controller

@Suite struct GatewayLeasesTests {
    private let check = LeaseCheck(
        networks: ["10.1.0.2/24", "198.51.100.9/32", "192.168.2.1/24", "2001:db8:d::2/64"].map { IPPrefix($0)! },
        aggregators: [IPAddress("10.9.0.1")!, IPAddress("2001:db8:f::1")!],
        canonical: ["192.0.0.8/32", "fd53:7069:6c6c:7761:79::8/128"].map { IPPrefix($0)! })

    @Test(arguments: [
        ("100.64.0.2", nil), ("10.1.0.2", .ownNetwork), ("10.1.0.77", .ownNetwork), ("192.168.2.200", .ownNetwork),
        ("198.51.100.9", .ownNetwork), ("198.51.100.8", nil), ("10.9.0.1", .aggregator), ("192.0.0.8", .canonical),
    ] as [(String, LeaseRefusal?)])
    func addresses(address: String, reason: LeaseRefusal?) {
        #expect(check.refusal(of: IPv4Address(address)!) == reason)
    }

    @Test(arguments: [
        ("2001:db8:1::/56", nil), ("2001:db8:d::/64", .ownNetwork), ("2001:db8::/32", .aggregator),
        ("2001:db8:c::/47", .ownNetwork), ("2001:db8:f::/48", .aggregator), ("2001:db8:1::/65", .wrongSize),
        ("2001::/31", .wrongSize), ("fd53:7069:6c6c:7761::/64", .canonical), ("fd00:1::/48", nil),
    ] as [(String, LeaseRefusal?)])
    func prefixes(prefix: String, reason: LeaseRefusal?) {
        #expect(check.refusal(of: IPPrefix(prefix)!) == reason)
    }

    /// Networks of a delegated prefix, one for each LAN device, while there are any.
    @Test(arguments: [
        ("2001:db8:1:ff00::/56", 0, "2001:db8:1:ff00::1/64"), ("2001:db8:1:ff00::/56", 255, "2001:db8:1:ffff::1/64"),
        ("2001:db8:1:ff00::/56", 256, nil), ("2001:db8:1:2::/64", 0, "2001:db8:1:2::1/64"),
        ("2001:db8:1:2::/64", 1, nil), ("2001:db8:1:ff00::/56", -1, nil),
    ])
    func networksOfThePrefix(prefix: String, place: Int, expected: String?) {
        let lan = LANPrefix(prefix: IPPrefix(prefix)!, preferredUntil: .never, validUntil: .never)
        #expect(lan.address(place)?.description == expected)
    }

    @Test func whatThePrefixBringsToTheLAN() throws {
        let end = LeaseTime(nanoseconds: 90_000_000_000)
        let lan = LANPrefix(prefix: IPPrefix("2001:db8:1:2::/63")!, preferredUntil: end, validUntil: .never)
        let objects = lan.objects(["lan0", "lan1", "lan2"], protocol: 157)
        #expect(objects.count == 3, "two networks are all there is")
        #expect(objects[0] == .route(.unreachable(IPPrefix("2001:db8:1:2::/63")!, protocol: RouteProtocol(rawValue: 157))))
        guard case .address(let link, let address, let lease?) = objects[2] else {
            Issue.record("\(objects[2])")
            return
        }
        #expect(link == "lan1" && address.description == "2001:db8:1:3::1/64")
        #expect(lease.preferredUntil == end.instant && lease.validUntil == .distantFuture && lease.protocol == 157)
    }

    /// A renewal changes an address's lifetimes; it is not taken away for it.
    @Test func aRenewalChangesWhatIsThere() {
        func objects(_ seconds: Int64) -> [KernelObject] {
            let time = LeaseTime(nanoseconds: seconds * 1_000_000_000)
            return LANPrefix(prefix: IPPrefix("2001:db8:1::/56")!, preferredUntil: time, validUntil: time)
                .objects(["lan"], protocol: 157)
        }
        let plan = Plan(from: objects(60), to: objects(90))
        guard plan.steps.count == 1, case .change(.address, .address)? = plan.steps.first else {
            Issue.record("\(plan.steps)")
            return
        }
    }

    private static let lease: DHCPv4Lease = {
        var client = DHCPv4Client(settings: .init(hardwareAddress: [2, 0, 0, 0, 0, 1]))
        let now = LeaseTime(nanoseconds: 0)
        let address = RememberedLease(resource: IPPrefix("100.64.0.9/32")!, expiry: .never)
        _ = client.handle(.start(remembered: address), now: now)
        let later = now.adding(seconds: 5)
        guard case .send(let request)? = client.handle(.timeout, now: later).first else { fatalError("no request") }
        var answer = DHCPv4Message(
            .reply, transactionID: request.message.transactionID, hardwareAddress: [2, 0, 0, 0, 0, 1])
        answer.messageType = .ack
        answer.serverIdentifier = IPv4Address(192, 0, 2, 1)
        answer.yourAddress = IPv4Address(100, 64, 0, 9)
        answer.leaseTime = 60
        answer.interfaceMTU = 1300
        _ = client.handle(.message(answer), now: later)
        return client.lease!
    }()

    private func bond(_ change: (inout TunnelConfiguration) -> Void, _ lease: DHCPv4Lease?) -> GatewayBond {
        var settings = HomeGatewayConfiguration(
            haap: .address(.v4(IPv4Address(192, 0, 2, 1))), cin: ClientIdentificationName("a")!,
            dsl: LegConfiguration(interface: InterfaceName("dsl")!), lte: LegConfiguration(interface: InterfaceName("lte")!))
        settings.lan = [InterfaceName("lan")!]
        change(&settings.tunnel)
        let outer = OuterTable(
            family: .v4, canonical: .v4(IPv4Address(192, 0, 0, 8)),
            legs: [.init(id: .secondary, label: "lte", interface: "lte")], source: .perLeg, markMask: 0xF000_0000,
            queues: 5300...5300, controlProtocol: 0xB7EA, overflowHold: 2000)
        return GatewayBond(
            settings: settings, outer: outer, paths: [.secondary: 1500],
            inner: InnerAddresses(settings.tunnel, lease, nil))
    }

    private static let grant = Bond(
        sessionID: 1, key: 2, aggregator: .v4(IPv4Address(192, 0, 2, 1)), legs: [.secondary: .v4(IPv4Address(10, 2, 0, 2))],
        distribution: .only(.secondary), committedInformationRate: 0, client: ClientIdentificationName("a")!)

    @Test func addressRoutesAndTranslationFollowTheLease() {
        func has(_ objects: [KernelObject], _ isWanted: (KernelObject) -> Bool) -> Bool { objects.contains(where: isWanted) }
        func isTranslation(_ object: KernelObject) -> Bool {
            if case .ruleset(let set) = object { set.table.id.name == "spillway_nat" } else { false }
        }
        let without = bond({ _ in }, nil).objects(Self.grant)
        #expect(!has(without) { if case .address = $0 { true } else { false } })
        #expect(!has(without, isTranslation))
        #expect(!has(without) { if case .rule = $0 { true } else { false } }, "without an address nothing goes to the bond")
        let with = bond({ _ in }, Self.lease).objects(Self.grant)
        #expect(with.contains(.address(link: "bond0", IPPrefix("100.64.0.9/32")!)))
        #expect(has(with, isTranslation))
        let sources = with.compactMap { if case .rule(let rule) = $0 { rule.source } else { nil } }
        #expect(Set(sources) == [IPPrefix("100.64.0.9/32")!])
    }

    @Test(arguments: [(true, UInt32(1300)), (false, 1300)])
    func theMTUIsNoMoreThanTheServerSays(carriesIPv6: Bool, expected: UInt32) {
        #expect(bond({ $0.dhcp6 = carriesIPv6 }, Self.lease).mtu == expected)
        #expect(bond({ $0.dhcp6 = carriesIPv6 }, nil).mtu == 1468)
        #expect(bond({ ($0.dhcp6, $0.mtu) = (carriesIPv6, .bytes(1290)) }, Self.lease).mtu == 1290)
    }
}
