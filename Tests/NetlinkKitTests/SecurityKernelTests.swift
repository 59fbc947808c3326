import Addresses
import Testing

@testable import NetlinkKit

private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
private func bytes(_ count: Int, from first: UInt8 = 1) -> [UInt8] { (0..<count).map { first &+ UInt8($0) } }

/// Runs `body` in a new namespace with a socket for IPsec.
private func withSecurity(_ body: (Exchange) throws -> Void) throws {
    try inNewNamespace { _ in try body(Exchange(NetlinkSocket(.xfrm))) }
}

private func state(
    _ from: String = "192.0.2.1", _ to: String = "192.0.2.2", spi: UInt32 = 0x1000,
    _ transform: ESPTransform = .aesCBC(key: bytes(16), authentication: bytes(32, from: 100))
) throws -> SecurityState {
    SecurityState(
        from: try ip(from), to: try ip(to), spi: spi, requestID: 5300, transform, replay: ReplayState(window: 1024))
}

private func policy(_ from: String, _ to: String, _ direction: SecurityPolicy.Direction) throws -> SecurityPolicy {
    SecurityPolicy(
        TrafficSelector(from: try #require(IPPrefix(from)), to: try #require(IPPrefix(to)), protocol: 47), direction,
        priority: 5300, requestID: 5300)
}

@Suite(.kernel) struct SecurityKernelTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.2", ESPTransform.aesCBC(key: bytes(32), authentication: bytes(32, from: 100))),
        ("0.0.0.0", "192.0.2.2", .aesGCM(key: bytes(20))),
        ("2001:db8::1", "2001:db8::2", .aesGCM(key: bytes(36))),
        ("::", "2001:db8::2", .aesCBC(key: bytes(16), authentication: bytes(32))),
    ])
    func statesReadBackAsTheyWereMade(from: String, to: String, transform: ESPTransform) throws {
        try withSecurity { exchange in
            var wanted = try state(from, to, transform)
            wanted.lifetime = .init(softBytes: 1_000_000, hardBytes: 2_000_000)
            wanted.interfaceID = 7
            wanted.replay = ReplayState(sent: 5 << 32 | 9, received: 1 << 32 | 3, window: 1024)
            try exchange.perform(wanted.add())
            let found = try #require(try exchange.securityState(wanted.id))
            #expect(try exchange.securityStates() == [found])
            #expect(found.id == wanted.id && found.source == wanted.source && found.requestID == 5300)
            #expect(found.transform == transform && found.lifetime == wanted.lifetime && found.interfaceID == 7)
            #expect(found.isTransport && found.selector == nil && found.offload == nil)
            #expect(found.replay?.sent == wanted.replay.sent && found.replay?.received == wanted.replay.received)
            #expect(found.replay?.window == 1024 && found.replay?.bitmap.count == 32)
            #expect(found.packets == 0 && found.replayed == 0 && found.forged == 0)
            let text = try shell("ip -s xfrm state")
            #expect(text.contains("src \(from) dst \(to)") && text.contains("proto esp spi 0x00001000"))
            #expect(text.contains("reqid 5300") && text.contains("mode transport") && text.contains("esn"))
            #expect(text.contains("replay_window 1024") && text.contains("soft 1000000(bytes), hard 2000000(bytes)"))
            #expect(text.contains("if_id 0x7"))
            try exchange.perform(wanted.id.delete())
            #expect(try exchange.securityState(wanted.id) == nil)
        }
    }

    @Test func aStateIsThereOnceAndItsKeyIsInNoMessage() throws {
        try withSecurity { exchange in
            try exchange.perform(try state().add())
            let error = #expect(throws: KernelError.self) { try exchange.perform(try state().add()) }
            #expect(error?.errno == .exists)
            #expect("\(try #require(error))" == "add IPsec state 0x1000 to 192.0.2.2: EEXIST")
            let gone = SecurityStateID(destination: try ip("192.0.2.2"), spi: 0x1001)
            #expect(throws: KernelError.self) { try exchange.perform(gone.delete()) }
        }
    }

    /// A device that cannot do ESP leaves it to the kernel.
    @Test func offloadIsNoMoreThanAnOffer() throws {
        try inNewNamespace { route in
            let index = try route.makeDummy("d0")
            let exchange = Exchange(try NetlinkSocket(.xfrm))
            var wanted = try state()
            wanted.offload = .init(link: index, isInbound: false)
            try exchange.perform(wanted.add())
            #expect(try #require(try exchange.securityState(wanted.id)).offload == nil)
        }
    }

    /// Drivers without extended sequence numbers refuse such a state, and so does the kernel then. A bonding device is
    /// one of them.
    @Test func aDeviceThatRefusesIsAnError() throws {
        try inNewNamespace { route in
            try shell("modprobe -q bonding max_bonds=0; ip link add b0 type bond mode active-backup")
            let index = try #require(try route.links().first { $0.name == "b0" }).index
            let exchange = Exchange(try NetlinkSocket(.xfrm))
            var wanted = try state()
            wanted.offload = .init(link: index, isInbound: false)
            let error = #expect(throws: KernelError.self) { try exchange.perform(wanted.add()) }
            #expect(error?.errno == .invalid)
        }
    }

    /// What an IKE daemon does: it reserves an SPI and installs the state when it has the keys.
    @Test func aReservedSPIHasNoKeysYet() throws {
        try withSecurity { exchange in
            let monitor = try SecurityMonitor()
            try shell("ip xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto esp reqid 5300 mode transport "
                + "min 0x1000 max 0x1000 >/dev/null")
            let id = try state().id
            #expect(try #require(try exchange.securityState(id)).isKeyed == false)
            #expect(try monitor.receive().isEmpty)
            try shell("ip xfrm state update src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 5300 mode transport "
                + "aead 'rfc7539esp(chacha20,poly1305)' 0x\(String(repeating: "07", count: 36)) 128 || "
                + "ip xfrm state update src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 5300 mode transport "
                + "enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff")
            guard case .added(let new)? = try monitor.receive().first?.event else {
                Issue.record("no word of the keys")
                return
            }
            #expect(new.id == id && new.isKeyed)
            #expect(try #require(try exchange.securityState(id)).isKeyed)
        }
    }

    @Test func policiesReadBackAndThoseOfOthersStay() throws {
        try withSecurity { exchange in
            try shell("ip xfrm policy add src 198.51.100.1 dst 198.51.100.2 dir out tmpl src 198.51.100.1 "
                + "dst 198.51.100.2 proto esp mode tunnel")
            let wanted = [
                try policy("192.0.2.1/32", "192.0.2.2/32", .out), try policy("0.0.0.0/0", "192.0.2.1/32", .in),
                try policy("2001:db8::1/128", "::/0", .out),
            ]
            try exchange.performAll(wanted.map { $0.add() })
            #expect(Set(try exchange.securityPolicies()) == Set(wanted))
            let text = try shell("ip xfrm policy")
            #expect(text.contains("src 192.0.2.1/32 dst 192.0.2.2/32 proto gre"))
            #expect(text.contains("dir out priority 5300") && text.contains("proto esp reqid 5300 mode transport"))
            #expect(!text.contains("level use"))
            let error = #expect(throws: KernelError.self) { try exchange.perform(wanted[0].add()) }
            #expect(error?.errno == .exists)
            try exchange.performAll(wanted.map { $0.delete() })
            #expect(try exchange.securityPolicies().isEmpty)
            #expect(try shell("ip xfrm policy").contains("198.51.100.1/32"))
        }
    }

    @Test func monitorTellsWhatAStrangerDoes() throws {
        try withSecurity { exchange in
            var wanted = try state()
            wanted.replay.sent = 77
            try exchange.perform(wanted.add())
            let monitor = try SecurityMonitor()
            #expect(try monitor.receive().isEmpty)
            try shell("ip xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000")
            guard case .deleted(let gone)? = try monitor.receive().first?.event else {
                Issue.record("no word of it")
                return
            }
            #expect(gone.id == wanted.id && gone.requestID == 5300 && gone.replay?.sent == 77)
            try shell("ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 9 mode transport "
                + "enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth-trunc 'hmac(sha256)' 0x0011 128")
            guard case .added(let new)? = try monitor.receive().first?.event else {
                Issue.record("no word of the new one")
                return
            }
            #expect(new.id == wanted.id && new.requestID == 9 && new.replay == nil)
            #expect(new.transform == .aesCBC(
                key: [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF],
                authentication: [0x00, 0x11]))
            try shell("ip xfrm state flush")
            #expect(try monitor.receive().map(\.event).contains(.flushed))
        }
    }

    /// Within one namespace nothing is ever sent by a link: it takes two.
    private func withLink(_ peer: String, _ body: (Exchange) throws -> Void) throws {
        try withSecurity { exchange in
            try shell("ip netns add \(peer); ip link add v0 type veth peer name v1 netns \(peer)")
            defer { _ = try? shell("ip netns delete \(peer)") }
            try shell("ip address add 192.0.2.1/24 dev v0; ip link set v0 up; ip -n \(peer) address add "
                + "192.0.2.2/24 dev v1; ip -n \(peer) link set v1 up")
            try body(exchange)
        }
    }

    /// RFC 4303 §3.3.3: a sender never begins anew. Beyond 2³² numbers go on, at 2⁶⁴ nothing is sent any more.
    @Test(arguments: [(UInt64(1) << 32 - 3, UInt64(1) << 32 + 3, false), (UInt64.max - 2, UInt64.max, true)])
    func numbersNeverBeginAnew(first: UInt64, last: UInt64, isRefused: Bool) throws {
        try withLink("spillway-esn-peer-\(isRefused)") { exchange in
            var wanted = try state()
            wanted.replay.sent = first
            try exchange.perform(wanted.add())
            let selector = TrafficSelector(
                from: IPPrefix(host: wanted.source), to: IPPrefix(host: wanted.destination), protocol: 17)
            try exchange.perform(SecurityPolicy(selector, .out, priority: 1, requestID: 5300).add())
            for _ in 0..<6 { try shell("bash -c 'echo x >/dev/udp/192.0.2.2/9' 2>/dev/null; true") }
            #expect(try #require(try exchange.securityState(wanted.id)).replay?.sent == last)
            let errors = try shell("grep XfrmOutStateSeqError /proc/self/net/xfrm_stat")
            let count = try #require(errors.split(separator: "\t").last.flatMap { Int($0.filter(\.isNumber)) })
            #expect(isRefused ? count > 0 : count == 0, "\(errors)")
        }
    }

    @Test func limitsAndSequencesAreTold() throws {
        try withLink("spillway-esp-peer") { exchange in
            var wanted = try state()
            wanted.lifetime = .init(softBytes: 100, hardBytes: 300)
            wanted.packetsBetweenNotices = 2
            try exchange.perform(wanted.add())
            let selector = TrafficSelector(
                from: IPPrefix(host: wanted.source), to: IPPrefix(host: wanted.destination))
            try exchange.perform(
                SecurityPolicy(selector, .out, priority: 1, requestID: 5300).add())
            let monitor = try SecurityMonitor()
            try shell("ping -c 6 -i 0.02 -W 0.1 -s 64 192.0.2.2 >/dev/null; true")
            let events = try monitor.receive().map(\.event)
            let limits = events.compactMap {
                if case .expired(let state, let isHard) = $0 { (state.id, isHard) } else { nil }
            }
            #expect(limits.map(\.0) == [wanted.id, wanted.id] && limits.map(\.1) == [false, true])
            let numbers = events.compactMap {
                if case .sequence(wanted.id, let replay) = $0 { replay.sent } else { nil }
            }
            #expect((numbers.last ?? 0) > 0)
            #expect(try exchange.securityState(wanted.id) == nil)
        }
    }
}
