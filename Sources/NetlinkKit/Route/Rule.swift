import Addresses
import CLinux

/// A rule of policy routing, so that what was added and what is read back compare equal.
public struct Rule: Hashable, Sendable {
    /// What happens to a packet that matches.
    public enum Action: Hashable, Sendable {
        case lookup(table: UInt32)
        case goto(priority: UInt32)
        case nop, blackhole, unreachable, prohibit
    }

    /// A packet matches when its mark and `mask` are `value`.
    public struct Mark: Hashable, Sendable {
        public var value: UInt32
        public var mask: UInt32

        public init(_ value: UInt32, mask: UInt32 = .max) {
            self.value = value
            self.mask = mask
        }
    }

    public var family: IPFamily
    /// Lower comes first.
    public var priority: UInt32
    public var action: Action
    public var source: IPPrefix?
    public var destination: IPPrefix?
    /// Names of devices; the rule waits for one that does not exist yet.
    public var inputLink: String?
    public var outputLink: String?
    public var mark: Mark?
    public var tos: UInt8 = 0
    public var ipProtocol: UInt8?
    public var sourcePorts: ClosedRange<UInt16>?
    public var destinationPorts: ClosedRange<UInt16>?
    /// Ignore what the lookup finds when its prefix is this long or shorter; 0 ignores the default route.
    public var suppressPrefixLength: UInt32?
    /// Match what would not.
    public var isInverted = false
    /// Who added it. Kernel 4.17.
    public var `protocol`: RouteProtocol

    public init(
        _ family: IPFamily, priority: UInt32, _ action: Action, from source: IPPrefix? = nil,
        to destination: IPPrefix? = nil, inputLink: String? = nil, outputLink: String? = nil, mark: Mark? = nil,
        protocol: RouteProtocol = .static
    ) {
        self.family = family
        self.priority = priority
        self.action = action
        self.source = source?.masked
        self.destination = destination?.masked
        self.inputLink = inputLink
        self.outputLink = outputLink
        self.mark = mark
        self.protocol = `protocol`
    }
}

/// `FRA_*`
private enum RuleSpace {
    static let destination = Attribute<RuleSpace, IPAddress>(FRA_DST, "FRA_DST")
    static let source = Attribute<RuleSpace, IPAddress>(FRA_SRC, "FRA_SRC")
    static let inputLink = Attribute<RuleSpace, String>(FRA_IIFNAME, "FRA_IIFNAME")
    static let outputLink = Attribute<RuleSpace, String>(FRA_OIFNAME, "FRA_OIFNAME")
    static let goto = Attribute<RuleSpace, UInt32>(FRA_GOTO, "FRA_GOTO")
    static let priority = Attribute<RuleSpace, UInt32>(FRA_PRIORITY, "FRA_PRIORITY")
    static let mark = Attribute<RuleSpace, UInt32>(FRA_FWMARK, "FRA_FWMARK")
    static let mask = Attribute<RuleSpace, UInt32>(FRA_FWMASK, "FRA_FWMASK")
    static let suppressPrefixLength = Attribute<RuleSpace, UInt32>(FRA_SUPPRESS_PREFIXLEN, "FRA_SUPPRESS_PREFIXLEN")
    static let table = Attribute<RuleSpace, UInt32>(FRA_TABLE, "FRA_TABLE")
    static let proto = Attribute<RuleSpace, UInt8>(FRA_PROTOCOL, "FRA_PROTOCOL")
    static let ipProtocol = Attribute<RuleSpace, UInt8>(FRA_IP_PROTO, "FRA_IP_PROTO")
    static let sourcePorts = Attribute<RuleSpace, Structure<fib_rule_port_range>>(
        FRA_SPORT_RANGE, "FRA_SPORT_RANGE")
    static let destinationPorts = Attribute<RuleSpace, Structure<fib_rule_port_range>>(
        FRA_DPORT_RANGE, "FRA_DPORT_RANGE")
}

extension Rule.Action {
    fileprivate var number: UInt8 {
        switch self {
        case .lookup: UInt8(FR_ACT_TO_TBL)
        case .goto: UInt8(FR_ACT_GOTO)
        case .nop: UInt8(FR_ACT_NOP)
        case .blackhole: UInt8(FR_ACT_BLACKHOLE)
        case .unreachable: UInt8(FR_ACT_UNREACHABLE)
        case .prohibit: UInt8(FR_ACT_PROHIBIT)
        }
    }

    fileprivate init?(_ number: UInt8, table: UInt32, target: UInt32?) {
        switch Int(number) {
        case FR_ACT_TO_TBL: self = .lookup(table: table)
        case FR_ACT_GOTO:
            guard let target else { return nil }
            self = .goto(priority: target)
        case FR_ACT_NOP: self = .nop
        case FR_ACT_BLACKHOLE: self = .blackhole
        case FR_ACT_UNREACHABLE: self = .unreachable
        case FR_ACT_PROHIBIT: self = .prohibit
        default: return nil
        }
    }
}

