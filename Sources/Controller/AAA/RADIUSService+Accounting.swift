import EventLog
import GREBonding
import Glibc
import Logging
import NFTables
import ProtocolSupport
import RADIUS

// What bonds have carried, told to the accounting servers (RFC 2866).
extension RADIUSService {
    func account(_ input: Accounting.Input) {
        let before = accounting?.statistics.dropped ?? 0
        guard let effects = accounting?.handle(input, now: RADIUSClock.now()) else { return }
        if let dropped = accounting?.statistics.dropped, dropped > before {
            log(.warning, "radius-dropped", "an accounting record was given up", ["dropped": dropped])
        }
        for effect in effects {
            switch effect {
            case .ask(let ticket, let request): accountingServers?.ask(ticket, request)
            case .measure(let id): account(.measured(id, usage(id)))
            case .started(let id):
                guard sessions[id] != nil else { continue }
                sessions[id]?.isStarted = true
                unrecorded.insert(id)
                aggregator?.writeRecords()
            }
        }
    }

    /// An element that counted for a bond is gone; the kernel's last word on it.
    func counted(_ id: UInt32, _ deleted: DeletedElement) {
        guard let counter = deleted.element.counter else { return }
        for leg in [LegID.primary, .secondary] {
            var traffic = LegTraffic()
            switch deleted.set {
            case OuterTable.peersName(leg.statusName): traffic.received = counter
            case OuterTable.destinationsName(leg.statusName): traffic.sent = counter
            default: continue
            }
            sessions[id]?.counted[leg, default: LegTraffic()].add(traffic)
            unrecorded.insert(id)
        }
    }

    /// All that a bond has carried: what elements that are gone had counted, and what those that are there have.
    func usage(_ id: UInt32) -> Usage {
        Usage(sessions[id]?.counted ?? [:], aggregator?.traffic(of: id) ?? [:])
    }

    /// A bond is over, and its objects in the kernel are gone.
    func ended(_ id: UInt32, _ reason: BondDownReason) {
        ends.remove(id)
        let cause = causes.removeValue(forKey: id) ?? TerminateCause(reason)
        account(.end(id, usage(id), cause))
        if let client = sessions.removeValue(forKey: id)?.client, ids[client] == id { ids[client] = nil }
    }

    /// The program ends. What is on its way to servers is given a little time.
    /// - Parameter leaves: bonds go on with the next run, and servers do not hear of it; else they have ended before
    func finish(leaves: Bool) {
        if !leaves { account(.service(on: false, nas.attributes)) }
        let limit = RADIUSClock.now() + .seconds(3)
        while let accounting, !accounting.isIdle, RADIUSClock.now() < limit, accounting.inFlight > 0 {
            var polled = (accountingServers?.descriptors ?? []).map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            let next = min(accountingServers?.deadline ?? limit, limit) - RADIUSClock.now()
            _ = poll(&polled, nfds_t(polled.count), Int32(clamping: max(1, next.milliseconds + 1)))
            accountingServers?.receive()
            accountingServers?.work()
        }
        if let accounting, !accounting.isIdle {
            log(
                .warning, "radius-dropped", "accounting records were not taken before the end",
                ["waiting": accounting.waiting + accounting.inFlight])
        }
    }
}

extension Usage {
    /// - Parameters:
    ///   - gone: what elements that are gone had counted
    ///   - present: what those that are there have
    init(_ gone: [LegID: LegTraffic], _ present: [LegID: LegTraffic]) {
        var sum = gone
        for (leg, traffic) in present { sum[leg, default: LegTraffic()].add(traffic) }
        var legs: [AccessLeg: Leg] = [:]
        for (leg, traffic) in sum {
            legs[leg == .primary ? .dsl : .lte] = .init(
                inputOctets: traffic.received.bytes, outputOctets: traffic.sent.bytes,
                inputPackets: traffic.received.packets, outputPackets: traffic.sent.packets)
        }
        self.init(legs)
    }
}

extension LegTraffic {
    mutating func add(_ other: LegTraffic) {
        received.add(other.received)
        sent.add(other.sent)
    }
}

extension Counter {
    fileprivate mutating func add(_ other: Counter) {
        self = Counter(packets: packets &+ other.packets, bytes: bytes &+ other.bytes)
    }
}

extension TerminateCause {
    init(_ reason: BondDownReason) {
        self =
            switch reason {
            case .allLegsLost: .lostService
            case .tornDown(.maintenance?): .adminReset
            case .tornDown: .userRequest
            case .idleTimeout: .idleTimeout
            case .replaced: .portPreempted
            case .stopped: .adminReboot
            }
    }
}
