import Addresses
import Configuration
import GREBonding
import NetlinkKit
import Testing

@testable import Controller

private let h = IPAddress("10.9.0.1")!, d = IPAddress("10.1.0.2")!

private let wanted: SecurityState = {
    var settings = IPsecConfiguration(keys: .configured)
    settings.cipher = .aesCBC
    var state = LegKeys(settings: settings).state(
        of: ClientIdentificationName("gateway-1")!, .primary, .up, aggregator: h, gateway: d, requestID: 5300,
        isSent: true)
    state.spi = 0x1234
    state.transform = .aesCBC(key: [UInt8](repeating: 1, count: 32), authentication: [UInt8](repeating: 2, count: 32))
    state.replay.sent = 1000
    return state
}()

private let policies = LegPolicies.leg(from: IPPrefix(host: d), to: IPPrefix(host: h), 5300)

/// What a leg is protected with, and strangers with `ip xfrm`, in a real kernel.
@Suite(.serialized, .kernel) struct SecurityReconciliationKernelTests {
    private static let id = "src 10.1.0.2 dst 10.9.0.1 proto esp spi 0x1234"
    private static let ours = UInt64.max - 5300

    /// A state with the same SPI and destination; what is not named is as ours has it.
    private static func other(_ words: [String: String], flags: String = "esn", more: String = "") -> String {
        func word(_ name: String, _ value: String) -> String { words[name] ?? value }
        let key = String(repeating: "01", count: 32), authentication = String(repeating: "02", count: 32)
        return """
            ip xfrm state delete \(id)
            ip xfrm state add src \(word("src", "10.1.0.2")) dst 10.9.0.1 proto esp spi 0x1234 \
            reqid \(word("reqid", "5300")) mode \(word("mode", "transport")) replay-window \(word("window", "1024")) flag \(flags) \
            replay-oseq \(word("oseq", "1000")) enc 'cbc(aes)' 0x\(word("key", key)) \
            auth-trunc 'hmac(sha256)' 0x\(authentication) 128 limit packet-soft \(word("soft", "\(ours)")) \(more)
            """
    }

    private static let changes: [(kind: Drift.Kind, field: String, command: String)] = [
        (.state, "presence", "ip xfrm state delete \(id)"), (.state, "presence", "ip xfrm state flush"),
        (.state, "presence", "ip xfrm state deleteall proto esp"),
        (.state, "source", other(["src": "10.1.0.3"])), (.state, "reqid", other(["reqid": "7"])),
        (.state, "mode", other(["mode": "tunnel"])), (.state, "replay-window", other(["window": "64"])),
        (.state, "keys", other(["key": String(repeating: "03", count: 32)])), (.state, "sent", other(["oseq": "0"])),
        (.state, "soft packets", other(["soft": "500"])), (.state, "if_id", other([:], more: "if_id 5")),
        (.state, "hard packets", other([:], more: "limit packet-hard 500")),
        (.state, "soft bytes", other([:], more: "limit byte-soft 500")),
        (.state, "hard bytes", other([:], more: "limit byte-hard 500")),
        (.state, "flags", other([:], more: "limit time-hard 500")),
        (.state, "flags", other([:], flags: "esn flag noecn")),
        (.state, "flags", other([:], more: "extra-flag dont-encap-dscp")),
        (.state, "flags", other([:], more: "output-mark 7")),
        (.state, "flags", other([:], more: "encap espinudp 4500 4500 0.0.0.0")),
        (.state, "selector", other([:], more: "sel src 10.1.0.2/32 dst 10.9.0.1/32")),
        (.policy, "presence", "ip xfrm policy delete src 10.1.0.2/32 dst 10.9.0.1/32 proto gre dir out"),
        (.policy, "presence", "ip xfrm policy flush"),
        (.policy, "priority", policy("priority 9 tmpl proto esp reqid 5300 mode transport")),
        (.policy, "reqid", policy("priority 5300 tmpl proto esp reqid 9 mode transport")),
        (.policy, "protection", policy("priority 5300 tmpl proto esp reqid 5300 mode transport level use")),
        (
            .policy, "protection",
            policy("priority 5300 tmpl src 10.1.0.2 dst 10.9.0.1 proto esp reqid 5300 mode tunnel")
        ),
        (.policy, "protection", policy("priority 5300")), (.policy, "protection", policy("action block priority 5300")),
        (.policy, "protection", policy("priority 5300 flag icmp tmpl proto esp reqid 5300 mode transport")),
        (
            .policy, "protection",
            policy("priority 5300 limit packet-hard 9 tmpl proto esp reqid 5300 mode transport")
        ),
    ]

