import ProtocolSupport

/// Tells servers of each session: Start, Interim, Stop (RFC 2866), each only after the one before was taken. While no
/// server answers, records wait, up to a limit. Without input or output: it says what to ask a ``RADIUSClient``.
public struct Accounting: Sendable {
    public struct Settings: Hashable, Sendable {
        /// Between two records of a session that lives; nil: none.
        public var interval: Duration?
        /// Starts and Stops that may wait. Of interims each session has one at most.
        public var limit = 10_000
        /// Requests that wait for an answer at a time.
        public var window = 128
        /// After all servers were asked in vain.
        public var pause = Duration.seconds(10)
        /// How often a record is told in vain while servers take others: it is one that they do not want.
        public var refusals = 10

        public init() {}
    }

    public typealias SessionID = UInt32

    public enum Input: Hashable, Sendable {
        /// A session has begun; the attributes are in each of its records. The interval takes the place of the
        /// settings' one.
        case begin(SessionID, AttributeList, interval: Duration?)
        /// A session goes on that began in a process before. Its Start is told only if no server has taken it; the next
        /// interim comes when it would have come.
        case resume(SessionID, AttributeList, interval: Duration?, begun: Duration, isStarted: Bool)
        /// What is in the records from now on.
        case describe(SessionID, AttributeList)
        /// The answer to ``Effect/measure(_:)``.
        case measured(SessionID, Usage)
        /// A session has ended, with all that it carried.
        case end(SessionID, Usage, TerminateCause)
        /// The program begins or ends (Accounting-On, Accounting-Off).
        case service(on: Bool, AttributeList)
        /// What became of what was asked: whether a server took it.
        case outcome(RADIUSClient.Ticket, taken: Bool)
        case timeout
    }

    public enum Effect: Hashable, Sendable {
        /// Read what the session has carried so far.
        case measure(SessionID)
        /// A server has taken the session's Start.
        case started(SessionID)
        case ask(RADIUSClient.Ticket, ClientRequest)
    }

    public struct Statistics: Hashable, Sendable {
        public var taken: UInt64 = 0
        /// Starts and Stops for which there was no room, or that servers never took.
        public var dropped: UInt64 = 0
        /// Interims that a newer one replaced before they were taken.
        public var superseded: UInt64 = 0
    }

    struct Record: Hashable {
        var status: AccountingStatus
        var attributes: AttributeList
        var at: Duration
        var refusals = 0
    }

    /// One session's records in their order; a session's number may come again while its last ones still wait.
    struct Stream: Hashable {
        var attributes: AttributeList
        var interval: Duration?
        var begun: Duration
        var session: SessionID?
        var waiting: [Record] = []
        var inFlight: RADIUSClient.Ticket?
    }

    typealias Serial = UInt64

    public let settings: Settings
    /// Seconds of Unix time at the origin of the caller's clock, for the Event-Timestamp.
    public var epoch: Int64
    var streams: [Serial: Stream] = [:]
    var serials: [SessionID: Serial] = [:]
    var tickets: [RADIUSClient.Ticket: (serial: Serial, record: Record, asked: Duration)] = [:]
    /// When a server last took a record.
    var lastTaken: Duration?
    var interims = DeadlineQueue<Duration, SessionID>()
    /// Streams that have something to say; the one that has waited longest comes first.
    var ready = FIFO<Serial>()
    var lastSerial: Serial = 0
    var lastTicket: RADIUSClient.Ticket = 0
    var resumes: Duration?
    /// One at a time until a server answers again.
    var isProbing = false
    /// Starts and Stops that wait.
    public internal(set) var waiting = 0
    public internal(set) var statistics = Statistics()

    public init(settings: Settings, epoch: Int64) {
        self.settings = settings
        self.epoch = epoch
    }

    public var deadline: Duration? { [interims.first, resumes].compactMap { $0 }.min() }
    /// Nothing waits, and nothing is on its way.
    public var isIdle: Bool { waiting == 0 && tickets.isEmpty }
    public var sessions: Int { serials.count }
    public var inFlight: Int { tickets.count }

    public mutating func handle(_ input: Input, now: Duration) -> [Effect] {
        var effects: [Effect] = []
        switch input {
        case .begin(let id, let attributes, let interval):
            begin(id, Stream(attributes: attributes, interval: interval ?? settings.interval, begun: now), now)
        case .resume(let id, let attributes, let interval, let begun, let isStarted):
            let stream = Stream(attributes: attributes, interval: interval ?? settings.interval, begun: begun)
            begin(id, stream, now, isStarted: isStarted)
        case .describe(let id, let attributes):
            if let serial = serials[id] { streams[serial]?.attributes = attributes }
        case .measured(let id, let usage):
            guard let serial = serials[id], let stream = streams[serial] else { break }
            append(record(.interim, stream, now, usage), to: serial)
        case .end(let id, let usage, let cause):
            guard let serial = serials.removeValue(forKey: id), let stream = streams[serial] else { break }
            interims.remove(id)
            streams[serial]?.session = nil
            append(record(.stop, stream, now, usage, cause), to: serial)
        case .service(let on, let attributes):
            let stream = Stream(attributes: attributes, begun: now)
            append(record(on ? .on : .off, stream, now), to: add(stream))
        case .outcome(let ticket, let taken): outcome(ticket, taken, now, &effects)
        case .timeout:
            if let due = resumes, due <= now { resumes = nil }
            while let id = interims.popDue(now) {
                guard let serial = serials[id], let interval = streams[serial]?.interval else { continue }
                interims.set(id, now + interval)
                effects.append(.measure(id))
            }
        }
        send(now, &effects)
        return effects
    }

