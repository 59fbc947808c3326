import Addresses
import GREBonding
import Glibc
import Leases
import ProtocolSupport

/// The signal that ends the run before its time; 0: none came.
nonisolated(unsafe) private var signalled: sig_atomic_t = 0

private func endsAtSignals() {
    for number in [SIGINT, SIGTERM] { signal(number) { signalled = $0 } }
}

/// All simulated gateways and the one loop that runs them.
///
/// An Accept of a first request does not say whose it is but by the address that it goes to, so at most one gateway of
/// an address is set up at a time.
final class GatewayField {
    struct Load {
        var gateways: Int
        var aggregator: IPv4Address
        /// Addresses of each leg; the n-th gateway has the n-th of each, beginning anew at the end.
        var addresses: [LegID: [IPv4Address]]
        /// Of the CIN, `%` stands for the number.
        var name: String
        var dialect: Dialect
        /// Set-ups begun a second.
        var rate: Double
        /// Bonds ended and begun anew a second.
        var flaps: Double
        /// Whom they ask for echoes, so many a second each, in packets of so many bytes, one of so many by LTE.
        var echo: IPv4Address?
        var echoRate: Double
        var echoLength: Int
        var lteTurn: UInt32
        var seconds: Double
    }

    private let load: Load
    private let socket: OuterSocket
    private(set) var gateways: [SimulatedGateway] = []
    private(set) var tally = Tally()
    private var deadlines = DeadlineQueue<Instant, Int>()
    private var echoDeadlines = DeadlineQueue<Instant, Int>()
    private var byKey: [UInt32: Int] = [:]
    /// Who is being set up, by the place of the address; who waits for its turn.
    private var settingUp: [Int: Int] = [:]
    private var places: [IPv4Address: (leg: LegID, place: Int)] = [:]
    private var queue: [Int] = []
    private var queueStart = 0
    /// Whose bonds were lost: they begin anew.
    private var lost: [Int] = []
    private var setUpDebt = 0.0
    private var flapDebt = 0.0
    private var isEnding = false

    init(_ load: Load) throws(OuterSocket.Failure) {
        self.load = load
        socket = try OuterSocket()
        for (leg, addresses) in load.addresses {
            for (place, address) in addresses.enumerated() { places[address] = (leg, place) }
        }
        for number in 0..<load.gateways {
            let name = load.name.replacing("%", with: String(number))
            gateways.append(
                SimulatedGateway(
                    number: number, name: name, client: ClientIdentificationName(name) ?? .unnamed,
                    addresses: load.addresses.mapValues { $0[number % $0.count] }, aggregator: load.aggregator,
                    fetchesAddresses: load.echo != nil))
            queue.append(number)
        }
    }

    private static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Runs for the time of the load and a little more, in which bonds are given back.
    /// - Parameter each: is called about once a second with the seconds that are over
    func run(_ each: (Double) -> Void) -> Double {
        let begun = Self.now()
        let end = begun + .nanoseconds(Int64(load.seconds * 1e9))
        var before = begun
        var told = 0.0
        tally.firstRequest = begun
        endsAtSignals()
        while signalled == 0 {
            let now = Self.now()
            if now >= end { break }
            begin(now - before)
            before = now
            work(now)
            let over = Double((now - begun).nanoseconds) / 1e9
            if over >= told + 1 {
                told = over
                each(over)
            }
            wait(until: min(end, now + .milliseconds(100)), now)
        }
        // Replies that are still under way count.
        isEnding = true
        let patience = Self.now() + (load.echo == nil ? .zero : SimulatedGateway.patience)
        while case let now = Self.now(), now < patience {
            work(now)
            wait(until: patience, now)
        }
        let last = Self.now()
        for number in gateways.indices { gateways[number].giveUp(last + SimulatedGateway.patience) }
        return Double((last - begun).nanoseconds) / 1e9
    }

    var drops: UInt64 { socket.drops }

    /// Ends all bonds, a few at a time.
    func giveBack() {
        for number in gateways.indices {
            let now = Self.now()
            apply(gateways[number].leases.handle(.stop, now: LeaseTime(nanoseconds: now.nanoseconds)), number, now)
            apply(gateways[number].session.handle(.stop, now: now), number, now)
            if number % 50 == 49 { socket.wait(5) }
            while socket.receive({ _, _ in }) {}
        }
    }

