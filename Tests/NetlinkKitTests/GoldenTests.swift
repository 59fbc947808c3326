import Addresses
import CLinux
import Testing

@testable import NetlinkKit

/// A message as its fixed part and its attributes in order of their numbers, so that two ways to say the same compare
/// equal. Nesting flags and the zero byte at the end of strings do not count.
private func canonical(_ bytes: [UInt8], fixed: Int, nests: Set<[UInt16]>) -> [String] {
    var lines = ["fixed \(bytes[16..<(16 + fixed)].map { $0 })", "type \(bytes[4])"]
    func enter(_ attributes: AttributeReader<Never>, _ path: [UInt16]) {
        attributes.forEach { type, payload in
            let path = path + [type]
            if nests.contains(path) {
                enter(AttributeReader<Never>(payload), path)
            } else {
                var value = payload.withUnsafeBytes { [UInt8]($0) }
                if value.count > 1, value.last == 0, value.dropLast().allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
                    value.removeLast()
                }
                lines.append("\(path) \(value)")
            }
        }
    }
    if let message = Message(bytes.span.bytes, at: 0) {
        enter(message.attributes(after: fixed, of: Never.self), [])
    }
    return lines.sorted()
}

private func same(_ ours: [UInt8], _ theirs: [UInt8], fixed: Int, nests: Set<[UInt16]> = []) {
    #expect(canonical(ours, fixed: fixed, nests: nests) == canonical(theirs, fixed: fixed, nests: nests))
}

@Suite struct GoldenTests {
    private var tunnel: GRETunnel {
        var tunnel = GRETunnel(
            local: IPv4Address(192, 0, 2, 1), remote: IPv4Address(192, 0, 2, 2), input: GREOptions(key: 7),
            output: GREOptions(key: 7, sequence: true))
        tunnel.ttl = 64
        return tunnel
    }

    @Test func gre() throws {
        let ours = Link.create("g0", LinkSettings(.gre(tunnel)))
        #expect(ours.count == 1)
        same(ours[0].bytes, Golden.greRequest, fixed: 16, nests: [[18], [18, 2]])
        let bytes = Golden.greRequest
        guard let message = Message(bytes.span.bytes, at: 0), let link = Link(message) else {
            Issue.record("not read")
            return
        }
        #expect(link.kind == .gre(tunnel))
        #expect(link.name == "g0")
    }

    @Test func ip6gre() throws {
        let bytes = Golden.ip6greRequest
        guard let message = Message(bytes.span.bytes, at: 0), let link = Link(message) else {
            Issue.record("not read")
            return
        }
        #expect(
            link.kind
                == .ip6gre(
                    IPv6GRETunnel(
                        local: try #require(IPv6Address("2001:db8::1")),
                        remote: try #require(IPv6Address("2001:db8::2")), input: GREOptions(key: 7),
                        output: GREOptions(key: 7, sequence: true))))
    }

    @Test func address() throws {
        let address = InterfaceAddress(link: 2, address: try #require(IPPrefix("192.0.2.1/24")))
        let bytes = Golden.addressRequest
        guard let message = Message(bytes.span.bytes, at: 0) else { return }
        #expect(ObservedAddress(message)?.address == address)
        // ip leaves out the flags when there are none.
        let ours = canonical(address.add().bytes, fixed: 8, nests: []).filter { !$0.hasPrefix("[8]") }
        #expect(ours == canonical(Golden.addressRequest, fixed: 8, nests: []))
    }

    @Test func route() throws {
        let route = Route(
            to: try #require(IPPrefix("10.0.0.0/8")),
            nextHops: [NextHop(gateway: .v4(IPv4Address(192, 0, 2, 2)), link: 2)], table: 1000,
            protocol: RouteProtocol(rawValue: 157), priority: 5)
        same(route.add().bytes, Golden.routeRequest, fixed: 12)
        let bytes = Golden.routeRequest
        guard let message = Message(bytes.span.bytes, at: 0) else { return }
        #expect(Route(message) == route)
    }

    @Test func rule() {
        let rule = Rule(
            .v4, priority: 100, .lookup(table: 1000), from: IPPrefix("192.0.2.1/32"),
            mark: .init(0x100, mask: 0xFF00), protocol: RouteProtocol(rawValue: 157))
        same(rule.add().bytes, Golden.ruleRequest, fixed: 12)
        let bytes = Golden.ruleRequest
        guard let message = Message(bytes.span.bytes, at: 0) else { return }
        #expect(Rule(message) == rule)
    }

    @Test func clsact() {
        same(Qdisc.clsact(link: 2).add().bytes, Golden.clsactRequest, fixed: 20)
    }

    @Test func filter() {
        let filter = Filter(
            link: 2, parent: .egress, priority: 1, handle: 0, .matchall,
            actions: [Action(.skbedit(SkbEdit(mark: .init(0x100, mask: 0xFF00), verdict: .pass)), index: 17)])
        same(
            filter.add().bytes, Golden.filterRequest, fixed: 20, nests: [[2], [2, 2], [2, 2, 1], [2, 2, 1, 2]])
        let bytes = Golden.filterRequest
        guard let message = Message(bytes.span.bytes, at: 0) else { return }
        #expect(ObservedFilter(message)?.filter == filter)
    }

    @Test func police() throws {
        let bytes = FakeTransport.attribute(1, Golden.police) + FakeTransport.attribute(5, [3, 0, 0, 0])
        let read = Police(AttributeReader<PoliceSpace>(bytes.span.bytes))
        let police = try #require(read)
        #expect(police == Police(rate: 1_250_000, burst: 50_000, mtu: 65_536, conform: .pipe, exceed: .continue))
        #expect(police.burst == 50_000)
    }
}

@Suite struct RateTests {
    @Test func ticksAreSixtyFourNanoseconds() {
        #expect(SchedulerTime.ticks(bytes: 50_000, rate: 1_250_000) == 625_000)
        #expect(SchedulerTime.bytes(ticks: 625_000, rate: 1_250_000) == 50_000)
        #expect(SchedulerTime.ticks(bytes: 1500, rate: 1000) == 23_437_500)
        #expect(SchedulerTime.ticks(bytes: .max, rate: 1) == .max)
        #expect(SchedulerTime.ticks(bytes: 1, rate: 0) == .max)
        #expect(SchedulerTime.ticks(bytes: 1, rate: .max) == 0)
        #expect(SchedulerTime.bytes(ticks: .max, rate: .max) == .max)
    }

    @Test(arguments: [0, 1, 5, 100, 4998, 4999, 5000, 5001, 99_999, 100_000, UInt32(1) << 31])
    func codelTimesSurviveTheKernelsRounding(microseconds: UInt32) {
        let time = CoDelTime(microseconds: microseconds)
        let kept = UInt64(time.microseconds) * 1000 >> 10
        #expect(CoDelTime(reported: UInt32((kept << 10) / 1000)) == time)
    }
}
