import TestSupport

@testable import GREBonding

/// What passes one bond, as far as the program sees it: numbered packets by two legs that are put in order, flows that
/// need not wait, and what is found out about LTE meanwhile. In between it jumps on: what DSL alone carries never
/// comes here, and a month of it is more than half of all numbers.
struct Stream {
    private var resequencer = Resequencer(
        settings: .init(bufferLimit: 4096, timer: timer, silence: 60_000_000, pause: 1_500_000_000))
    private var flows = SparseFlows()
    private var rate = LegRate(LegRate.Settings(ceiling: nil, least: 50_000))
    private var worth = LegWorth()
    /// Of the next packet; the first burst wraps.
    private var sequence = UInt32.max - 500
    /// Bytes that LTE was given, and what of them is still in its queue.
    private var given: UInt64 = 0
    private var backlog = 0.0
    private var random: SplitMix
    /// When a packet came by LTE last, and until when this has run, nanoseconds.
    private var overflowed: Int64 = .min
    private var end: Int64 = 0
    private(set) var released = 0
    private(set) var wraps = 0

    static let timer: Int64 = 80_000_000

    enum Mode: CaseIterable {
        /// Both legs, DSL first.
        case both
        /// LTE alone for so long that DSL has not been seen for more than half of all numbers.
        case secondaryAlone
        /// DSL alone, past the program.
        case primaryAlone
    }

    private struct Arrival {
        var time: Int64
        var sequence: UInt32
        var leg: Int
    }

    init(random: SplitMix) { self.random = random }

    /// Runs for some seconds; what is wrong.
    mutating func run(_ mode: Mode, at time: Instant) -> [String] {
        let now = max(time, Instant(nanoseconds: end))
        switch mode {
        case .both: return both(now.nanoseconds) + find(Instant(nanoseconds: end))
        case .primaryAlone:
            advance(by: .random(in: 0...UInt32.max, using: &random))
            return []
        case .secondaryAlone: return secondaryAlone(now.nanoseconds)
        }
    }

    private mutating func advance(by count: UInt32) {
        let (next, wrapped) = sequence.addingReportingOverflow(count)
        sequence = next
        if wrapped { wraps += 1 }
    }

    // MARK: Order

    /// Some hundred packets at a pace that needs both legs. The network keeps each leg's order and loses nothing, so
    /// they come out in order, but for those that DSL had overtaken before LTE joined in.
    private mutating func both(_ now: Int64) -> [String] {
        var arrivals: [Arrival] = []
        var last: [Int64] = [.min, .min]
        // By which LTE is later than DSL, or DSL than LTE.
        let later = Int64(random.number(-40...40)) * 1_000_000
        for n in 0..<random.number(100...600) {
            // The first ones by DSL, so that it is known how far that one is.
            let leg = n < 3 || random.happens(percent: 60) ? 0 : 1
            let sent = now + Int64(n) * 1_000_000
            let delay = 10_000_000 + max(0, leg == 1 ? later : -later) + Int64(random.number(0...300_000))
            let time = max(sent + delay, last[leg] + 1)
            last[leg] = time
            arrivals.append(Arrival(time: time, sequence: sequence, leg: leg))
            advance(by: 1)
        }
        arrivals.sort { $0.time < $1.time }
        return feed(arrivals, isInOrder: true)
    }

    /// Without a pause: more than half of all numbers, of which only some are looked at here. What comes next by DSL
    /// is put in order with the rest.
    private mutating func secondaryAlone(_ now: Int64) -> [String] {
        var problems = both(now)
        for _ in 0..<15 {
            // A packet a second is enough of a sign that there was no pause.
            advance(by: UInt32.max / 20)
            problems += feed([Arrival(time: end + 1_000_000_000, sequence: sequence, leg: 1)], isInOrder: false)
            advance(by: 1)
        }
        return problems + both(end + 500_000_000)
    }

    /// The kernel hands over what comes by LTE, and by DSL what comes within two seconds after it.
    private func isHandedOver(_ arrival: Arrival) -> Bool {
        arrival.leg > 0 || overflowed != .min && arrival.time - overflowed < 2_000_000_000
    }

    private mutating func feed(_ arrivals: [Arrival], isInOrder: Bool) -> [String] {
        var out: [UInt32] = []
        var problems: [String] = []
        let before = resequencer.statistics
        // The first number of which it is known how far DSL was.
        var joined: UInt32?
        func expire(until time: Int64) {
            var rounds = 0
            while let due = resequencer.deadline, due <= time, problems.isEmpty {
                resequencer.expire(now: due) { out.append(UInt32($0)) }
                rounds += 1
                if rounds > 10_000 { problems.append("the resequencer's timer stays in the past") }
            }
        }
        for arrival in arrivals {
            expire(until: arrival.time)
            guard isHandedOver(arrival) else {
                out.append(arrival.sequence)
                continue
            }
            if arrival.leg > 0 { overflowed = arrival.time }
            // Until then what comes by LTE goes at once.
            if joined == nil, arrival.leg == 0 { joined = highest(arrival.sequence, out) }
            resequencer.receive(
                sequence: arrival.sequence, leg: arrival.leg, token: UInt64(arrival.sequence), now: arrival.time
            ) { out.append(UInt32($0)) }
            if resequencer.depth > 4096 { problems.append("\(resequencer.depth) packets held") }
        }
        end = (arrivals.last?.time ?? 0) + Self.timer
        expire(until: end)
        released += out.count
        // Until DSL is heard of, numbers of packets that did not wait are kept.
        if resequencer.deadline != nil || resequencer.depth != 0 && !resequencer.isJoining {
            problems.append("packets are held for ever")
        }
        if out.count != arrivals.count || Set(out).count != arrivals.count {
            problems.append("\(out.count) of \(arrivals.count) packets came out")
        }
        guard isInOrder, let joined else { return problems }
        let after = out.filter { Int32(bitPattern: $0 &- joined) >= 0 }
        let unordered = zip(after, after.dropFirst()).count { Int32(bitPattern: $1 &- $0) < 0 }
        let now = resequencer.statistics
        let late = now.late - before.late - (now.overtaken - before.overtaken)
        if unordered > 0 || late > 0 { problems.append("\(unordered) out of order, \(late) late of \(after.count)") }
        return problems
    }