    private func wait(until: Instant, _ now: Instant) {
        let next = [until, deadlines.first, echoDeadlines.first].compactMap { $0 }.min() ?? until
        let pause = max(0, (next - now).nanoseconds)
        // Set-ups that are to begin soon are begun a millisecond late at most.
        let isBusy = queueStart < queue.count || load.flaps > 0
        socket.wait(Int32(min(isBusy ? 1 : 100, (pause + 999_999) / 1_000_000)))
    }

    private func work(_ now: Instant) {
        // So that timers are not late by what there is to read.
        for _ in 0..<1024 { guard socket.receive({ packet, bytes in take(packet, bytes, now) }) else { break } }
        while let number = deadlines.popDue(now) {
            apply(gateways[number].session.handle(.timeout, now: now), number, now)
            apply(gateways[number].leases.handle(.timeout, now: LeaseTime(nanoseconds: now.nanoseconds)), number, now)
            schedule(number)
        }
        while let number = echoDeadlines.popDue(now) { ask(number, now) }
    }

    private func schedule(_ number: Int) {
        if let deadline = gateways[number].deadline {
            deadlines.set(number, deadline)
        } else {
            deadlines.remove(number)
        }
    }

    // MARK: - Set-ups and flaps

    private func begin(_ time: Duration) {
        let seconds = Double(time.nanoseconds) / 1e9
        let now = Self.now()
        for number in lost { restart(number) }
        lost.removeAll(keepingCapacity: true)
        setUpDebt = min(setUpDebt + load.rate * seconds, max(1, load.rate))
        while setUpDebt >= 1, queueStart < queue.count {
            let number = queue[queueStart]
            let place = place(of: number)
            // The next one in line has the next address, as a rule.
            guard settingUp[place] == nil else { break }
            setUpDebt -= 1
            queueStart += 1
            settingUp[place] = number
            gateways[number].begun = now
            for (leg, address) in gateways[number].addresses {
                apply(gateways[number].session.handle(.wanUp(leg, .v4(address)), now: now), number, now)
            }
            schedule(number)
        }
        if queueStart == queue.count {
            queue.removeAll(keepingCapacity: true)
            queueStart = 0
        }
        flapDebt = min(flapDebt + load.flaps * seconds, max(1, load.flaps))
        while flapDebt >= 1 {
            flapDebt -= 1
            let number = Int.random(in: gateways.indices)
            guard gateways[number].isUp else { continue }
            apply(gateways[number].session.handle(.stop, now: now), number, now)
            restart(number)
        }
    }

    /// It has no bond, and stands in line again.
    private func restart(_ number: Int) {
        if let bond = gateways[number].bond { byKey[bond.key] = nil }
        if settingUp[place(of: number)] == number { settingUp[place(of: number)] = nil }
        gateways[number].forget()
        schedule(number)
        echoDeadlines.remove(number)
        queue.append(number)
    }

    private func place(of number: Int) -> Int { number % (load.addresses[.secondary]?.count ?? 1) }

    // MARK: - What comes

    private func take(_ packet: OuterSocket.Packet, _ bytes: RawSpan, _ now: Instant) {
        guard let (leg, place) = places[packet.destination] else { return }
        guard ControlMessage.dialect(of: bytes) != nil else { return data(bytes, now) }
        do throws(GREBonding.WireError) {
            let message = try ControlMessage(parsing: bytes, dialect: load.dialect)
            guard let number = byKey[message.key] ?? settingUp[place] else { return }
            apply(gateways[number].session.handle(.message(message, on: leg, from: .v4(packet.source)), now: now), number, now)
            schedule(number)
        } catch {
            tally.unreadable += 1
        }
    }

    private func data(_ bytes: RawSpan, _ now: Instant) {
        guard let header = try? GREHeader(parsing: bytes), let key = header.key, let number = byKey[key] else { return }
        let inner = bytes.extracting(droppingFirst: header.headerLength)
        if let echo = Echo(inner) {
            guard echo.type == Echo.reply, let left = gateways[number].waiting.removeValue(forKey: echo.number) else { return }
            tally.echoRoundTrip.add(now - left)
        } else if let datagram = inner.withUnsafeBytes({ DHCPv4Datagram(packet: Array($0), isSummed: false) }),
            datagram.destinationPort == DHCPv4Datagram.clientPort, let message = try? DHCPv4Message(parsing: datagram.payload)
        {
            apply(gateways[number].leases.handle(.message(message), now: LeaseTime(nanoseconds: now.nanoseconds)), number, now)
            schedule(number)
        }
    }

    // MARK: - What goes