    private static func policy(_ words: String) -> String {
        "ip xfrm policy update src 10.1.0.2/32 dst 10.9.0.1/32 proto gre dir out \(words)"
    }

    private func withLeg(_ body: (KernelState, SecurityMonitor) throws -> Void) throws {
        try inNewNamespace { (state) throws -> Void in
            let monitor = try SecurityMonitor()
            #expect(state.apply(policies + [.state(wanted)], for: .security))
            state.heard(try monitor.receive())
            #expect(state.suspects.isEmpty, "what was asked for here is no news")
            try body(state, monitor)
            state.clear()
            #expect(try shell("ip xfrm state; ip xfrm policy").isEmpty)
        }
    }

    private func settle(_ state: KernelState) {
        state.restUntil = Instant(nanoseconds: 0)
        _ = state.mend(Clock.now())
        #expect(state.suspects.isEmpty)
    }

    private func sent() throws -> Int {
        let text = try shell("ip xfrm state")
        return try #require(text.firstMatch(of: /oseq 0x([0-9a-f]+)/).flatMap { Int($0.1, radix: 16) }, "\(text)")
    }

    /// Without numbers, which go on.
    private func view() throws -> String {
        // A state or policy on a line of its own, sorted, as what was made anew comes last.
        try shell(
            "ip -s xfrm state && ip xfrm policy",
            through: #"""
            sed -E 's/oseq 0x[0-9a-f]+//g; s/(add|use) [0-9]{4}.*//; s/^src/\n&/' |
            awk 'BEGIN { RS = ""; FS = "\n"; OFS = " " } { $1 = $1; print }' | sort
            """#)
    }

    @Test func whatStrangersChangeIsPutBack() throws {
        try withLeg { state, monitor in
            var found: [Drift] = []
            state.onDrift = { found.append($0) }
            for change in Self.changes {
                let before = try view(), number = try sent()
                try shell(change.command.replacing("replay-oseq 1000", with: "replay-oseq \(number)"))
                found = []
                state.heard(try monitor.receive())
                settle(state)
                #expect(
                    found.contains { $0.kind == change.kind && $0.field == change.field },
                    "\(change.command): \(found)")
                let after = try view()
                #expect(after == before, "\(change.command): \(difference(before, after))")
                #expect(try sent() >= number, "\(change.command): a number would be used twice")
                let changes = state.changes
                state.suspectAll()
                settle(state)
                #expect(state.changes == changes, "\(change.command): a second pass writes \(found)")
            }
        }
    }

    /// Where the kernel told the last number, the state goes on there; else beyond all that it can have sent.
    @Test func numbersGoOn() throws {
        try withLeg { state, monitor in
            try shell("ip xfrm state delete \(Self.id)")
            state.heard(try monitor.receive())
            settle(state)
            #expect(try sent() == 1000)
            // Its end is heard when it is there again.
            try shell("ip xfrm state delete \(Self.id)")
            state.suspectAll()
            settle(state)
            let margin = Int(SecurityKernel.margin)
            #expect(try sent() == 1000 + margin)
            state.heard(try monitor.receive())
            try shell("ip xfrm state flush")
            state.heard(try monitor.receive())
            settle(state)
            #expect(try sent() == 1000 + 2 * margin)
        }
    }

    /// A state that has carried all it may is not given back by moving or by looking.
    @Test func whatHasReachedItsLimitIsLeftAlone() throws {
        try withLeg { state, monitor in
            try shell("ip xfrm state delete \(Self.id)")
            state.heard([SecurityNotice(.expired(try expired(), isHard: true), port: 0)])
            state.heard(try monitor.receive())
            settle(state)
            #expect(try shell("ip xfrm state").isEmpty)
            #expect(state.drift.isEmpty)
        }
    }

    private func expired() throws -> ObservedSecurityState {
        let exchange = Exchange(try NetlinkSocket(.xfrm))
        try exchange.perform(wanted.add())
        defer { _ = exchange.perform([wanted.id.delete()]) }
        return try #require(try exchange.securityState(wanted.id))
    }

    /// A device that refuses the work leaves the state to the kernel, and that is no drift; nor is it one that a device
    /// has taken the work, wherever the kernel found it.
    @Test func whoDoesTheWorkIsNoDrift() throws {
        try inNewNamespace { (state) throws -> Void in
            try shell(
                "modprobe -q bonding max_bonds=0; ip link add b0 type bond mode active-backup; ip link set b0 up; "
                    + "ip address add 10.1.0.2/24 dev b0; ip route add 10.9.0.1 dev b0 src 10.1.0.2")
            var offered = wanted
            offered.offload = .init(link: try #require(try state.route.links().first { $0.name == "b0" }).index,
                isInbound: false)
            var refused: [SecurityStateID] = []
            state.security.onOffloadRefused = { id, error in
                #expect(error.errno == .invalid)
                refused.append(id)
            }
            #expect(state.apply(policies + [.state(offered)], for: .security))
            #expect(refused == [offered.id])
            #expect(try shell("ip xfrm state").contains("spi 0x00001234"))
            let changes = state.changes
            state.suspectAll()
            settle(state)
            #expect(state.drift.isEmpty && state.changes == changes)
            // As the kernel tells it of a device that has taken it.
            var found = try #require(state.security.state(offered.id))
            found.offload = .init(link: 7, isInbound: false)
            #expect(found.drift(from: offered, passed: nil).isEmpty)
            #expect(found.drift(from: { var other = offered; other.offload = nil; return other }(), passed: nil)
                .map(\.field) == ["offload"])
            state.clear()
        }
    }

    @Test func othersAreLeftAlone() throws {
        try withLeg { state, monitor in
            let theirs = "mode transport enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff"
            try shell(
                """
                ip xfrm state add src 10.1.0.2 dst 10.9.0.1 proto esp spi 9 reqid 5300 \(theirs)
                ip xfrm state add src 10.1.0.2 dst 10.9.0.1 proto esp spi 0x1234 mark 5 mask 5 reqid 5300 \(theirs)
                ip xfrm policy add src 10.1.0.2/32 dst 10.9.0.1/32 proto gre dir out mark 5 action block
                ip xfrm policy add src 10.1.0.2/32 dst 10.9.0.1/32 proto gre dir fwd action block
                ip xfrm policy add src 10.1.0.2/32 dst 10.9.0.1/32 proto tcp dport 5 dir out action block
                """)
            let before = try view()
            state.heard(try monitor.receive())
            settle(state)
            #expect(state.drift.isEmpty, "\(state.drift)")
            try shell("ip xfrm state delete \(Self.id)")
            try shell("ip xfrm policy delete dir out src 10.1.0.2/32 dst 10.9.0.1/32 proto gre")
            state.heard(try monitor.receive())
            settle(state)
            #expect(state.drift == [.state: 1, .policy: 1])
            #expect(try view() == before)
            try shell("ip xfrm state delete src 10.1.0.2 dst 10.9.0.1 proto esp spi 9")
            try shell("ip xfrm state delete \(Self.id) mark 5 mask 5")
            try shell("ip xfrm policy delete src 10.1.0.2/32 dst 10.9.0.1/32 proto gre dir out mark 5")
            try shell("ip xfrm policy delete src 10.1.0.2/32 dst 10.9.0.1/32 proto gre dir fwd")
            try shell("ip xfrm policy delete src 10.1.0.2/32 dst 10.9.0.1/32 proto tcp dport 5 dir out")
        }
    }
}
