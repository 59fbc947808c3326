import Addresses
import Configuration
import GREBonding
import NFTables
import NetlinkKit
import RADIUS
import Testing

@testable import Controller

private func bytes(_ hex: String) -> [UInt8] {
    stride(from: 0, to: hex.count, by: 2).compactMap {
        let start = hex.index(hex.startIndex, offsetBy: $0)
        return UInt8(hex[start...].prefix(2), radix: 16)
    }
}

private func settings(_ cipher: IPsecConfiguration.Cipher, salt: String = "") -> IPsecConfiguration {
    var settings = IPsecConfiguration(keys: .configured)
    settings.cipher = cipher
    settings.secret = SharedSecret(Array("only for the lab, and known to all".utf8))
    settings.salt = salt
    return settings
}

private let h = IPAddress("10.9.0.1")!, d = IPAddress("10.1.0.2")!

private func state(
    _ settings: IPsecConfiguration, _ name: String = "gateway-1", _ leg: LegID = .primary, _ way: LegKeys.Way = .up,
    gateway: IPAddress = d, isSent: Bool = true
) throws -> SecurityState {
    LegKeys(settings: settings).state(
        of: try #require(ClientIdentificationName(name)), leg, way, aggregator: h, gateway: gateway, requestID: 5300,
        isSent: isSent)
}

@Suite struct LegKeyTests {
    /// RFC 5869, appendix A.1 and A.3.
    @Test func derivationIsThatOfTheStandard() {
        let secret = [UInt8](repeating: 0x0B, count: 22)
        #expect(
            HKDF.derive(secret, salt: Array(0x00...0x0C), info: Array(0xF0...0xF9), count: 42)
                == bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
        #expect(
            HKDF.derive(secret, salt: [], info: [], count: 42)
                == bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    @Test func bothEndsDeriveTheSame() throws {
        let sent = try state(settings(.aesCBC))
        let received = try state(settings(.aesCBC), gateway: .any(.v4), isSent: false)
        #expect(sent.spi == received.spi && sent.transform == received.transform)
        #expect(sent.destination == h && sent.source == d && received.source == .any(.v4))
        #expect(sent.offload?.isInbound == false && received.offload?.isInbound == true)
    }

    /// One key for two things would use its numbers twice.
    @Test func eachUseHasKeysOfItsOwn() throws {
        let all = [
            try state(settings(.aesGCM, salt: "1")), try state(settings(.aesGCM, salt: "2")),
            try state(settings(.aesGCM, salt: "1"), "gateway-2"),
            try state(settings(.aesGCM, salt: "1"), "gateway-1", .secondary),
            try state(settings(.aesGCM, salt: "1"), "gateway-1", .primary, .down),
            LegKeys(settings: settings(.aesGCM, salt: "1")).state(
                of: try #require(ClientIdentificationName("gateway-1")), .primary, .up, aggregator: d, gateway: h,
                requestID: 5300, isSent: true),
        ]
        #expect(Set(all.map(\.transform)).count == all.count && Set(all.map(\.spi)).count == all.count)
        #expect(all.allSatisfy { $0.spi > 255 && $0.spi < 0x8000_0000 })
        guard case .aesGCM(let key) = all[0].transform else { throw Wrong() }
        #expect(key.count == 36)
    }

    @Test func theFingerprintSaysWhetherKeysAreTheSame() {
        let one = LegKeys(settings: settings(.aesGCM, salt: "1")).fingerprint
        #expect(one == LegKeys(settings: settings(.aesGCM, salt: "1")).fingerprint && one.count == 32)
        #expect(one != LegKeys(settings: settings(.aesGCM, salt: "2")).fingerprint)
    }

    private struct Wrong: Error {}
}

@Suite struct LegPolicyPlanTests {
    /// From the first moment a leg can send it is protected, and until the last.
    @Test func protectionComesFirstAndGoesLast() throws {
        let policies = LegPolicies.leg(from: IPPrefix(host: d), to: IPPrefix(host: h), 7)
        let link = KernelObject.link(name: "bond0", LinkSettings(.dummy))
        let all = [link, .state(try state(settings(.aesCBC)))] + policies
        let up = Plan(from: [], to: all).steps.map(\.object)
        #expect(up == policies + [all[1], link])
        #expect(Plan(from: all, to: []).steps.map(\.object) == up.reversed())
    }

