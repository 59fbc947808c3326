import Addresses
import CLinux
import Glibc
import Testing

@testable import NetlinkKit

/// `clsact` and the actions of a bonding connection's colouring: 10 Mbit/s and 50 kB stay, the rest overflows.
private func colouring(_ link: UInt32) -> [Filter] {
    [
        Filter(
            link: link, parent: .egress, priority: 1, handle: 1, .matchall,
            actions: [
                Action(
                    .police(Police(rate: 1_250_000, burst: 50_000, overhead: 32, conform: .pipe, exceed: .continue)),
                    index: 17, cookie: [1, 2, 3, 4]),
                Action(.skbedit(SkbEdit(mark: .init(0x100, mask: 0xFF00), verdict: .pass)), index: 17),
            ]),
        Filter(
            link: link, parent: .egress, priority: 2, handle: 1, .matchall,
            actions: [
                Action(.skbedit(SkbEdit(mark: .init(2), priority: 5, queueMapping: 0, verdict: .pass)), index: 18)
            ]),
    ]
}

@Suite(.kernel) struct TrafficKernelTests {
    @Test func colouringReadsBackAsMade() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            let filters = colouring(link)
            try exchange.performAll([Qdisc.clsact(link: link).add()] + filters.map { $0.add() })
            let observed = try exchange.filters(link: link, parent: .egress)
            #expect(observed.map(\.filter) == filters)
            #expect(try exchange.filters(link: link, parent: .ingress).isEmpty)
            #expect(try exchange.qdiscs(link: link).contains { $0.qdisc == .clsact(link: link) })

