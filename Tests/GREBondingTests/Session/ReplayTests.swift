import Addresses
import TestSupport
import Testing

@testable import GREBonding

/// Numbers given in advance, for the session and key of the vectors.
private struct Scripted: RandomNumberGenerator, Sendable {
    var numbers: [UInt64]
    mutating func next() -> UInt64 { numbers.isEmpty ? 0x8000_0000 : numbers.removeFirst() }
}

/// The session of Vectors/deployed-session.json, replayed: what our gateway and our aggregator say, given the same
/// inputs, is byte for byte what the deployed ones said.
@Suite struct ReplayTests {
    private static let e = IPAddress.v6(IPv6Address(high: 0x2001_0db8_5000_0001, low: 1))
    private static let d = IPAddress.v6(IPv6Address(high: 0x2001_0db8_5000_0002, low: 1))
    private static let g = IPAddress.v6(IPv6Address(high: 0x2001_0db8_5200_0000, low: 1))
    private static let h = IPAddress.v6(IPv6Address(high: 0x2001_0db8_5200_0100, low: 6))

    private func vector(_ name: String) throws -> DeployedSession.Message {
        try #require(DeployedSession.messages.first { $0.name == name })
    }

    private func message(_ name: String) throws -> ControlMessage {
        try ControlMessage(parsing: vector(name).bytes, dialect: .deployed)
    }

    private func prefix(_ name: String) throws -> AssignedIPv6Prefix {
        try #require(message(name).ipv6PrefixAssignedToHost)
    }

