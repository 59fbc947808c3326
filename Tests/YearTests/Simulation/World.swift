import Addresses
import TestSupport

@testable import GREBonding
@testable import Leases

/// Gateways and an aggregation point, each with the machines that it has in the program, on a virtual clock; between
/// them a network that loses, doubles and delays. Time goes from one event to the next.
final class World {
    static let h = IPAddress.v4(IPv4Address(10, 9, 0, 1))

    /// What the network does to all messages, per cent and on top of each leg's delay.
    struct Channel {
        var loss = 0
        var duplication = 0
        var jitter = Duration.zero
    }

    enum Authority { case answers, delays(Duration), isSilent }

    enum Packet {
        case control(ControlMessage, toGateway: Bool, source: IPAddress, destination: IPAddress)
        /// Inside the bond with this Session ID.
        case lease(home: Int, session: UInt32, toGateway: Bool, isV6: Bool, bytes: [UInt8])
        case answer(AuthorizationRequest)

        /// Such a packet is lost and late as others are, but never doubled. An ACK names its list, not its package
        /// (RFC 8157 §5.6.12), so that a doubled one cannot be told from the one of the next package: a list is taken
        /// to be whole when that package is lost at the same moment.
        var isOfFilterList: Bool {
            guard case .control(let message, _, _, _) = self else { return false }
            return message.contains(.filterListPackage) || message.contains(.filterListPackageACK)
        }
    }

    enum Timer: Equatable {
        case point, server4, server6
        case session(Int), traffic(Int), bypass(Int), client4(Int), client6(Int), quota(Int)
        case packet(UInt64)
    }

    private(set) var now: Instant
    /// What the wall clock is ahead of the true time, nanoseconds.
    var clockStep: Int64 = 0
    var random: SplitMix
    var homes: [Home] = []
    var point: AggregationPoint
    var pointBonds: [UInt32: Bond] = [:]
    var authority = Authority.answers
    var channel = Channel()
    var filterList: [FilterItem] = []
    var server4: DHCPv4Server
    var server6: DHCPv6Server
    var serversAreUp = true
    var files: (v4: [String], v6: [String]) = ([], [])
    var routes: [IPPrefix: ClientIdentity] = [:]
    private(set) var problems: [String] = []
    /// What the machines said of themselves last.
    private(set) var history: [String] = []

    private var timers = Timers<Timer>()
    private var packets: [UInt64: Packet] = [:]
    private var lastPacket: UInt64 = 0
    private var stalled = 0
    /// Events so far, and in the minute that is under way.
    private(set) var events = 0
    private var minute = (number: Int64(0), events: 0)
    private(set) var busiestMinute = 0
    private(set) var mostPackets = 0
    var restarts = 0
    /// Bonds so far, each with its own key, and leases given or renewed.
    var bonds = 0
    var leases = 0
    /// Since when nothing has gone wrong.
    var quietSince: Instant?
    /// Inputs of the aggregation point that are being worked off.
    var depth = 0

    static let start: Int64 = 1_700_000_000_000_000_000

    init(seed: UInt64, from now: Instant) {
        self.now = now
        random = SplitMix(state: seed)
        (server4, server6) = Self.servers()
        point = AggregationPoint(settings: Self.settings(), random: SplitMix(state: random.next()))
    }

    func report(_ problem: String) {
        let day = Double(now.nanoseconds) / 86_400e9
        if problems.count < 5 { problems.append("day \((day * 10_000).rounded() / 10_000): \(problem)") }
    }

    func remember(_ event: @autoclosure () -> String) {
        history.append("\(Double(now.nanoseconds / 1_000_000) / 1000) \(event())")
        if history.count > 60 { history.removeFirst() }
    }

    // MARK: Time