    @Test func theTableDropsWhatIsInTheClear() {
        func rules(_ requestID: UInt32?) -> [ChainRule] {
            let table = OuterTable(
                family: .v4, canonical: IPAddress("192.0.0.8")!,
                legs: [
                    .init(id: .primary, label: "dsl", interface: "dsl", requestID: requestID),
                    .init(id: .secondary, label: "lte", interface: "lte", requestID: requestID.map { $0 + 1 }),
                ],
                source: .perLeg, markMask: 0xF000_0000, queues: 5300...5300, controlProtocol: 0xB7EA,
                overflowHold: 2000)
            let counter = NFTables.Expression.object(ObjectReference(.counter, OuterTable.clearCounter))
            return table.ruleset().rules.filter { $0.expressions.contains(counter) }
        }
        #expect(rules(nil).isEmpty)
        // Control messages of either leg, data of either leg; without ESP, and with somebody else's.
        #expect(rules(5300).count == 8)
    }
}

@Suite struct EarlyPacketTests {
    private static let v6 = bytes("60000000001032402001" + String(repeating: "00", count: 13) + "01"
        + "2001" + String(repeating: "00", count: 13) + "02" + "89abcdef")

    /// RFC 4303 §2.1: the SPI is the first word behind the IP header.
    @Test(arguments: [
        (bytes("4500001c0000000040320000" + "0a010002" + "0a090001" + "12345678"), "0x12345678 to 10.9.0.1"),
        (bytes("4600001c0000000040320000" + "0a010002" + "0a090001" + "01010101" + "00001000"), "0x1000 to 10.9.0.1"),
        (v6, "0x89abcdef to 2001::2"),
        // GRE, too short, no IP.
        (bytes("4500001c00000000402f0000" + "0a010002" + "0a090001" + "12345678"), nil),
        (bytes("4500001c0000000040320000" + "0a010002" + "0a090001" + "123456"), nil), (Array(v6.dropLast()), nil),
        (bytes("5500001c0000000040320000" + "0a010002" + "0a090001" + "12345678"), nil), ([], nil),
    ] as [([UInt8], String?)])
    func theStateOfAPacket(packet: [UInt8], expected: String?) {
        #expect(EarlyPackets.state(of: packet.span.bytes).map { "\($0)" } == expected)
    }

    /// Only what is for bonds waits, and only where keys come while packets do.
    @Test func theTableHasAQueueForThem() {
        func queues(_ source: OuterTable.Source, _ queue: UInt16?) -> [ChainRule] {
            var table = OuterTable(
                family: .v4, canonical: IPAddress("192.0.0.8")!, legs: [], source: source, markMask: 0xF000_0000,
                queues: 5300...5300, controlProtocol: 0xB7EA, overflowHold: 2000)
            table.earlyQueue = queue
            return table.ruleset().rules.filter { rule in
                rule.expressions.contains { if case .queue = $0 { true } else { false } }
            }
        }
        #expect(queues(.perLeg, nil).isEmpty && queues(.fixed(h), nil).isEmpty)
        #expect(queues(.perLeg, 7).count == 1 && queues(.fixed(h), 7).count == 1)
    }

    @Test func onlyIKENeedsIt() {
        #expect(IPsecConfiguration(keys: .ike).earlyQueue == 5317)
        #expect(IPsecConfiguration(keys: .configured).earlyQueue == nil)
    }
}

@Suite(.kernel) struct SecurityStateKernelTests {
    /// A state that moves with its leg goes on counting where it was.
    @Test func aStateThatMovesKeepsItsNumbers() throws {
        try inNewNamespace { kernel in
            let moved = IPAddress("10.1.0.77")!
            var first = try state(settings(.aesCBC))
            first.replay.sent = 41
            kernel.apply([.state(first)], for: .security)
            let second = try state(settings(.aesCBC), gateway: moved)
            #expect(kernel.apply([.state(second)], for: .security))
            let text = try shell("ip xfrm state")
            #expect(text.contains("src 10.1.0.77 dst 10.9.0.1") && !text.contains("10.1.0.2"))
            #expect(text.contains("oseq 0x29"))
            kernel.clear()
            kernel.apply([.state(second)], for: .security)
            #expect(try shell("ip xfrm state").contains("oseq 0x29"))
        }
    }