extension Rule {
    /// Reads an `RTM_NEWRULE` or `RTM_DELRULE` message of IPv4 or IPv6; nil for any other.
    public init?(_ message: borrowing Message) {
        guard [RTM_NEWRULE, RTM_DELRULE].contains(Int(message.type)), let header = message.header(fib_rule_hdr.self),
            let family = IPFamily(header.family)
        else { return nil }
        let attributes = message.attributes(after: MemoryLayout<fib_rule_hdr>.size, of: RuleSpace.self)
        let table = attributes.get(RuleSpace.table) ?? UInt32(header.table)
        guard
            let action = Action(header.action, table: table, target: attributes.get(RuleSpace.goto))
        else { return nil }
        self.init(
            family, priority: attributes.get(RuleSpace.priority) ?? 0, action,
            from: attributes.get(RuleSpace.source).flatMap { IPPrefix($0, length: header.src_len) },
            to: attributes.get(RuleSpace.destination).flatMap { IPPrefix($0, length: header.dst_len) },
            inputLink: attributes.get(RuleSpace.inputLink), outputLink: attributes.get(RuleSpace.outputLink),
            protocol: RouteProtocol(rawValue: attributes.get(RuleSpace.proto) ?? 0))
        if let mask = attributes.get(RuleSpace.mask) {
            mark = Mark(attributes.get(RuleSpace.mark) ?? 0, mask: mask)
        }
        tos = header.tos
        ipProtocol = attributes.get(RuleSpace.ipProtocol)
        sourcePorts = attributes.get(RuleSpace.sourcePorts).flatMap(Self.ports)
        destinationPorts = attributes.get(RuleSpace.destinationPorts).flatMap(Self.ports)
        suppressPrefixLength = attributes.get(RuleSpace.suppressPrefixLength)
        if suppressPrefixLength == .max { suppressPrefixLength = nil }
        isInverted = header.flags & UInt32(FIB_RULE_INVERT) != 0
    }

    private static func ports(_ range: fib_rule_port_range) -> ClosedRange<UInt16>? {
        range.start <= range.end ? range.start...range.end : nil
    }

    /// A rule that exists already is an error (`EEXIST`).
    public func add() -> Request { request("add", RTM_NEWRULE, [.create, .exclusive]) }

    /// Deletes the first rule that has all this; `ENOENT` if there is none.
    public func delete() -> Request { request("delete", RTM_DELRULE, []) }

    private func request(_ verb: String, _ type: Int, _ flags: MessageFlags) -> Request {
        var header = fib_rule_hdr()
        header.family = family.number
        header.dst_len = destination?.length ?? 0
        header.src_len = source?.length ?? 0
        header.tos = tos
        header.action = action.number
        header.flags = isInverted ? UInt32(FIB_RULE_INVERT) : 0
        return Request(
            Operation(verb, "\(family == .v4 ? "IPv4" : "IPv6") rule \(priority)"), type: UInt16(type), flags: flags,
            header: header, RuleSpace.self
        ) {
            $0.put(RuleSpace.priority, priority)
            $0.put(RuleSpace.proto, `protocol`.rawValue)
            $0.put(RuleSpace.source, ifPresent: source?.address)
            $0.put(RuleSpace.destination, ifPresent: destination?.address)
            $0.put(RuleSpace.inputLink, ifPresent: inputLink)
            $0.put(RuleSpace.outputLink, ifPresent: outputLink)
            if let mark {
                $0.put(RuleSpace.mark, mark.value)
                $0.put(RuleSpace.mask, mark.mask)
            }
            $0.put(RuleSpace.ipProtocol, ifPresent: ipProtocol)
            if let ports = sourcePorts { $0.put(RuleSpace.sourcePorts, fib_rule_port_range(ports)) }
            if let ports = destinationPorts { $0.put(RuleSpace.destinationPorts, fib_rule_port_range(ports)) }
            $0.put(RuleSpace.suppressPrefixLength, ifPresent: suppressPrefixLength)
            switch action {
            case .lookup(let table): $0.put(RuleSpace.table, table)
            case .goto(let priority): $0.put(RuleSpace.goto, priority)
            default: break
            }
        }
    }
}

extension fib_rule_port_range {
    fileprivate init(_ range: ClosedRange<UInt16>) { self.init(start: range.lowerBound, end: range.upperBound) }
}

extension Exchange {
    /// The rules of a family, in the order in which they are asked.
    public func rules(_ family: IPFamily) throws(KernelError) -> [Rule] {
        var header = fib_rule_hdr()
        header.family = family.number
        let request = Request(
            Operation("list", "rules"), type: UInt16(RTM_GETRULE), flags: .dump, header: header, RuleSpace.self
        ) { _ in }
        return try dump(request) { Rule($0) }
    }
}