            let json = try JSON(from: "tc -j -s filter show dev d0 egress").list
                .first { $0["options"]["actions"].value != nil }
            let actions = try #require(json)["options"]["actions"]
            #expect(actions[0]["kind"].string == "police")
            #expect(actions[0]["index"].int == 17)
            #expect(actions[0]["cookie"].string == "01020304")
            #expect(actions[1]["mark"].int == 0x100)
            #expect(actions[1]["control_action"]["type"].string == "pass")
            // tc 6.1 prints police in words even with -j.
            let text = try shell("tc filter show dev d0 egress")
            #expect(text.contains("police 0x11 rate 10Mbit burst 50000b"), "\(text)")
            #expect(text.contains("action continue/pipe"), "\(text)")
            #expect(text.contains("overhead 32b"), "\(text)")
            #expect(text.contains("mark 256/0xff00"), "\(text)")
        }
    }

    @Test(arguments: [
        (UInt64(1000), UInt32(1500)), (125_000, 10_000), (1_250_000, 1_600_000), (12_500_000, 65_536),
        (1_250_000_000, 10_000_000), (12_500_000_000, 100_000_000),
    ]) func rateAndBurst(rate: UInt64, burst: UInt32) throws {
        try inNewNamespace { exchange in
            let police = Police(rate: rate, burst: burst, conform: .pass, exceed: .drop)
            try exchange.perform(Action(.police(police), index: 1).add())
            let read = try #require(try exchange.action(kind: "police", index: 1))
            #expect(read.action.kind == .police(police))
            // tc 6.1 makes the same of these numbers, except that it rounds down to a microsecond (15.6 ticks).
            try shell(
                "tc action add police index 2 rate \(rate * 8)bit burst \(burst)b mtu 4294967295 conform-exceed drop/ok"
            )
            guard case .police(let theirs) = try exchange.action(kind: "police", index: 2)?.action.kind else {
                Issue.record("no police action 2")
                return
            }
            #expect(theirs.rate == rate)
            #expect(theirs.conform == .pass)
            #expect(theirs.exceed == .drop)
            #expect(theirs.mtu == .max)
            #expect((0...17).contains(Int(police.burstTicks) + 1 - Int(theirs.burstTicks)))
            #expect(police.burst.distance(to: burst).magnitude <= rate / 31_250_000 + 1)
            #expect(try shell("tc action get action police index 1").contains("action drop "))
        }
    }

    @Test func policeActsOnTheRate() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            try exchange.performAll([
                InterfaceAddress(link: link, address: try #require(IPPrefix("192.0.2.1/24"))).add(),
                Qdisc.clsact(link: link).add(),
                Filter(
                    link: link, parent: .egress, priority: 1, protocol: .ipv4, handle: 1, .matchall,
                    actions: [
                        Action(.police(Police(rate: 1, burst: 250, conform: .pipe, exceed: .continue)), index: 5),
                        Action(.gact(.pass), index: 6),
                    ]
                ).add(),
                Filter(
                    link: link, parent: .egress, priority: 2, protocol: .ipv4, handle: 1, .matchall,
                    actions: [Action(.gact(.drop), index: 7)]
                ).add(),
            ])
            // Three datagrams of 128 bytes with their Ethernet header: the bucket holds one, and an octet a second.
            let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(socket) }
            var to = sockaddr_in()
            to.sin_family = sa_family_t(AF_INET)
            to.sin_port = UInt16(9).bigEndian
            to.sin_addr.s_addr = UInt32(0xC000_0202).bigEndian
            for _ in 0..<3 {
                _ = withUnsafePointer(to: to) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(
                            socket, [UInt8](repeating: 0, count: 86), 86, 0, $0,
                            socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
            let police = try #require(try exchange.action(kind: "police", index: 5))
            #expect(police.statistics.packets == 3)
            #expect(police.statistics.bytes == 384)
            #expect(police.statistics.overlimits == 2)
            #expect(police.bindCount == 1)
            #expect(try exchange.action(kind: "gact", index: 6)?.statistics.packets == 1)
            #expect(try exchange.action(kind: "gact", index: 7)?.statistics.drops == 2)
        }
    }

    @Test func actionsAreReplacedWhileInUse() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            try exchange.performAll([Qdisc.clsact(link: link).add()] + colouring(link).map { $0.add() })
            let faster = Action(
                .police(Police(rate: 6_250_000, burst: 100_000, overhead: 32, conform: .pipe, exceed: .continue)),
                index: 17, cookie: [1, 2, 3, 4])
            try exchange.perform(faster.replace())
            #expect(try exchange.filters(link: link, parent: .egress).first?.filter.actions.first == faster)
            let error = #expect(throws: KernelError.self) {
                try exchange.perform(Action.delete(kind: "police", index: 17))
            }
            #expect(error?.errno == .notPermitted)
            #expect(error?.description.hasPrefix("delete action police 17: EPERM") == true)
            let again = #expect(throws: KernelError.self) { try exchange.perform(faster.add()) }
            #expect(again?.errno == .exists)
            try exchange.performAll(colouring(link).map { $0.delete() })
            #expect(try exchange.filters(link: link, parent: .egress).isEmpty)
            // The kernel lets go of a filter's actions in the background.
            var left = try exchange.actions(kind: "police")
            for _ in 0..<20_000 where !left.isEmpty { left = try exchange.actions(kind: "police") }
            #expect(left.isEmpty)
        }
    }

    @Test func manyActionsAreListed() throws {
        try inNewNamespace { exchange in
            let actions = (1...500).map {
                Action(.police(Police(rate: UInt64($0) * 1000, burst: 10_000, exceed: .drop)), index: UInt32($0))
            }
            try exchange.performAll(actions.map { $0.add() })
            #expect(try Set(exchange.actions(kind: "police").map(\.action)) == Set(actions))
            try exchange.performAll((1...500).map { Action.delete(kind: "police", index: $0) })
            #expect(try exchange.action(kind: "police", index: 1) == nil)
        }
    }

    @Test func otherClassifiersAndActions() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            let other = try exchange.makeDummy("d1")
            let filters = [
                Filter(
                    link: link, parent: .ingress, priority: 10, protocol: .ipv4, handle: 1,
                    .flower(
                        Flower(
                            ipProtocol: 17, source: IPPrefix("192.0.2.0/24"), destination: IPPrefix("10.0.0.1/32"),
                            sourcePort: 53, destinationPort: 5353, tos: .init(0xB8, mask: 0xFC), ttl: .init(64))),
                    actions: [Action(.mirred(Mirred(.redirectEgress, link: other)), index: 3)]),
                Filter(
                    link: link, parent: .ingress, priority: 11, protocol: .ipv6, handle: 7, chain: 4,
                    .flower(Flower(ipProtocol: 6, destination: IPPrefix("2001:db8::/33"))),
                    actions: [
                        Action(.mirred(Mirred(.mirrorIngress, link: other)), index: 4),
                        Action(.gact(.goto(chain: 9)), index: 5),
                    ]),
                Filter(
                    link: link, parent: .egress, priority: 12, handle: 0x77, .fw(mask: 0xFF),
                    actions: [Action(.gact(.drop), index: 6)]),
            ]
            try exchange.performAll([Qdisc.clsact(link: link).add()] + filters.map { $0.add() })
            let observed =
                try exchange.filters(link: link, parent: .ingress) + exchange.filters(link: link, parent: .egress)
            for filter in filters { #expect(observed.contains { $0.filter == filter }, "\(filter)") }
            let json = try JSON(from: "tc -j filter show dev d0 ingress").list
                .first { $0["options"]["keys"].value != nil && $0["chain"].int == 0 }
            let keys = try #require(json)["options"]["keys"]
            #expect(keys["src_ip"].string == "192.0.2.0/24")
            #expect(keys["dst_port"].int == 5353)
            #expect(keys["ip_proto"].string == "udp")
            var changed = filters[0]
            changed.actions = [Action(.gact(.drop), index: 8)]
            try exchange.perform(changed.replace())
            #expect(try exchange.filters(link: link, parent: .ingress).contains { $0.filter == changed })
            try exchange.performAll([changed, filters[1], filters[2]].map { $0.delete() })
            #expect(try exchange.filters(link: link, parent: .ingress).isEmpty)
        }
    }

    @Test func qdiscsAndClasses() throws {
        try inNewNamespace { exchange in
            let link = try exchange.makeDummy("d0")
            let root = Qdisc(link: link, handle: TrafficHandle(1, 0), .htb(defaultClass: 0x20))
            let classes = [
                TrafficClass(
                    link: link, parent: TrafficHandle(1, 0), handle: TrafficHandle(1, 1), rate: 12_500_000,
                    burst: 20_000),
                TrafficClass(
                    link: link, parent: TrafficHandle(1, 1), handle: TrafficHandle(1, 0x20), rate: 1_250_000,
                    ceiling: 12_500_000, burst: 15_000, priority: 3),
            ]
            let leaf = Qdisc(
                link: link, parent: TrafficHandle(1, 0x20), handle: TrafficHandle(0x20, 0),
                .fqCoDel(
                    FQCoDel(
                        limit: 1000, target: 5000, interval: 99_999, flows: 256, quantum: 300, memoryLimit: 1 << 20,
                        ecn: false)))
            try exchange.performAll([root.add()] + classes.map { $0.add() } + [leaf.add()])
            let qdiscs = try exchange.qdiscs(link: link).map(\.qdisc)
            #expect(qdiscs.contains(root))
            #expect(qdiscs.contains(leaf), "\(qdiscs)")
            let read = try exchange.trafficClasses(link: link).map(\.trafficClass)
            for one in classes { #expect(read.contains(one), "\(one) in \(read)") }
            let text = try shell("tc class show dev d0")
            #expect(text.contains("prio 3 rate 10Mbit ceil 100Mbit burst 15000b"), "\(text)")
            let bucket = Qdisc(
                link: link, handle: TrafficHandle(2, 0),
                .tbf(TokenBucketFilter(rate: 1_250_000, burst: 10_000, limit: 50_000)))
            try exchange.performAll([root.delete(), bucket.replace()])
            #expect(try exchange.qdiscs(link: link).map(\.qdisc) == [bucket])
        }
    }
}