    // MARK: Records

    private mutating func begin(_ id: SessionID, _ new: Stream, _ now: Duration, isStarted: Bool = false) {
        guard serials[id] == nil else { return }
        var stream = new
        stream.session = id
        let serial = add(stream)
        serials[id] = serial
        if !isStarted { append(record(.start, stream, stream.begun), to: serial) }
        guard let interval = stream.interval else { return }
        let lasted = max(0, (now - stream.begun) / interval)
        interims.set(id, stream.begun + interval * (Int(lasted) + 1))
    }

    private mutating func add(_ stream: Stream) -> Serial {
        lastSerial &+= 1
        streams[lastSerial] = stream
        return lastSerial
    }

    private func record(
        _ status: AccountingStatus, _ stream: Stream, _ now: Duration, _ usage: Usage? = nil,
        _ cause: TerminateCause? = nil
    ) -> Record {
        var attributes = stream.attributes
        attributes.add(.acctStatusType, status.rawValue)
        attributes.add(.eventTimestamp, UInt32(truncatingIfNeeded: epoch &+ now.components.seconds))
        if let usage {
            attributes.add(.acctSessionTime, UInt32(clamping: max(0, (now - stream.begun).components.seconds)))
            usage.add(to: &attributes)
        }
        attributes.add(.acctTerminateCause, ifPresent: cause?.rawValue)
        return Record(status: status, attributes: attributes, at: now)
    }

    private mutating func append(_ record: Record, to serial: Serial) {
        guard var stream = streams[serial] else { return }
        let isInLine = !stream.waiting.isEmpty || stream.inFlight != nil
        // An interim that still waits is outdated by what comes now.
        if stream.waiting.last?.status == .interim, record.status == .interim || record.status == .stop {
            stream.waiting.removeLast()
            statistics.superseded &+= 1
        }
        if !isInLine { ready.append(serial) }
        stream.waiting.append(record)
        streams[serial] = stream
        if record.status != .interim { waiting += 1 }
        while waiting > settings.limit, dropOldest() {}
    }

    /// What is on its way, and what follows it, is not in the line and keeps its place. False: nothing is in it.
    private mutating func dropOldest() -> Bool {
        guard let serial = ready.removeFirst(where: { streams[$0]?.waiting.isEmpty == false }),
            var stream = streams[serial]
        else { return false }
        let dropped = stream.waiting.removeFirst()
        streams[serial] = stream
        if dropped.status != .interim {
            waiting -= 1
            statistics.dropped &+= 1
        }
        if stream.waiting.isEmpty { discardIfOver(serial) } else { ready.prepend(serial) }
        return true
    }

    private mutating func discardIfOver(_ serial: Serial) {
        guard let stream = streams[serial], stream.session == nil, stream.waiting.isEmpty, stream.inFlight == nil
        else { return }
        streams[serial] = nil
    }

    // MARK: Sending

    private mutating func send(_ now: Duration, _ effects: inout [Effect]) {
        guard resumes == nil else { return }
        while tickets.count < (isProbing ? 1 : settings.window), let serial = ready.removeFirst() {
            guard var stream = streams[serial], stream.inFlight == nil, !stream.waiting.isEmpty else { continue }
            let record = stream.waiting.removeFirst()
            if record.status != .interim { waiting -= 1 }
            lastTicket &+= 1
            stream.inFlight = lastTicket
            streams[serial] = stream
            tickets[lastTicket] = (serial, record, now)
            effects.append(
                .ask(
                    lastTicket,
                    ClientRequest(code: .accountingRequest, attributes: record.attributes, since: record.at)))
        }
    }

    private mutating func outcome(
        _ ticket: RADIUSClient.Ticket, _ taken: Bool, _ now: Duration, _ effects: inout [Effect]
    ) {
        guard let (serial, told, asked) = tickets.removeValue(forKey: ticket), var stream = streams[serial] else {
            return
        }
        var record = told
        stream.inFlight = nil
        if taken {
            statistics.taken &+= 1
            lastTaken = now
            isProbing = false
            if record.status == .start, let id = stream.session { effects.append(.started(id)) }
        } else if let lastTaken, lastTaken > asked {
            record.refusals += 1
        } else {
            isProbing = true
            resumes = now + settings.pause
        }
        if !taken {
            // It comes before what was appended meanwhile, unless that has made it worthless.
            if record.status == .interim, !stream.waiting.isEmpty {
                statistics.superseded &+= 1
            } else if record.refusals >= settings.refusals {
                statistics.dropped &+= 1
            } else {
                stream.waiting.insert(record, at: 0)
                if record.status != .interim { waiting += 1 }
            }
        }
        streams[serial] = stream
        // At the end of the line, so that one that is never taken holds up no others.
        if stream.waiting.isEmpty { discardIfOver(serial) } else { ready.append(serial) }
        while waiting > settings.limit, dropOldest() {}
    }
}
