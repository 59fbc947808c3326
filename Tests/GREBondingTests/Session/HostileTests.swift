import Addresses
import ProtocolSupport
import TestSupport
import Testing

@testable import GREBonding

/// Messages that look valid, from anybody, to both machines: nothing traps, nothing grows, and what does not carry the
/// key from the right place changes no bond.
@Suite struct HostileTests {
    private struct Attacker {
        var random: SplitMix

        mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }

        mutating func attribute() -> Attribute {
            let wild = UInt32.random(in: .min ... .max, using: &random)
            let small = UInt32.random(in: 0...3, using: &random)
            switch Int.random(in: 0..<14, using: &random) {
            case 0: return .sessionID(pick([0, wild, small]))
            case 1: return .bondingKeyValue(pick([0, wild]))
            case 2: return .hIPv4Address(IPv4Address(rawValue: pick([0, wild, 0x0a09_0001, .max])))
            case 3: return .timestamp(Timestamp(seconds: pick([small, wild]), milliseconds: pick([0, wild])))
            case 4: return .errorCode(ErrorCode(rawValue: pick([small, wild])))
            case 5:
                return .filterListPackage(
                    FilterListPackage(
                        commitCount: pick([small, wild]), packetSum: UInt16(truncatingIfNeeded: pick([small, wild])),
                        packetID: UInt16(small),
                        items: Array(Sample.filterItems.prefix(Int.random(in: 0...14, using: &random)))))
            case 6:
                return .filterListPackageACK(
                    FilterListPackageACK(commitCount: pick([small, wild]), code: .init(rawValue: UInt8(small))))
            case 7: return pick([.activeHelloInterval(wild), .idleTimeout(wild), .helloRetryTimes(wild)])
            case 8: return pick([.rttDifferenceThreshold(wild), .rttDifferenceThresholdViolation(wild)])
            case 9: return .configuredDSLUpstreamBandwidth(wild)
            case 10: return .clientIdentificationName(ClientIdentificationName("gateway-\(small)")!)
            case 11: return .bypassTrafficRate(wild)
            case 12: return .unknown(type: UInt8(truncatingIfNeeded: wild), value: [1, 2])
            default: return pick(Sample.notifyAttributes)
            }
        }

        mutating func message(keys: [UInt32]) -> ControlMessage {
            ControlMessage(
                type: pick(MessageType.allCases), leg: pick([.primary, .secondary, LegID(rawValue: 7)]),
                key: pick(keys),
                attributes: (0..<Int.random(in: 0...6, using: &random)).map { _ in attribute() })
        }
    }

    private func source(_ n: UInt8) -> IPAddress { .v4(IPv4Address(10, 66, 0, n)) }

    /// Whoever has the key may do anything to his own bond, but nothing may trap or grow.
    @Test func nothingTrapsOrGrows() throws {
        var pair = Pair(seed: 5, monitorsTraffic: true)
        pair.checksWire = false
        pair.start()
        pair.run(for: .seconds(2))
        var attacker = Attacker(random: SplitMix(state: 77))
        for round in 0..<60_000 {
            let key = pair.gatewayBond?.key ?? 1
            let other = pair.point.sessions.values.map(\.key).min() ?? 1
            let message = attacker.message(keys: [0, key, key, other, 9])
            let leg = attacker.pick([LegID.primary, .secondary, message.leg])
            let from = attacker.pick([
                Pair.addresses[.primary]!, Pair.addresses[.secondary]!, Pair.h, source(UInt8(round & 7)),
                .any(.v4),
            ])
            if Bool.random(using: &attacker.random) {
                _ = pair.gateway.handle(.message(message, on: leg, from: from), now: pair.now)
            } else {
                for case .authorize(let asked) in pair.point.handle(
                    .message(message, from: from, to: Pair.h), now: pair.now)
                where Bool.random(using: &attacker.random) {
                    _ = pair.point.handle(.authorized(asked, .granted(Authorization())), now: pair.now)
                }
            }
            pair.now = pair.now + .milliseconds(Int.random(in: 0...200, using: &attacker.random))
            _ = pair.gateway.handle(.timeout, now: pair.now)
            _ = pair.point.handle(.timeout, now: pair.now)
            #expect(pair.gateway.notifies.entries.count <= NotifyTopic.allCases.count)
            #expect(pair.gateway.legs.count == 2)
            #expect(pair.point.sessions.count <= 4, "one for each name")
            #expect(pair.point.sessionOfKey.count == pair.point.sessions.count)
            #expect(pair.point.sessionOfClient.count == pair.point.sessions.count)
            #expect(pair.point.deadlines.count == pair.point.sessions.count)
            #expect(pair.point.pending.count <= 64 && pair.point.pending.isConsistent)
            if let deadline = pair.gateway.deadline { #expect(deadline > pair.now) }
            if let deadline = pair.point.deadline { #expect(deadline > pair.now) }
        }
    }

    /// Without the key, or from another address than the leg's, nothing about a bond changes.
    @Test func forgedMessagesChangeNoBond() throws {
        var pair = Pair(seed: 6)
        pair.checksWire = false
        pair.start()
        pair.run(for: .seconds(2))
        let bond = try #require(pair.gatewayBond)
        let session = try #require(pair.point.sessions[bond.sessionID])
        let legs = pair.gateway.legs
        var attacker = Attacker(random: SplitMix(state: 78))
        for round in 0..<30_000 {
            let hasKey = Bool.random(using: &attacker.random)
            var message = attacker.message(keys: hasKey ? [bond.key] : [0, bond.key ^ 1, 12])
            message.attributes.removeAll { if case .sessionID = $0 { hasKey } else { false } }
            let from =
                hasKey
                ? source(UInt8(round & 63)) : attacker.pick([Pair.h, Pair.addresses[.primary]!, source(1)])
            let leg = attacker.pick([LegID.primary, .secondary])
            _ = pair.gateway.handle(.message(message, on: leg, from: from), now: pair.now)
            for case .authorize(let asked) in pair.point.handle(
                .message(message, from: from, to: Pair.h), now: pair.now)
            where asked.client != Pair.name {
                _ = pair.point.handle(.authorized(asked, .granted(Authorization())), now: pair.now)
            }
            var now = pair.point.sessions[bond.sessionID]
            // A request under the bond's name starts a verification, which the bond survives: SessionTests.
            now?.verification = nil
            #expect(now == session)
            #expect(pair.gatewayBond == bond && pair.gateway.legs == legs && pair.gateway.bond == bond)
        }
    }

    @Test func aFloodOfRequestsIsBounded() {
        var point = AggregationPoint(
            settings: .init(addresses: [Pair.h], parameters: .init(), dialect: .rfc8157), random: SplitMix(state: 1))
        let now = Instant(nanoseconds: 0)
        for n in 0..<30_000 {
            let request = ControlMessage(
                type: .setupRequest, leg: .secondary, key: 0,
                attributes: [.clientIdentificationName(ClientIdentificationName("\(n)")!)])
            let from = IPAddress.v4(IPv4Address(rawValue: 0x0b00_0000 + UInt32(n / 20)))
            _ = point.handle(.message(request, from: from, to: Pair.h), now: now)
        }
        #expect(point.pending.count == Constants.pendingAuthorizations && point.pending.isConsistent)
        var answers = 0
        while let deadline = point.deadline { answers += point.handle(.timeout, now: deadline).count }
        #expect(answers == 2 * Constants.pendingAuthorizations)
        #expect(point.pending.count == 0 && point.pending.sources == 0)
    }
}
