import Foundation
import Testing

@testable import NetlinkKit

@Suite(.kernel) struct TunnelExampleKernelTests {
    private static let command = "tunnel-example 192.0.2.1 192.0.2.2 4711"
    private static let everything = "ip -j -d link; ip -j addr; ip -j route show table all"

    private func makeAccessLink() throws {
        // With each of these a device comes into all namespaces, also when another test loads it meanwhile.
        try shell("modprobe -qa ip_gre ip6_gre ipip ip6_tunnel sit ip_vti ip6_vti || true")
        // IPv6 would send packets of its own by the tunnel.
        try shell("sysctl -q net.ipv6.conf.default.disable_ipv6=1")
        try shell("ip link add d0 type dummy && ip link set d0 up && ip addr add 192.0.2.1/24 dev d0")
        try shell("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0")
    }

    @Test func theTunnelIsThereWhileItRunsAndGoneAfterIt() throws {
        try inNewNamespace { _ in
            try makeAccessLink()
            let before = try shell(Self.everything)
            let example = try Running(Self.command)
            try #require(example.waits(for: "sent 0 packets, received 0"), "\(example.lines)")
            let link = try JSON(from: "ip -j -d link show dev example0")[0]
            #expect(link["mtu"].int == 1400 && link["linkinfo"]["info_kind"].string == "gre")
            let tunnel = link["linkinfo"]["info_data"]
            #expect(tunnel["local"].string == "192.0.2.1" && tunnel["remote"].string == "192.0.2.2")
            // 4711 as ip writes keys.
            #expect(tunnel["ikey"].string == "0.0.18.103" && tunnel["okey"].string == "0.0.18.103")
            #expect(tunnel["iseq"].bool == true && tunnel["oseq"].bool == true)
            #expect(example.lines.contains("example0 is link \(link["ifindex"].int ?? 0), MTU 1400"))
            let addresses = try JSON(from: "ip -j -4 addr show dev example0")[0]["addr_info"]
            #expect(addresses[0]["local"].string == "10.99.0.1" && addresses[0]["prefixlen"].int == 30)
            #expect(example.lines.contains("address 10.99.0.1/30"))
            #expect(Set(try JSON(from: "ip -j route show dev example0").list.compactMap { $0["dst"].string })
                == ["10.99.0.0/30", "198.18.0.0/15"])
            #expect(example.lines.contains { $0.hasPrefix("route 198.18.0.0/15 link") })

            try shell("ping -c 3 -i 0.2 -W 1 10.99.0.2 || true")
            #expect(example.waits(for: "sent 3 packets, received 0"), "\(example.lines)")
            let statistics = try JSON(from: "ip -j -s link show dev example0")[0]["stats64"]["tx"]
            #expect(statistics["packets"].int == 3)
            try shell("ip link set example0 mtu 1300; ip route add 203.0.113.0/24 dev example0")
            #expect(example.waits(for: "now: up true, MTU 1300"), "\(example.lines)")
            let route = "new route 203.0.113.0/24 link \(link["ifindex"].int ?? 0) "
            #expect(example.waits(for: route), "\(example.lines)")

            #expect(try example.end())
            let after = try shell(Self.everything)
            #expect(after == before)
        }
    }

    @Test func whatAnotherMadeIsLeftAlone() throws {
        try inNewNamespace { _ in
            try makeAccessLink()
            try shell("ip link add example0 type dummy")
            let example = try Running(Self.command)
            #expect(example.waits(for: #"tunnel-example: create link "example0": EEXIST"#), "\(example.lines)")
            #expect(try JSON(from: "ip -j -d link show dev example0")[0]["linkinfo"]["info_kind"].string == "dummy")
        }
    }

    @Test func itEndsWhenTheTunnelIsTaken() throws {
        try inNewNamespace { _ in
            try makeAccessLink()
            let example = try Running(Self.command)
            try #require(example.waits(for: "sent 0 packets, received 0"), "\(example.lines)")
            try shell("ip link del example0")
            #expect(example.waits(for: "somebody deleted example0"), "\(example.lines)")
        }
    }
}