    private func ask(_ number: Int, _ now: Instant) {
        guard !isEnding, let echo = load.echo, let source = gateways[number].leases.lease?.address else { return }
        gateways[number].giveUp(now)
        let count = gateways[number].echoes
        gateways[number].echoes &+= 1
        gateways[number].waiting[count] = now
        gateways[number].sent += 1
        let packet = Echo(from: source, to: echo, identifier: UInt16(truncatingIfNeeded: number), number: count)
        send(packet.packet(length: load.echoLength), number)
        echoDeadlines.set(number, now + .nanoseconds(Int64(1e9 / load.echoRate)))
    }

    /// In the bond; DSL while its turn lasts.
    private func send(_ packet: [UInt8], _ number: Int) {
        guard let bond = gateways[number].bond, case .v4(let aggregator) = bond.aggregator else { return }
        gateways[number].turn &+= 1
        let wantsLTE = load.lteTurn > 0 && gateways[number].turn % load.lteTurn == 0
        let leg = wantsLTE || bond.legs[.primary] == nil ? LegID.secondary : .primary
        guard case .v4(let source)? = bond.legs[leg] else { return }
        var bytes = GREHeader(protocolType: 0x0800, key: bond.key, sequenceNumber: gateways[number].sequence).serialized()
        gateways[number].sequence &+= 1
        bytes += packet
        if !socket.send(bytes, from: source, to: aggregator) { tally.refusedByKernel += 1 }
    }

    private func apply(_ effects: [DHCPv4Client.Effect], _ number: Int, _ now: Instant) {
        for effect in effects {
            switch effect {
            case .send(let request):
                let datagram = DHCPv4Datagram(
                    from: request.source, DHCPv4Datagram.clientPort, to: request.destination, DHCPv4Datagram.serverPort,
                    request.message.serialized())
                if let packet = datagram.packet { send(packet, number) }
            case .configure(.some):
                apply(gateways[number].session.handle(.addressed, now: now), number, now)
            case .configure(nil), .event: break
            }
        }
    }

    private func apply(_ effects: [HomeGatewaySession.Effect], _ number: Int, _ now: Instant) {
        for effect in effects {
            switch effect {
            case .send(let message, let leg, let destination):
                guard let source = gateways[number].addresses[leg], case .v4(let destination) = destination else { continue }
                if !socket.send(message.serialized(dialect: load.dialect), from: source, to: destination) {
                    tally.refusedByKernel += 1
                }
            case .bond(let bond): bonded(bond, number, now)
            case .filterList: break
            case .event(let event): heard(event, number, now)
            }
        }
        settled(number, now)
    }

    private func bonded(_ bond: Bond?, _ number: Int, _ now: Instant) {
        if let old = gateways[number].bond, old.key != bond?.key { byKey[old.key] = nil }
        let isFirst = gateways[number].bond == nil
        gateways[number].bond = bond
        guard let bond else { return }
        byKey[bond.key] = number
        if isFirst, load.echo != nil {
            apply(gateways[number].leases.handle(.start(remembered: nil), now: LeaseTime(nanoseconds: now.nanoseconds)), number, now)
        }
    }

    /// All legs are up: the next gateway of its address may begin.
    private func settled(_ number: Int, _ now: Instant) {
        guard gateways[number].isUp, let begun = gateways[number].begun else { return }
        gateways[number].begun = nil
        settingUp[place(of: number)] = nil
        tally.setUps += 1
        tally.setUpTime.add(now - begun)
        tally.lastUp = now
        if load.echo != nil {
            // Spread, so that not all ask at once.
            let wait = Int64.random(in: 0...Int64(1e9 / load.echoRate))
            echoDeadlines.set(number, now + .nanoseconds(wait))
        }
    }

    private func heard(_ event: SessionEvent, _ number: Int, _ now: Instant) {
        switch event {
        case .setupDenied(_, let code): tally.denied[code.rawValue, default: 0] += 1
        case .setupUnanswered: tally.unanswered += 1
        case .legDown(_, let reason) where reason != .stopped: tally.lostLegs[reason.rawValue, default: 0] += 1
        case .bondDown(_, let reason) where reason != .stopped:
            tally.lostBonds += 1
            lost.append(number)
        case .roundTrip(_, let time):
            tally.hellosAnswered += 1
            tally.roundTrip.add(time)
        case .discarded(let reason): tally.discarded[reason.rawValue, default: 0] += 1
        default: break
        }
    }
}