    private static func at(_ seconds: Int64, _ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: (seconds * 1000 + milliseconds) * 1_000_000)
    }

    @Test func gatewaySaysWhatTheDeployedOneSaid() throws {
        var unspecified = [UInt8](repeating: 0, count: 32)
        unspecified.replaceSubrange(0..<6, with: Array("BRAS01".utf8))
        var gateway = HomeGatewaySession(
            settings: .init(
                client: ClientIdentificationName("ExampleGateway_01.02.003")!, aggregator: Self.g,
                dslSynchronizationRate: 73_533,
                extraAttributes: [
                    .primary: [.unknown(type: 53, value: [0, 0, 0, 3]), .unknown(type: 54, value: unspecified)]
                ],
                monitorsTraffic: true),
            random: SplitMix(state: 1))
        var said: [String] = []
        var lists: [[FilterItem]] = []
        func give(_ input: HomeGatewaySession.Input, _ now: Instant) {
            for effect in gateway.handle(input, now: now) {
                if case .send(let message, let leg, let to) = effect {
                    #expect(to == (message.type == .setupRequest && leg == .secondary ? Self.g : Self.h))
                    said.append(message.serialized(dialect: .deployed).hex)
                }
                if case .filterList(let items) = effect { lists.append(items) }
            }
        }
        func hear(_ name: String, _ now: Instant) throws {
            let message = try message(name)
            give(.message(message, on: message.leg, from: message.type == .setupAccept ? Self.g : Self.h), now)
        }
        func expect(_ names: String...) throws {
            #expect(said == (try names.map { try vector($0).hex }), "\(names)")
            said = []
        }
        give(.wanUp(.secondary, Self.e), Self.at(3630, 0))
        try expect("lte-022-setup-request")
        try hear("lte-023-setup-accept", Self.at(3630, 50))
        try expect("lte-024-notify", "lte-025-notify")
        try hear("lte-026-notify", Self.at(3630, 100))
        try hear("lte-027-notify", Self.at(3630, 101))
        #expect(gateway.helloState == .idle)
        // The first Hello of a new leg comes a second later; the capture begins after it.
        give(.timeout, Self.at(3631, 50))
        #expect(said.count == 1)
        said = []
        var answer = try message("lte-083-hello")
        answer.attributes[0] = .timestamp(Timestamp(seconds: 3631, milliseconds: 50))
        give(.message(answer, on: .secondary, from: Self.h), Self.at(3631, 100))
        try expect()
        give(.prefixAssigned(try prefix("lte-033-notify")), Self.at(3631, 200))
        try expect("lte-033-notify")
        try hear("lte-034-notify", Self.at(3631, 250))
        try hear("lte-040-notify", Self.at(3632, 500))
        try expect("lte-041-notify")
        #expect(lists.count == 1 && lists.first?.count == 14)
        #expect(gateway.wantsTrafficSampleAt != nil)
        // Traffic wakes the bond and brings the next Hello forward.
        give(.traffic(TrafficSample(received: [.secondary: 7])), Self.at(3632, 646))
        try expect("lte-042-notify", "lte-082-hello")
        try hear("lte-083-hello", Self.at(3632, 690))
        try hear("lte-043-notify", Self.at(3632, 691))
        #expect(gateway.helloState == .active)
        give(.timeout, Self.at(3642, 645))
        try expect()
        give(.timeout, Self.at(3642, 674))
        try expect("lte-102-hello")
        try hear("lte-103-hello", Self.at(3642, 700))
        give(.prefixAssignedToHost(try prefix("lte-340-notify")), Self.at(3643, 0))
        try expect("lte-340-notify")
        try hear("lte-341-notify", Self.at(3643, 50))

        give(.wanUp(.primary, Self.d), Self.at(3645, 0))
        try expect("dsl-014-setup-request")
        try hear("dsl-015-setup-accept", Self.at(3645, 20))
        #expect(gateway.configuredDownstreamRate == 69_122)
        #expect(gateway.bond?.committedInformationRate == 28_787)
        #expect(gateway.wantsBypassSampleAt == Self.at(3655, 20))
        give(.bypassTraffic(691), Self.at(3645, 100))
        try expect("dsl-019-notify")
        try hear("dsl-020-notify", Self.at(3645, 120))
        try expect()
        #expect(gateway.notifies.isEmpty)
        #expect(gateway.bond?.distribution == .overflow(.primary, .secondary))

        // The Hellos of the DSL leg, two minutes on; those of the LTE leg are not in the capture.
        for (seconds, milliseconds, hello, echo) in [
            (Int64(3767), Int64(191), "dsl-040-hello", "dsl-041-hello"),
            (3777, 220, "dsl-062-hello", "dsl-063-hello"),
        ] {
            give(.timeout, Self.at(seconds, milliseconds))
            #expect(said.contains(try vector(hello).hex))
            try hear(echo, Self.at(seconds, milliseconds + 20))
        }
        #expect(gateway.roundTripTime(of: .primary)?.last == .milliseconds(20))
    }

    @Test func aggregatorSaysWhatTheDeployedOneSaid() throws {
        var parameters = SessionParameters()
        parameters.helloRetryTimes = 10
        parameters.idleHelloInterval = 1000
        parameters.noTrafficMonitoredInterval = 180
        let zero = Attribute.unknown(type: 65, value: [0, 0, 0, 0])
        var point = AggregationPoint(
            settings: .init(
                addresses: [Self.h], parameters: parameters, dialect: .deployed,
                extraAttributes: [
                    .secondary: [zero],
                    .primary: [
                        .unknown(type: 56, value: [0, 0, 0, 50]), .unknown(type: 57, value: [0, 0, 0, 29]), zero,
                    ],
                ], firstCommitCount: 0x5bc7_d709),
            random: Scripted(numbers: [0x8818, 0x5a5a_2a36]))
        var now = Self.at(100, 0)
        var said: [String] = []
        func give(_ input: AggregationPoint.Input) {
            for effect in point.handle(input, now: now) {
                switch effect {
                case .send(let message, _, let to):
                    #expect(to == (message.leg == .secondary ? Self.e : Self.d))
                    said.append(message.serialized(dialect: .deployed).hex)
                case .authorize(let request):
                    give(.authorized(request, .granted(Authorization(dslUpstream: 28_787, dslDownstream: 69_122))))
                case .bond, .sampleTraffic, .delaysChanged, .event: break
                }
            }
        }
        func expect(_ name: String) throws {
            #expect(said == [try vector(name).hex], "\(name)")
            said = []
        }
        var heard = 0
        for (question, answer) in [
            ("lte-022-setup-request", "lte-023-setup-accept"), ("lte-025-notify", "lte-026-notify"),
            ("lte-024-notify", "lte-027-notify"), ("lte-033-notify", "lte-034-notify"),
            ("lte-042-notify", "lte-043-notify"), ("lte-082-hello", "lte-083-hello"),
            ("lte-102-hello", "lte-103-hello"), ("lte-340-notify", "lte-341-notify"),
            ("dsl-014-setup-request", "dsl-015-setup-accept"), ("dsl-019-notify", "dsl-020-notify"),
            ("dsl-040-hello", "dsl-041-hello"), ("dsl-062-hello", "dsl-063-hello"),
        ] {
            now = now + .milliseconds(100)
            let message = try message(question)
            give(
                .message(
                    message, from: message.leg == .secondary ? Self.e : Self.d,
                    to: message.key == 0 ? Self.g : Self.h))
            try expect(answer)
            heard += 1
            if question == "lte-033-notify" {
                let items = try #require(self.message("lte-040-notify").filterListPackages.first).items
                give(.setFilterList(sessionID: 0x8818, items))
                try expect("lte-040-notify")
                now = now + .seconds(3)
                give(.timeout)
                try expect("lte-040-notify")
                give(.message(try self.message("lte-041-notify"), from: Self.e, to: Self.h))
                #expect(said.isEmpty && point.sessions[0x8818]?.notifies.isEmpty == true)
            }
        }
        #expect(heard == 12)
        #expect(point.sessions[0x8818]?.bypassRate == 691)
        #expect(point.sessions[0x8818]?.bond?.committedInformationRate == 68_431)
    }
}