@Suite(.kernel) struct BlockExampleKernelTests {
    /// What `nft -j` has of one kind, such as "rule".
    private func listed(_ kind: String) throws -> [JSON] {
        try JSON(from: "nft -j list ruleset")["nftables"].list.map { $0[kind] }.filter { $0.value != nil }
    }

    private func tables() throws -> [String] { try listed("table").compactMap { $0["name"].string } }

    @Test func hostsAreBlockedWhileItRunsAndNothingIsLeft() throws {
        try inNewNamespace { _ in
            try shell("ip link set lo up; nft add table ip theirs")
            let example = try Running("block-example 60 127.0.0.2 192.0.2.7")
            try #require(example.waits(for: "dropped 0 packets"), "\(example.lines)")
            #expect(try tables() == ["theirs", "block_example"])
            let set = try #require(try listed("set").first)
            #expect(set["name"].string == "blocked" && set["type"].string == "ipv4_addr")
            let elements = set["elem"].list.map { $0["elem"] }
            #expect(Set(elements.compactMap { $0["val"].string }) == ["127.0.0.2", "192.0.2.7"])
            #expect(elements.allSatisfy { $0["timeout"].int == 60 && (20...60).contains($0["expires"].int ?? 0) })

            let blocked = try shell("ping -c 3 -i 0.2 -W 1 -I 127.0.0.2 127.0.0.1 || true")
            #expect(blocked.contains("3 packets transmitted, 0 received"), "\(blocked)")
            try shell("ping -c 1 -W 1 127.0.0.1")
            #expect(example.waits(for: "dropped 3 packets"), "\(example.lines)")
            #expect(example.lines.contains { $0.hasPrefix("127.0.0.2: ") && $0.hasSuffix(" s left, 3 packets") })
            #expect(example.lines.contains { $0.hasPrefix("192.0.2.7: ") && $0.hasSuffix(" s left, 0 packets") })
            #expect(try listed("counter").first?["packets"].int == 3)

            #expect(try example.end())
            #expect(try tables() == ["theirs"])
            try shell("ping -c 1 -W 1 -I 127.0.0.2 127.0.0.1")
        }
    }

    @Test func itEndsByItselfAndStartsOverWhatAKilledRunLeft() throws {
        try inNewNamespace { _ in
            let killed = try Running("block-example 60 192.0.2.7")
            try #require(killed.waits(for: "dropped 0 packets"), "\(killed.lines)")
            #expect(try killed.end("KILL"))
            #expect(try tables() == ["block_example"])
            let example = try Running("block-example 2 192.0.2.8")
            try #require(example.waits(for: "dropped 0 packets"), "\(example.lines)")
            // Its own element may be gone by the time that a slow machine has listed them.
            let elements = try listed("set").first?["elem"].list ?? []
            #expect(!elements.contains { $0["elem"]["val"].string == "192.0.2.7" })
            #expect(example.lines.contains { $0.hasPrefix("192.0.2.8: ") })
            #expect(!example.lines.contains { $0.hasPrefix("192.0.2.7: ") })
            var isGone = false
            for _ in 0..<200 where !isGone {
                usleep(100_000)
                isGone = try tables().isEmpty
            }
            #expect(isGone)
            // The last look came after the element was gone.
            #expect(example.lines.last == "dropped 0 packets")
        }
    }

    /// An IPv6 header has part of its source where an IPv4 header has the whole one.
    @Test func sourcesOfTheOtherFamilyPass() throws {
        try inNewNamespace { _ in
            // Bytes 12 to 15 of this source's header are 0.0.0.9 for IPv4.
            try shell("ip link set lo up; ip addr add 2001:db8:0:9::1/128 dev lo nodad")
            let example = try Running("block-example 60 0.0.0.9")
            try #require(example.waits(for: "dropped 0 packets"), "\(example.lines)")
            try shell("ping -6 -c 1 -W 1 -I 2001:db8:0:9::1 2001:db8:0:9::1")
            #expect(try example.end())
        }
    }
}
