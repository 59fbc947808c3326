import CLinux

/// A class of an `htb` queueing discipline: a rate that is its own, and one up to which it may borrow.
public struct TrafficClass: Hashable, Sendable {
    /// The device's index.
    public var link: UInt32
    /// The discipline (`1:0`) or the class above this one.
    public var parent: TrafficHandle
    /// `1:10`
    public var handle: TrafficHandle
    /// Bytes per second.
    public let rate: UInt64
    /// Bytes per second, not less than ``rate``.
    public let ceiling: UInt64
    /// As the kernel keeps them: see ``Police/burstTicks``.
    public let burstTicks: UInt32
    public let ceilingBurstTicks: UInt32
    /// Bytes that a class may send in turn.
    public var quantum: UInt32
    /// 0…7; lower borrows first.
    public var priority: UInt32

    /// - Parameters:
    ///   - rate: bytes per second, not 0
    ///   - ceiling: bytes per second; by default the same as `rate`
    ///   - burst: bytes; not less than the MTU
    public init(
        link: UInt32, parent: TrafficHandle, handle: TrafficHandle, rate: UInt64, ceiling: UInt64? = nil,
        burst: UInt32, quantum: UInt32 = 1514, priority: UInt32 = 0
    ) {
        self.link = link
        self.parent = parent
        self.handle = handle
        self.rate = rate
        self.ceiling = ceiling ?? rate
        burstTicks = SchedulerTime.ticks(bytes: burst, rate: rate)
        ceilingBurstTicks = SchedulerTime.ticks(bytes: burst, rate: self.ceiling)
        self.quantum = quantum
        self.priority = priority
    }
}

/// A class with its counters.
public struct ObservedTrafficClass: Hashable, Sendable {
    public var trafficClass: TrafficClass
    public var statistics: TrafficStatistics

    /// Reads an `RTM_NEWTCLASS` or `RTM_DELTCLASS` message about an `htb` class; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWTCLASS, RTM_DELTCLASS].contains(Int(message.type)), let header = message.header(tcmsg.self)
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<tcmsg>.size, of: TrafficSpace.self)
        guard attributes.get(TrafficSpace.kind) == "htb",
            let read = TrafficClass(header, attributes.nested(TrafficSpace.htb))
        else { return nil }
        trafficClass = read
        statistics = TrafficStatistics(attributes.nested(TrafficSpace.statistics))
    }
}

/// `TCA_HTB_*`
enum HTBSpace {
    static let parameters = Attribute<HTBSpace, Structure<tc_htb_opt>>(TCA_HTB_PARMS, "TCA_HTB_PARMS")
    static let global = Attribute<HTBSpace, Structure<tc_htb_glob>>(TCA_HTB_INIT, "TCA_HTB_INIT")
    static let rate64 = Attribute<HTBSpace, UInt64>(TCA_HTB_RATE64, "TCA_HTB_RATE64")
    static let ceiling64 = Attribute<HTBSpace, UInt64>(TCA_HTB_CEIL64, "TCA_HTB_CEIL64")
}

extension TrafficClass {
    init?(_ header: tcmsg, _ options: borrowing AttributeReader<HTBSpace>) {
        guard let parameters = options.get(HTBSpace.parameters) else { return nil }
        link = UInt32(bitPattern: header.tcm_ifindex)
        handle = TrafficHandle(rawValue: header.tcm_handle)
        // A class right below the discipline is reported as having no parent but the root.
        let parent = TrafficHandle(rawValue: header.tcm_parent)
        self.parent = parent == .root ? TrafficHandle(rawValue: header.tcm_handle & 0xFFFF_0000) : parent
        rate = options.get(HTBSpace.rate64) ?? UInt64(parameters.rate.rate)
        ceiling = options.get(HTBSpace.ceiling64) ?? UInt64(parameters.ceil.rate)
        burstTicks = parameters.buffer
        ceilingBurstTicks = parameters.cbuffer
        quantum = parameters.quantum
        priority = parameters.prio
    }

    /// A class that exists already is an error (`EEXIST`).
    public func add() -> Request { request("create", RTM_NEWTCLASS, [.create, .exclusive]) }

    /// Makes the class, or changes it.
    public func replace() -> Request { request("replace", RTM_NEWTCLASS, [.create, .replace]) }

    public func delete() -> Request { request("delete", RTM_DELTCLASS, []) }

    private func request(_ verb: String, _ type: Int, _ flags: MessageFlags) -> Request {
        let header = tcmsg(link: link, parent: parent, handle: handle.rawValue)
        return Request(
            Operation(verb, "class \(handle) on link \(link)"), type: UInt16(type), flags: flags, header: header,
            TrafficSpace.self
        ) {
            guard type == RTM_NEWTCLASS else { return }
            $0.put(TrafficSpace.kind, "htb")
            $0.nest(TrafficSpace.htb) {
                var parameters = tc_htb_opt()
                parameters.rate = tc_ratespec(rate: rate)
                parameters.ceil = tc_ratespec(rate: ceiling)
                parameters.buffer = burstTicks
                parameters.cbuffer = ceilingBurstTicks
                parameters.quantum = quantum
                parameters.prio = priority
                if rate > UInt64(UInt32.max) { $0.put(HTBSpace.rate64, rate) }
                if ceiling > UInt64(UInt32.max) { $0.put(HTBSpace.ceiling64, ceiling) }
                $0.put(HTBSpace.parameters, parameters)
            }
        }
    }
}

extension Exchange {
    /// The `htb` classes of a device.
    public func trafficClasses(link: UInt32) throws(KernelError) -> [ObservedTrafficClass] {
        let header = tcmsg(link: link)
        let request = Request(
            Operation("list", "classes on link \(link)"), type: UInt16(RTM_GETTCLASS), flags: .dump, header: header,
            TrafficSpace.self
        ) { _ in }
        return try dump(request) { ObservedTrafficClass($0) }
    }
}
