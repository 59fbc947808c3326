import CLinux

/// What a filter looks at.
public enum Classifier: Hashable, Sendable {
    /// Everything.
    case matchall
    /// Header fields.
    case flower(Flower)
    /// The packet's mark, which is the filter's handle, under a mask.
    case fw(mask: UInt32)
    /// A loaded program that looks at the packet and decides what becomes of it (`direct-action`). The kernel keeps the
    /// program, not the descriptor: read back, it is -1.
    case bpf(descriptor: Int32, name: String)
    /// A kind that this module does not know; it can be listed and deleted, not made.
    case other(String)

    /// `TCA_KIND`
    public var name: String {
        switch self {
        case .matchall: "matchall"
        case .flower: "flower"
        case .fw: "fw"
        case .bpf: "bpf"
        case .other(let name): name
        }
    }
}

/// An `ETH_P_*` number.
public struct EtherType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let all = EtherType(rawValue: 0x0003)
    public static let ipv4 = EtherType(rawValue: 0x0800)
    public static let arp = EtherType(rawValue: 0x0806)
    public static let ipv6 = EtherType(rawValue: 0x86DD)
}

/// A filter on a device, with the actions for what it matches. Compares equal when read back if its handle and the
/// indexes of its actions were given.
public struct Filter: Hashable, Sendable {
    /// The device's index.
    public var link: UInt32
    public var parent: TrafficHandle
    /// Lower comes first (`pref`), not 0. Filters of one priority have one classifier and one protocol.
    public var priority: UInt16
    public var `protocol`: EtherType
    /// The filter's number within its priority. 0 lets the kernel choose; `matchall` has 1.
    public var handle: UInt32
    public var chain: UInt32
    public var classifier: Classifier
    /// The class for what matches.
    public var classID: TrafficHandle?
    public var actions: [Action]

    public init(
        link: UInt32, parent: TrafficHandle, priority: UInt16, protocol: EtherType = .all, handle: UInt32,
        chain: UInt32 = 0, _ classifier: Classifier, classID: TrafficHandle? = nil, actions: [Action] = []
    ) {
        self.link = link
        self.parent = parent
        self.priority = priority
        self.protocol = `protocol`
        self.handle = handle
        self.chain = chain
        self.classifier = classifier
        self.classID = classID
        self.actions = actions
    }
}

/// A filter with the counters of its actions.
public struct ObservedFilter: Hashable, Sendable {
    public var filter: Filter
    public var actions: [ObservedAction]
    /// Of `bpf`: the kernel's number of the program, and whether it decides by itself what becomes of a packet.
    public var program: UInt32?
    public var isDirectAction = false

    /// Reads an `RTM_NEWTFILTER` or `RTM_DELTFILTER` message; nil for any other, and for those that announce only a
    /// priority.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWTFILTER, RTM_DELTFILTER].contains(Int(message.type)), let header = message.header(tcmsg.self)
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<tcmsg>.size, of: TrafficSpace.self)
        guard let kind = attributes.get(TrafficSpace.kind), attributes.has(TrafficSpace.matchall) else { return nil }
        let classifier: Classifier
        let classID: UInt32?
        switch kind {
        case "matchall":
            let options = attributes.nested(TrafficSpace.matchall)
            classifier = .matchall
            classID = options.get(MatchallSpace.classID)
            actions = ObservedAction.list(options.nested(MatchallSpace.actions))
        case "flower":
            let options = attributes.nested(TrafficSpace.flower)
            classifier = .flower(Flower(options))
            classID = options.get(FlowerSpace.classID)
            actions = ObservedAction.list(options.nested(FlowerSpace.actions))
        case "fw":
            let options = attributes.nested(TrafficSpace.fw)
            classifier = .fw(mask: options.get(FirewallMarkSpace.mask) ?? .max)
            classID = options.get(FirewallMarkSpace.classID)
            actions = ObservedAction.list(options.nested(FirewallMarkSpace.actions))
        case "bpf":
            let options = attributes.nested(TrafficSpace.bpf)
            classifier = .bpf(descriptor: -1, name: options.get(ProgramSpace.name) ?? "")
            program = options.get(ProgramSpace.id)
            isDirectAction = (options.get(ProgramSpace.flags) ?? 0) & ProgramSpace.directAction != 0
            classID = nil
            actions = []
        default:
            classifier = .other(kind)
            classID = nil
            actions = []
        }
        filter = Filter(
            link: UInt32(bitPattern: header.tcm_ifindex), parent: TrafficHandle(rawValue: header.tcm_parent),
            priority: UInt16(header.tcm_info >> 16),
            protocol: EtherType(rawValue: UInt16(bigEndian: UInt16(header.tcm_info & 0xFFFF))),
            handle: header.tcm_handle, chain: attributes.get(TrafficSpace.chain) ?? 0, classifier,
            classID: classID.map(TrafficHandle.init), actions: actions.map(\.action))
    }
}

