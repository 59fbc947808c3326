import CLinux

/// What a queueing discipline is, with its parameters.
public enum QdiscKind: Hashable, Sendable {
    /// Where filters on both directions can be attached; no queue.
    case clsact
    case fqCoDel(FQCoDel)
    case fq(FairQueue)
    /// Classes with rates of their own; see ``TrafficClass``.
    /// - Parameter defaultClass: the minor number of the class for what no filter has sorted; 0 is not shaped
    case htb(defaultClass: UInt16)
    case tbf(TokenBucketFilter)
    /// Any other kind by its name, with the kernel's parameters for it.
    case other(String)

    /// `TCA_KIND`
    public var name: String {
        switch self {
        case .clsact: "clsact"
        case .fqCoDel: "fq_codel"
        case .fq: "fq"
        case .htb: "htb"
        case .tbf: "tbf"
        case .other(let name): name
        }
    }
}

/// A queueing discipline on a device.
public struct Qdisc: Hashable, Sendable {
    /// The device's index.
    public var link: UInt32
    public var parent: TrafficHandle
    /// `major:0`.
    public var handle: TrafficHandle
    public var kind: QdiscKind

    public init(link: UInt32, parent: TrafficHandle = .root, handle: TrafficHandle = .unspecified, _ kind: QdiscKind) {
        self.link = link
        self.parent = parent
        self.handle = handle
        self.kind = kind
    }

    /// The `clsact` of a device, on which `ingress` and `egress` filters stand.
    public static func clsact(link: UInt32) -> Qdisc {
        Qdisc(link: link, parent: .clsact, handle: TrafficHandle(0xFFFF, 0), .clsact)
    }
}

/// A queueing discipline with its counters.
public struct ObservedQdisc: Hashable, Sendable {
    public var qdisc: Qdisc
    public var statistics: TrafficStatistics

    /// Reads an `RTM_NEWQDISC` or `RTM_DELQDISC` message; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWQDISC, RTM_DELQDISC].contains(Int(message.type)), let header = message.header(tcmsg.self)
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<tcmsg>.size, of: TrafficSpace.self)
        guard let name = attributes.get(TrafficSpace.kind) else { return nil }
        let kind: QdiscKind
        switch name {
        case "clsact": kind = .clsact
        case "fq_codel": kind = .fqCoDel(FQCoDel(attributes.nested(TrafficSpace.fqCoDel)))
        case "fq": kind = .fq(FairQueue(attributes.nested(TrafficSpace.fq)))
        case "htb":
            let options = attributes.nested(TrafficSpace.htb).get(HTBSpace.global)
            kind = .htb(defaultClass: UInt16(truncatingIfNeeded: options?.defcls ?? 0))
        case "tbf":
            kind = TokenBucketFilter(attributes.nested(TrafficSpace.tbf)).map(QdiscKind.tbf) ?? .other(name)
        default: kind = .other(name)
        }
        qdisc = Qdisc(
            link: UInt32(bitPattern: header.tcm_ifindex), parent: TrafficHandle(rawValue: header.tcm_parent),
            handle: TrafficHandle(rawValue: header.tcm_handle), kind)
        statistics = TrafficStatistics(attributes.nested(TrafficSpace.statistics))
    }
}