    /// What a run before has left goes, what is others' stays.
    @Test func sweepTakesOursOnly() throws {
        try inNewNamespace { kernel in
            let policies = LegPolicies.leg(from: IPPrefix(host: d), to: .all(.v4), 5300)
                + LegPolicies.rewritten(from: IPPrefix(host: h), to: d)
            kernel.apply(policies + [.state(try state(settings(.aesCBC)))], for: .security)
            let theirs = "proto esp reqid 5300 mode transport"
            try shell("ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out priority 9 tmpl \(theirs)")
            // As an IKE daemon makes them for these policies, and for others.
            for number in ["5300", "5301", "9"] {
                try shell("ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi \(number) reqid \(number) "
                    + "mode transport enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff")
            }
            let new = try KernelState { Issue.record("\($0)") }
            new.sweep(SweepScope(kernel: KernelConfiguration(), requestIDs: 5300...5301), mayWait: true)
            #expect(new.unswept == nil)
            let left = try shell("ip xfrm policy").split(separator: "\n").filter { $0.hasPrefix("src") }
            #expect(left == ["src 192.0.2.1/32 dst 192.0.2.2/32 "])
            let states = try shell("ip xfrm state")
            #expect(states.split(separator: "\n").count { $0.hasPrefix("src 192.0.2.1 ") } == 3)
            #expect(!states.contains("src 10.1.0.2"))
        }
    }
}

@Suite struct SwanctlFragmentTests {
    private func ike() -> IPsecConfiguration {
        var settings = IPsecConfiguration(keys: .ike)
        settings.secret = SharedSecret([0x01, 0xAB])
        return settings
    }

    /// Lines without their indentation.
    private func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { String($0.drop { $0 == " " }) }
    }

    @Test func aGatewayHasOneConnectionALeg() throws {
        var settings = HomeGatewayConfiguration(
            haap: .address(h), cin: try #require(ClientIdentificationName("gate\"way")),
            dsl: LegConfiguration(interface: try #require(InterfaceName("dsl"))),
            lte: LegConfiguration(interface: try #require(InterfaceName("lte"))))
        settings.ipsec = ike()
        let text = SwanctlFragment.gateway(settings, ike(), [("dsl", d), ("lte", IPAddress("10.2.0.2")!)])
        let found = lines(text)
        var soft = ike()
        soft.offload = .no
        #expect(found.contains("hw_offload = \"auto\""))
        #expect(!SwanctlFragment.gateway(settings, soft, [("dsl", d)]).contains("offload"))
        for line in [
            "spillway-dsl {", "spillway-lte {", "local_addrs = \"10.1.0.2\"", "local_addrs = \"10.2.0.2\"",
            "remote_addrs = \"10.9.0.1\"", "id = \"gate\\\"way\"", "reqid = \"5300\"", "reqid = \"5301\"",
            "policies = \"no\"", "mode = \"transport_proxy\"", "local_ts = \"0.0.0.0/0[gre]\"", "secret = \"0x01ab\"",
            "esp_proposals = \"aes256gcm16-ecp256-esn\"", "replay_window = \"1024\"", "start_action = \"start\"",
        ] { #expect(found.contains(line), "\(line)") }
        #expect(found.count { $0.hasSuffix("{") } == found.count { $0 == "}" })
    }

    @Test func anAggregationPointTakesAllGateways() {
        var settings = AggregationPointConfiguration(addresses: [h, IPAddress("2001:db8:f::1")!])
        var ipsec = ike()
        ipsec.secret = nil
        ipsec.certificate = "haap.pem"
        ipsec.peerIdentity = "*@gateways.example.net"
        settings.ipsec = ipsec
        let found = lines(SwanctlFragment.aggregationPoint(settings, ipsec))
        for line in [
            "remote_addrs = \"%any\"", "unique = \"never\"", "auth = \"pubkey\"", "certs = \"haap.pem\"",
            "id = \"*@gateways.example.net\"", "spillway-ipv4 {", "spillway-ipv6 {", "remote_ts = \"::/0[gre]\"",
        ] { #expect(found.contains(line), "\(line)") }
        #expect(!found.contains("secrets {") && !found.contains("start_action = \"start\""))
    }

    @Test func thereIsNothingToWriteForOtherKeys() {
        let settings = AggregationPointConfiguration(addresses: [h])
        #expect(throws: SwanctlFragment.Failure.self) { try SwanctlFragment.text(.aggregationPoint(settings)) }
    }
}