extension tcmsg {
    /// What stands at a place of a device; every field but these is 0.
    init(link: UInt32, parent: TrafficHandle? = nil, handle: UInt32 = 0) {
        self.init()
        tcm_ifindex = Int32(bitPattern: link)
        tcm_parent = parent?.rawValue ?? 0
        tcm_handle = handle
    }
}

/// `TCA_*`. What is in `TCA_OPTIONS` depends on `TCA_KIND`.
enum TrafficSpace {
    static let kind = Attribute<TrafficSpace, String>(TCA_KIND, "TCA_KIND")
    static let chain = Attribute<TrafficSpace, UInt32>(TCA_CHAIN, "TCA_CHAIN")
    static let statistics = Nest<TrafficSpace, StatisticsSpace>(TCA_STATS2, "TCA_STATS2")
    static let matchall = Nest<TrafficSpace, MatchallSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let flower = Nest<TrafficSpace, FlowerSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let fw = Nest<TrafficSpace, FirewallMarkSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let bpf = Nest<TrafficSpace, ProgramSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let fq = Nest<TrafficSpace, FairQueueSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let fqCoDel = Nest<TrafficSpace, FQCoDelSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let htb = Nest<TrafficSpace, HTBSpace>(TCA_OPTIONS, "TCA_OPTIONS")
    static let tbf = Nest<TrafficSpace, TBFSpace>(TCA_OPTIONS, "TCA_OPTIONS")
}

/// `TCA_MATCHALL_*`
enum MatchallSpace {
    static let classID = Attribute<MatchallSpace, UInt32>(TCA_MATCHALL_CLASSID, "TCA_MATCHALL_CLASSID")
    static let actions = Nest<MatchallSpace, ActionListSpace>(TCA_MATCHALL_ACT, "TCA_MATCHALL_ACT")
}

/// `TCA_FW_*`
enum FirewallMarkSpace {
    static let classID = Attribute<FirewallMarkSpace, UInt32>(TCA_FW_CLASSID, "TCA_FW_CLASSID")
    static let actions = Nest<FirewallMarkSpace, ActionListSpace>(TCA_FW_ACT, "TCA_FW_ACT")
    static let mask = Attribute<FirewallMarkSpace, UInt32>(TCA_FW_MASK, "TCA_FW_MASK")
}

/// `TCA_BPF_*`
enum ProgramSpace {
    static let descriptor = Attribute<ProgramSpace, UInt32>(TCA_BPF_FD, "TCA_BPF_FD")
    static let name = Attribute<ProgramSpace, String>(TCA_BPF_NAME, "TCA_BPF_NAME")
    static let flags = Attribute<ProgramSpace, UInt32>(TCA_BPF_FLAGS, "TCA_BPF_FLAGS")
    static let id = Attribute<ProgramSpace, UInt32>(TCA_BPF_ID, "TCA_BPF_ID")
    static let directAction = UInt32(TCA_BPF_FLAG_ACT_DIRECT)
}
