import Addresses
import Configuration
import GREBonding
import Glibc
import Leases
import NFTables
import NetlinkKit
import RADIUS
import Testing

@testable import Controller

/// What a run leaves for the next one, in a folder of its own.
@Suite struct RunRecordTests {
    private func inFolder(_ body: (String) throws -> Void) throws {
        var name = Array("/tmp/spillway-record-XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&name))
        let folder = String(cString: made)
        defer {
            unlink("\(folder)/a.sock.record")
            rmdir(folder)
        }
        try body("\(folder)/a.sock")
    }

    @Test func whatWasWrittenIsReadByTheSameRoleOnly() throws {
        try inFolder { socket in
            let record = RunRecord(socket: socket, identity: ["hg", "a"], boot: "b")
            #expect(record.read() == nil)
            try record.write(["one", "two"])
            try record.append(["three"])
            func lines(_ identity: [String], _ boot: String) -> [Substring]? {
                RunRecord(socket: socket, identity: identity, boot: boot).read()
            }
            #expect(lines(["hg", "a"], "b") == ["one", "two", "three"])
            #expect(lines(["hg", "b"], "b") == nil, "another identity")
            #expect(lines(["hg", "a"], "c") == nil, "another start of the system")
            record.remove()
            #expect(lines(["hg", "a"], "b") == nil)
        }
    }

    @Test func anotherVersionIsNotRead() throws {
        try inFolder { socket in
            let record = RunRecord(socket: socket, identity: ["hg"], boot: "b")
            try record.write(["one"])
            let text = try #require(try? StateFile(directory: "/", name: String(socket.dropFirst()) + ".record").read())
            #expect(text.hasPrefix("spillway-record \(RunRecord.version) b "))
            let other = text.replacing("spillway-record \(RunRecord.version) ", with: "spillway-record 999 ")
            try StateFile(directory: "/", name: String(socket.dropFirst()) + ".record").replace(other)
            #expect(record.read() == nil)
        }
    }

    /// What was being written when the process was killed.
    @Test func halfALineIsLeftOut() throws {
        try inFolder { socket in
            let record = RunRecord(socket: socket, identity: ["hg"], boot: "b")
            try record.write(["one"])
            try StateFile(directory: "/", name: String(socket.dropFirst()) + ".record").append("tw")
            #expect(record.read() == ["one"])
        }
    }

    /// Lines end where a byte says so, whatever is beside it.
    @Test func anyBytesMayStandInIt() throws {
        try inFolder { socket in
            let record = RunRecord(socket: socket, identity: ["hg"], boot: "b")
            let strange = ["", "é", "\u{301}a", "one\r", "\u{0}", "\u{FFFD}"]
            try record.write(strange)
            #expect(record.read() == strange.map { $0[...] })
            let descriptor = open(socket + ".record", O_WRONLY | O_APPEND)
            defer { close(descriptor) }
            #expect(write(descriptor, [0xFF, 0x0A, 0xC3] as [UInt8], 3) == 3)
            #expect(record.read() == (strange + ["\u{FFFD}"]).map { $0[...] })
            #expect(AggregatorRun(record.read() ?? []) == nil)
        }
    }

    @Test func linesOfAnAggregationPoint() throws {
        let name = "gateway-1".utf8.map { String($0, radix: 16) }.joined() + String(repeating: "00", count: 31)
        let line = "bond session=7 key=9 client=\(name) haap=10.9.0.1 legs=1@10.2.0.2 heard=1 "
            + "parameters=1,100,3,0,1,1,10,0,30 sync=0 bypass=0 primary=false hello=active host=::/0 commit=1 number=3"
        let bond = try #require(AggregationRecord.read(line[...])).record
        #expect(bond.line(number: 3) == line)
        var moved = bond
        moved.legs[.secondary] = IPAddress("10.2.0.3")!
        func run(_ lines: [String]) -> AggregatorRun? { AggregatorRun(lines.map { $0[...] }) }
        let all = try #require(run(["rp_filter eth0 1", bond.line(number: 3), moved.line(number: 3)]))
        #expect(all.filters == ["eth0": .strict] && all.bonds.count == 1)
        #expect(all.bonds[7]?.bond == moved && all.bonds[7]?.number == 3)
        let isDevice = all.isDevice("bond")
        #expect(isDevice("bond3") && !["bond", "bond0", "bond30", "bond3x", "3", "eth3"].contains(where: isDevice))
        #expect(run([bond.line(number: 3), "gone 7"])?.bonds.isEmpty == true)
        for wrong in ["gone x", "rp_filter eth0 9", "rp_filter  1", "nonsense", ""] { #expect(run([wrong]) == nil) }
    }

    /// What is known of LTE goes with the leg of which it was found out.
    @Test func whatAnAggregationPointKnowsOfLTE() throws {
        let name = "gateway-1".utf8.map { String($0, radix: 16) }.joined() + String(repeating: "00", count: 31)
        let both = "bond session=7 key=9 client=\(name) haap=10.9.0.1 legs=0@10.1.0.2,1@10.2.0.2 heard=1 "
            + "parameters=1,100,3,0,1,1,10,0,30 sync=0 bypass=0 primary=false hello=active host=::/0 commit=1 number=3"
        let alone = both.replacing(",1@10.2.0.2 heard=1", with: " heard=0")
        let rate = "lte session=7 rate=1750000 capacity=1800000 base=50000000 worth=true"
        func rates(_ lines: [String]) -> [UInt32: LegRateRecord]? { AggregatorRun(lines.map { $0[...] })?.rates }
        let known = try #require(LegRateRecord.read(rate[...])).record
        #expect(rates([both]) == [:], "a record without it is good")
        #expect(rates([both, rate]) == [7: known] && rates([both, rate, both]) == [7: known])
        let other = rate.replacing("worth=true", with: "worth=false")
        #expect(rates([both, rate, other])?[7]?.isWorthUsing == false, "the last one holds")
        #expect(rates([both, rate, alone]) == [:] && rates([both, rate, alone, both]) == [:], "the leg was lost")
        #expect(rates([both, rate, both.replacing("10.2.0.2", with: "10.2.0.3")]) == [:], "the leg moved")
        #expect(rates([both, rate, "gone 7"]) == [:] && rates([both, rate, "gone 7", both]) == [:])
        #expect(rates([rate, both]) == [:] && rates([both, rate.replacing("=7", with: "=8")]) == [:], "of no bond")
        #expect(rates([both, rate.replacing("worth=true", with: "worth=1")]) == nil)
    }

    /// What RADIUS servers granted a bond goes with it.
    @Test func whatAnAggregationPointWasGranted() throws {
        let name = "gateway-1".utf8.map { String($0, radix: 16) }.joined() + String(repeating: "00", count: 31)
        let bond = "bond session=7 key=9 client=\(name) haap=10.9.0.1 legs=1@10.2.0.2 heard=1 "
            + "parameters=1,100,3,0,1,1,10,0,30 sync=0 bypass=0 primary=false hello=active host=::/0 commit=1 number=3"
        let grant = "grant session=7 name=6500000000000007 source=10.2.0.2 begun=5 until=- started=false counted= "
            + "attributes=010361"
        func grants(_ lines: [String]) -> [UInt32: GrantRecord]? { AggregatorRun(lines.map { $0[...] })?.grants }
        let known = try #require(GrantRecord.read(grant[...]))
        #expect(known.line == grant && known.accounted.userName == "a")
        #expect(grants([bond]) == [:], "a record without it is good")
        #expect(grants([bond, grant]) == [7: known] && grants([bond, grant, bond]) == [7: known])
        let started = grant.replacing("started=false", with: "started=true")
        #expect(grants([bond, grant, started])?[7]?.isStarted == true, "the last one holds")
        #expect(grants([bond, grant, "gone 7"]) == [:] && grants([bond, grant, "gone 7", bond]) == [:])
        #expect(grants([grant, bond]) == [:], "of no bond")
        #expect(grants([bond, grant + " "]) == nil)
    }

    @Test func whatAGatewayKnowsOfLTE() throws {
        let bond = "bond session=7 key=9 haap=10.9.0.1 up=8000 down=8000 bypass=0 legs=0@10.1.0.2,1@10.2.0.2 "
            + "parameters=1,100,3,0,1,1,10,0,30 hello=active far=false left=false diagnostic=false delegated=::/0 "
            + "host=::/0"
        let rate = "lte session=7 rate=1750000 capacity=- base=50000000 worth=true"
        func run(_ lines: [String]) -> GatewayRun? { GatewayRun(lines.map { $0[...] }) }
        let all = try #require(run([rate, bond]))
        #expect(all.rate == LegRateRecord.read(rate[...])?.record && all.rate?.base == .milliseconds(50))
        #expect(all.lines == [rate, bond])
        #expect(run([bond])?.bond == all.bond && run([bond])?.rate == nil, "a record without it is good")
        let none = GatewayRun(filters: [:], bond: nil, lease4: nil, lease6: nil, rate: all.rate)
        #expect(none.lines.isEmpty, "without a bond nothing is known")
        for wrong in [[rate], [rate, rate, bond], [bond, rate], [rate.replacing("=7", with: "=8"), bond]] {
            #expect(run(wrong) == nil, "\(wrong)")
        }
    }

    @Test func linesOfAGateway() throws {
        let line = "lease4 100.64.0.2 100.64.0.1 32 1400 example.net 192.0.2.53 100 200 300"
        let lease = try #require(DHCPv4Lease(line: line[...]))
        #expect(lease.line == line && lease.interfaceMTU == 1400)
        let line6 = "lease6 00030001020304050607 2001:db8:a::/56@100@200 - 50 80"
        let lease6 = try #require(DHCPv6Lease(line: line6[...]))
        #expect(lease6.line == line6)
        let run = GatewayRun(filters: ["dsl": .strict], bond: nil, lease4: lease, lease6: lease6)
        #expect(GatewayRun(run.lines.map { $0[...] }) == run)
        for wrong in [
            line + " 1", line.replacing("100 200", with: "300 200"), line.replacing("100.64.0.2", with: "224.0.0.1"),
            line.replacing(" 32 ", with: " 33 "), line.replacing("example.net", with: "a;b"), line6 + " ",
            line6.replacing("/56", with: "/65"), line6.replacing("@100@200", with: "@300@200"),
            line6.replacing("0003", with: "000"), "lease4", "lease6", "bond",
        ] { #expect(GatewayRun([wrong[...]]) == nil, "\(wrong)") }
    }

    @Test func numbersOfBondsComeBack() {
        var numbers = BondNumbers()
        let given = [numbers.take(1, as: 2), numbers.take(2, as: 2), numbers.take(1, as: 0)]
        #expect(given == [true, false, false])
        let (third, fourth, fifth) = (numbers.take(3), numbers.take(4, as: 1), numbers.take(5))
        #expect(third == 0 && fourth && fifth == 3)
        let far = numbers.take(6, as: .max)
        #expect(!far, "a record may hold anything")
        for session: UInt32 in [3, 5, 4] { numbers.release(session) }
        #expect((7...10).map { numbers.take($0) } == [0, 1, 3, 4], "the lowest first")
    }

    @Test func whatIsLeftToDoForABondIsDoneOnce() {
        var takeover = Takeover(of: 4)
        for id: UInt32 in 1...3 { takeover.add(id, [.sampleTraffic(sessionID: id)]) }
        let early = [takeover.takeBond(2), takeover.takeBond(2), takeover.takeBond(9)]
        #expect(early == [[.sampleTraffic(sessionID: 2)], nil, nil])
        let rest = Set([takeover.next(), takeover.next(), takeover.next()])
        #expect(rest == [[.sampleTraffic(sessionID: 1)], [.sampleTraffic(sessionID: 3)], nil])
        #expect(takeover.count == 3 && takeover.of == 4)
    }
}

/// A second run in the place of a first one that was killed, in a real kernel.
@Suite(.serialized, .kernel) struct AdoptionKernelTests {
    typealias Bonds = ReconciliationKernelTests

    private func withKilledRun(_ variant: Bonds.Variant, _ body: (KernelState) throws -> Void) throws {
        try inNewNamespace { (first) throws -> Void in
            for (name, network) in [("dsl", 1), ("lte", 2), ("lan", 3)] {
                try shell("ip link add \(name) type dummy && ip addr add 10.\(network).0.2/24 dev \(name)")
                try shell("ip link set \(name) up")
            }
            try shell("echo 1 > /proc/sys/net/ipv4/conf/dsl/rp_filter")
            apply(to: first, variant)
            let second = try KernelState { Issue.record("\($0)") }
            if variant == .queue { try second.loadScheduler() }
            second.beginAdoption(first.formerFilters)
            try body(second)
            second.clear()
        }
    }

    private func apply(to state: KernelState, _ variant: Bonds.Variant) {
        let canonical = CanonicalDevice.objects(
            local: .v4(IPv4Address(192, 0, 0, 8)), remote: IPPrefix("192.0.0.9/32")!, protocol: 157)
        let tables = [KernelObject.ruleset(Bonds.outer.ruleset()), .ruleset(SourceTable.ruleset())]
        #expect(state.apply(canonical + tables, for: .base))
        #expect(state.apply(Bonds.objects(variant), for: .bond(0)))
    }

    private static let scope = SweepScope(
        kernel: KernelConfiguration(), requestIDs: 5300...5301, takesAddresses: true)

    /// A piece at a time.
    /// - Returns: how many there were
    @discardableResult
    private func adopt(_ state: KernelState) -> Int {
        var slices = 1
        while !state.adopt(Self.scope, slice: .nanoseconds(1)) { slices += 1 }
        return slices
    }

    /// Until it was the bond's turn; tables come last.
    private func compareBond(_ state: KernelState) {
        while state.isHeld(.bond(0)) { #expect(!state.adopt(Self.scope, slice: .nanoseconds(1))) }
    }

    @Test(arguments: Bonds.Variant.allCases) func whatIsThereIsTakenOver(_ variant: Bonds.Variant) throws {
        try withKilledRun(variant) { second in
            let before = try shell("ip -o link | cut -d: -f1,2; tc filter show dev bond0 egress")
            apply(to: second, variant)
            #expect(second.changes == 0)
            // With a queue the program is this run's own, and takes the place of the one before.
            let slices = adopt(second)
            #expect(slices > 1)
            #expect(second.quietDrift == (variant == .queue ? 1 : 0))
            #expect(second.drift.isEmpty && second.suspects.isEmpty)
            let after = try shell("ip -o link | cut -d: -f1,2; tc filter show dev bond0 egress")
            if variant != .queue { #expect(after == before) }
            #expect((variant == .queue) == (second.scheduled["bond0"] != nil))
            let changes = second.changes
            second.suspectAll()
            second.restUntil = Instant(nanoseconds: 0)
            while !second.suspects.isEmpty { _ = second.mend(Clock.now()) }
            #expect(second.changes == changes && second.drift.isEmpty, "\(second.drift)")
            second.clear()
            #expect(try shell("cat /proc/sys/net/ipv4/conf/dsl/rp_filter") == "1\n", "as before the first run")
        }
    }

    /// A bond's other MTU, asked for before or after what it had was compared.
    @Test(arguments: Bonds.Variant.allCases) func bondsBecomeOthersMeanwhile(_ variant: Bonds.Variant) throws {
        for isCompared in [false, true] {
            try withKilledRun(variant) { second in
                apply(to: second, variant)
                if isCompared { compareBond(second) }
                let objects = Bonds.objects(variant).map { object in
                    guard case .link(let name, var settings) = object else { return object }
                    settings.mtu = 1300
                    return .link(name: name, settings)
                }
                let changes = second.changes
                #expect(second.apply(objects, for: .bond(0)))
                #expect((second.changes != changes) == isCompared)
                adopt(second)
                let device = try shell("ip link show bond0")
                #expect(device.contains("mtu 1300"))
                #expect(second.suspects.isEmpty && second.drift.isEmpty)
            }
        }
    }

    @Test(arguments: Bonds.Variant.allCases) func bondsEndMeanwhile(_ variant: Bonds.Variant) throws {
        for isCompared in [false, true] {
            try withKilledRun(variant) { second in
                apply(to: second, variant)
                if isCompared { compareBond(second) }
                let differed = second.quietDrift
                #expect(second.apply([], for: .bond(0)))
                let devices = try shell("ip link")
                #expect(!devices.contains("bond0"), "at once")
                adopt(second)
                #expect(second.quietDrift == differed && second.drift.isEmpty, "and with all that it had in tables")
            }
        }
    }

    @Test func whatIsWantedNoMoreGoesAndWhatDiffersIsMended() throws {
        try withKilledRun(.police) { second in
            try shell(
                """
                ip link add left0 type dummy; ip link set left0 alias 'spillway left'; ip link add theirs0 type dummy
                ip route add 10.99.0.0/16 dev lan table 5300 proto 157; ip route add 10.98.0.0/16 dev lan proto 99
                ip rule add priority 5314 lookup 77 proto 157; ip rule add priority 5313 lookup 77 proto 99
                nft add table inet spillway_names; nft add table inet theirs; ip link set bond0 mtu 1300
                ip -6 addr add 2001:db8:78::1/64 dev lan
                """)
            let left = InterfaceAddress(
                link: second.index(of: "lan"), address: IPPrefix("2001:db8:77::1/64")!, protocol: 157)
            try Exchange(NetlinkSocket(.route)).perform(left.replace())
            apply(to: second, .police)
            adopt(second)
            #expect(second.quietDrift == 1, "the MTU")
            let text = try shell("ip link; ip route show table all; ip rule; nft list tables; ip -6 addr")
            for gone in ["left0", "10.99.0.0", "5314", "spillway_names", "mtu 1300", "2001:db8:77::1"] {
                #expect(!text.contains(gone), "\(gone)")
            }
            for stays in ["theirs0", "10.98.0.0", "5313", "inet theirs", "mtu 1468", "2001:db8:78::1", "bond0"] {
                #expect(text.contains(stays), "\(stays)")
            }
        }
    }
}