    var leaseTime: LeaseTime { LeaseTime(nanoseconds: now.nanoseconds) }
    var trueTime: Int64 { (Self.start + now.nanoseconds) / 1_000_000_000 }
    var wallTime: Int64 { (Self.start + now.nanoseconds + clockStep) / 1_000_000_000 }
    var wall: WallClock { WallClock(now: leaseTime, unixNanoseconds: Self.start + now.nanoseconds + clockStep) }

    func run(for duration: Duration) {
        let end = now + duration
        while problems.isEmpty, let next = timers.first, next.time <= end {
            if next.time > now {
                now = next.time
                stalled = 0
            } else {
                stalled += 1
                // Whatever happens at one moment is a handful of messages; more is a timer that stays in the past.
                if stalled > 2000 { return report("time stands still: \(next.id)") }
            }
            count()
            timers.set(next.id, nil)
            fire(next.id)
        }
        now = max(now, end)
    }

    private func count() {
        events += 1
        let number = now.nanoseconds / 60_000_000_000
        if number != minute.number { minute = (number, 0) }
        minute.events += 1
        busiestMinute = max(busiestMinute, minute.events)
        // Samples of the traffic every 50 ms, and messages: at sixty events a second for each gateway there is room for
        // all that may have to be done.
        if minute.events > homes.count * 60 * 60 { report("\(minute.events) events in a minute") }
    }

    private func fire(_ timer: Timer) {
        switch timer {
        case .point: give(.timeout)
        case .session(let i): give(i, .timeout)
        case .traffic(let i): giveTraffic(i)
        case .bypass(let i): give(i, .bypassTraffic(homes[i].bypass))
        case .client4(let i): give4(i, .timeout)
        case .client6(let i): give6(i, .timeout)
        case .server4, .server6: runServers()
        case .quota(let i): countQuota(i)
        case .packet(let number): if let packet = packets.removeValue(forKey: number) { deliver(packet) }
        }
    }

    func set(_ timer: Timer, _ time: Instant?) { timers.set(timer, time) }

    func set(_ timer: Timer, _ time: LeaseTime?) { set(timer, time.map { Instant(nanoseconds: $0.nanoseconds) }) }

    // MARK: The network

    func post(_ packet: Packet, on leg: LegID, of i: Int) {
        let doubles = random.happens(percent: channel.duplication) && !packet.isOfFilterList
        for _ in 0..<(doubles ? 2 : 1) {
            if homes[i].silent.contains(leg) || random.happens(percent: channel.loss) { continue }
            let jitter = channel.jitter.nanoseconds
            let extra: Int64 = jitter > 0 ? .random(in: 0..<jitter, using: &random) : 0
            post(packet, after: homes[i].delay[leg]! + .nanoseconds(extra))
        }
    }

    func post(_ packet: Packet, after delay: Duration) {
        lastPacket += 1
        packets[lastPacket] = packet
        mostPackets = max(mostPackets, packets.count)
        timers.set(.packet(lastPacket), now + delay)
    }

    private func deliver(_ packet: Packet) {
        switch packet {
        case .control(let message, true, let source, let destination):
            guard let i = home(of: destination), homes[i].links[message.leg] == destination else { return }
            give(i, .message(restored(message, i), on: message.leg, from: source))
        case .control(let message, false, let source, let destination):
            give(.message(message, from: source, to: destination))
        case .lease(let i, let session, let toGateway, let isV6, let bytes):
            guard homes[i].bond?.sessionID == session, pointBonds[session] != nil else { return }
            if toGateway { receiveLease(i, bytes, isV6: isV6) } else { askServers(i, bytes, isV6: isV6) }
        case .answer(let request): give(.authorized(request, verdict(request)))
        }
    }

    func home(of address: IPAddress) -> Int? {
        guard case .v4(let address) = address else { return nil }
        let index = Int(address.rawValue >> 8 & 255)
        return homes.indices.contains(index) ? index : nil
    }

    /// What is waited for, beside packets: no more than a few for each machine.
    var timersSet: Int { timers.count - packets.count }
    var underWay: Int { packets.count }
}