    /// The highest of these numbers, as far as half of all numbers can tell.
    private func highest(_ first: UInt32, _ others: [UInt32]) -> UInt32 {
        others.reduce(first) { Int32(bitPattern: $1 &- $0) > 0 ? $1 : $0 }
    }

    // MARK: Flows, and what LTE is worth

    /// Twenty seconds of load on an LTE link, with another rate and delay each time.
    private mutating func find(_ start: Instant) -> [String] {
        var problems: [String] = []
        let capacity = Double(random.number(200...2000)) * 1000
        let base = Duration.milliseconds(random.number(30...80))
        var under: [(sent: Instant, due: Instant)] = []
        // The other end answers on DSL, too, when it is asked there.
        var answer: (sent: Instant, due: Instant)?
        backlog = 0
        // The device may have been made anew since: its counter begins at 0.
        if random.happens(percent: 20) { given = 0 }
        rate.reset()
        for tick in 0..<20_000 {
            let now = start + .milliseconds(tick)
            let wanted = rate.isWorthUsing ? Double(rate.rate) / 1000 : 0
            let bytes = min(wanted, rate.end.map { Double($0) - Double(given) } ?? wanted)
            given &+= UInt64(max(0, bytes))
            backlog = max(0, backlog + max(0, bytes) - capacity / 1000)
            for i in under.indices.reversed() where under[i].due <= now {
                rate.measured(now - under[i].sent, sent: under[i].sent, now: now)
                under.remove(at: i)
            }
            if let (sent, due) = answer, due <= now {
                rate.answeredByOther(sent: sent)
                answer = nil
            }
            guard tick % 50 == 0 else { continue }
            if rate.sampled(given: given, waiting: 0, hasOther: true, now: now) {
                under.append((now, now + base + .nanoseconds(Int64(backlog / capacity * 1e9))))
            }
            if rate.wantsSign { answer = (now, now + .milliseconds(20)) }
        }
        if Double(rate.rate) < capacity * 0.6 || Double(rate.rate) > capacity * 1.6 {
            problems.append("LTE carries \(Int(capacity)), \(rate.rate) were found")
        }
        problems += sparse(start.nanoseconds)
        problems += judge(start + .seconds(20))
        return problems
    }

    /// A call is never held back, whatever was remembered from a time that looks the same in 32 bits.
    private mutating func sparse(_ now: Int64) -> [String] {
        let call: UInt64 = 0xCA11
        let divided: UInt64 = 0xD1F1
        _ = flows.isSparse(flow: divided, leg: 1, bytes: 1400, now: now)
        var refused = 0
        for n in 0..<250 {
            if !flows.isSparse(flow: call, leg: 0, bytes: 200, now: now + Int64(n) * 20_000_000) { refused += 1 }
        }
        var problems: [String] = []
        if refused > 0 { problems.append("\(refused) packets of a call are held") }
        if flows.isSparse(flow: divided, leg: 0, bytes: 200, now: now + 1_000_000_000) {
            problems.append("a flow on both legs counts as sparse")
        }
        if !flows.isSparse(flow: divided, leg: 0, bytes: 200, now: now + 5_000_000_000) {
            problems.append("a flow that has left LTE is held for ever")
        }
        return problems
    }

    /// A leg that loses nothing is used, one that loses much is left, and tried again in time.
    private mutating func judge(_ start: Instant) -> [String] {
        let path = LegWorth.Path(primaryRate: 1000, primaryRoundTrip: .milliseconds(30), later: .milliseconds(20))
        var problems: [String] = []
        var now = start
        for _ in 0..<20 {
            now = now + .seconds(1)
            _ = worth.counted(packets: 500, losses: 250, path, now: now)
        }
        if !worth.isLeft { problems.append("a leg that loses half of all is used") }
        guard let again = worth.deadline, again <= now + .seconds(1200) else {
            return problems + ["a leg that was left is not tried again"]
        }
        now = max(now, again)
        for _ in 0..<20 {
            now = now + .seconds(1)
            _ = worth.counted(packets: 500, losses: 0, path, now: now)
        }
        end = now.nanoseconds
        if worth.isLeft { problems.append("a leg that loses nothing is left") }
        return problems
    }
}
