public import Addresses
public import NetlinkKit

/// What the rules of a table do with one packet, step by step as the kernel evaluates them. Only what sets hold is
/// asked for; nothing is changed.
public struct RuleWalk: Sendable {
    /// A rule that the packet matched, and what was found in sets on the way.
    public struct Hit: Hashable, Sendable {
        public var rule: ChainRule
        public var found: [Found]
    }

    public struct Found: Hashable, Sendable {
        /// The set's or map's name.
        public var set: String
        public var element: Element
    }

    /// A rule that asks for something that is not known of the packet. It was taken for one that does not match.
    public struct Open: Hashable, Sendable {
        public var rule: ChainRule
        /// The set that it would have looked something up in.
        public var set: String?
    }

    /// What a rule wants of the packet's source.
    public enum Translation: Hashable, Sendable {
        /// The address of the device that it leaves by.
        case masquerade
        case to(IPAddress)
    }

    /// In the order in which they were met.
    public private(set) var hits: [Hit] = []
    public private(set) var open: [Open] = []
    /// As the rules left it.
    public private(set) var packet: SamplePacket
    public private(set) var translation: Translation?
    public private(set) var isDropped = false

    /// The element of a set that holds a key; nil: none does. Each of several fields begins in a register of its own.
    public typealias Find = (_ set: String, _ register: [UInt8]) throws(KernelError) -> Element?

    private let rules: [String: [ChainRule]]
    private var registers = [UInt8](repeating: 0, count: 64)
    /// The kernel's own limit.
    private static let depth = 16

    /// - Parameters:
    ///   - rules: of one table, in the order in which they are evaluated
    ///   - chain: where the packet comes in
    public init(
        _ packet: SamplePacket, _ rules: [ChainRule], from chain: String, policy: Hook.Policy = .accept, _ find: Find
    ) throws(KernelError) {
        self.packet = packet
        self.rules = Dictionary(grouping: rules, by: \.chain)
        switch try walk(chain, 0, find) {
        case .drop?: isDropped = true
        case nil: isDropped = policy == .drop
        default: break
        }
    }

    /// - Returns: accept or drop; nil where the chain's end was reached
    private mutating func walk(_ chain: String, _ depth: Int, _ find: Find) throws(KernelError) -> RuleVerdict? {
        guard depth <= Self.depth else { return .drop }
        for rule in rules[chain] ?? [] {
            var found: [Found] = []
            switch try evaluate(rule, &found, find) {
            case .mismatch: continue
            case .unknown:
                open.append(Open(rule: rule, set: Self.set(of: rule)))
                continue
            case .end(let verdict):
                hits.append(Hit(rule: rule, found: found))
                switch verdict {
                case .accept, .drop: return verdict
                case .return: return nil
                case .goto(let next): return try walk(next, depth + 1, find)
                case .jump(let next):
                    if let verdict = try walk(next, depth + 1, find) { return verdict }
                case .continue: break
                // Queues and the like: it is not dropped here.
                case .other: return .accept
                }
            }
        }
        return nil
    }

    private static func set(of rule: ChainRule) -> String? {
        for case .lookup(let lookup) in rule.expressions {
            if case .named(let name) = lookup.set, !name.hasPrefix("__") { return name }
        }
        return nil
    }

    // MARK: One rule

    private enum Outcome {
        case mismatch, unknown
        case end(RuleVerdict)
    }

    private mutating func evaluate(
        _ rule: ChainRule, _ found: inout [Found], _ find: Find
    ) throws(KernelError) -> Outcome {
        for expression in rule.expressions {
            switch expression {
            case .payload(let load):
                guard let bytes = packet.bytes(load.base, offset: load.offset, length: load.length) else {
                    return .unknown
                }
                put(bytes, load.destination)
            case .payloadStore(let store):
                packet.store(get(store.source, store.length), store.base, offset: store.offset)
            case .meta(let meta):
                guard access(meta) else { return .unknown }
            case .connection(let tracking):
                guard access(tracking) else { return .unknown }
            case .bitwise(let bitwise): apply(bitwise)
            case .compare(let compare):
                guard Self.holds(get(compare.source, compare.data.count), compare.relation, compare.data) else {
                    return .mismatch
                }
            case .range(let range):
                let bytes = get(range.source, range.from.count)
                let inside = Self.holds(bytes, .greaterOrEqual, range.from) && Self.holds(bytes, .lessOrEqual, range.to)
                if inside == range.isInverted { return .mismatch }
            case .lookup(let lookup):
                if let outcome = try apply(lookup, &found, find) { return outcome }
            case .immediate(.data(let bytes, let register)): put(bytes, register)
            case .immediate(.verdict(let verdict)): return .end(verdict)
            case .masquerade:
                translation = .masquerade
                return .end(.accept)
            case .nat(let nat):
                guard nat.kind == .source, let address = nat.address else { return .end(.accept) }
                translation = IPAddress(bytes: get(address.lower, nat.family == .ip6 ? 16 : 4)).map { .to($0) }
                return .end(.accept)
            case .queue: return .end(.accept)
            case .reject: return .end(.drop)
            case .counter, .object, .notrack, .log, .dynamicSet: continue
            default: return .unknown
            }
        }
        return .end(.continue)
    }

    /// - Returns: nil: go on with the rule
    private mutating func apply(
        _ lookup: Lookup, _ found: inout [Found], _ find: Find
    ) throws(KernelError) -> Outcome? {
        let key = Array(registers[Self.place(lookup.source)...])
        let element: Element?
        switch lookup.set {
        case .anonymous(let set):
            guard !set.isInterval else { return .unknown }
            element = set.elements.first { key.starts(with: $0.key.keyBytes) }
        case .named(let name):
            element = try find(name, key)
            if let element, !name.hasPrefix("__") { found.append(Found(set: name, element: element)) }
        }
        switch (lookup.outcome, element) {
        case (.contained, nil), (.notContained, _?), (.data, nil), (.verdict, nil): return .mismatch
        case (.contained, _?), (.notContained, nil): return nil
        case (.data(let register), let element?):
            guard case .value(let value)? = element.data else { return .unknown }
            put(value.bytes, register)
            return nil
        case (.verdict, let element?):
            guard case .verdict(let verdict)? = element.data else { return .unknown }
            return .end(verdict)
        }
    }

    private mutating func access(_ meta: Meta) -> Bool {
        switch (meta.key, meta.access) {
        case (.mark, .load(let register)): put(packet.mark.hostOrderBytes, register)
        case (.mark, .store(let register)): packet.mark = number(register)
        case (.networkProtocol, .load(let register)): put([packet.family.protocolNumber], register)
        case (.transportProtocol, .load(let register)): put([packet.transportProtocol], register)
        case (.inputInterfaceName, .load(let register)): put(Value.interfaceName(packet.input ?? "").bytes, register)
        case (.outputInterfaceName, .load(let register)): put(Value.interfaceName(packet.output ?? "").bytes, register)
        case (.inputInterfaceType, .load(let register)):
            // ARPHRD_ETHER, ARPHRD_NONE
            put((packet.isOverEthernet ? UInt16(1) : 0xFFFE).hostOrderBytes, register)
        default: return false
        }
        return true
    }

    private mutating func access(_ tracking: ConnectionTracking) -> Bool {
        switch (tracking.key, tracking.access) {
        case (.mark, .load(let register)): put(packet.connectionMark.hostOrderBytes, register)
        case (.mark, .store(let register)): packet.connectionMark = number(register)
        case (.status, .load(let register)): put(packet.connectionStatus.hostOrderBytes, register)
        default: return false
        }
        return true
    }

    // MARK: Registers

    private static func place(_ register: Register) -> Int { Int(register.slot) * 4 }

    /// What does not fill a whole slot is followed by zeros.
    private mutating func put(_ bytes: [UInt8], _ register: Register) {
        for (i, byte) in bytes.paddedToRegisters.enumerated() where Self.place(register) + i < registers.count {
            registers[Self.place(register) + i] = byte
        }
    }

    private func get(_ register: Register, _ length: some BinaryInteger) -> [UInt8] {
        Array(registers[Self.place(register)...].prefix(Int(length)))
    }

    private func number(_ register: Register) -> UInt32 { UInt32(hostOrderBytes: get(register, 4)) ?? 0 }

    private mutating func apply(_ bitwise: Bitwise) {
        let bytes = get(bitwise.source, bitwise.length)
        switch bitwise.operation {
        case .mask(let mask, let xor):
            put(zip(bytes, zip(mask, xor)).map { $0 & $1.0 ^ $1.1 }, bitwise.destination)
        case .shiftLeft(let bits): shift(bytes, bitwise.destination) { $0 << bits }
        case .shiftRight(let bits): shift(bytes, bitwise.destination) { $0 >> bits }
        }
    }

    /// The kernel shifts numbers in host byte order; more than one slot is not shifted by any rule of ours.
    private mutating func shift(_ bytes: [UInt8], _ register: Register, _ change: (UInt32) -> UInt32) {
        put(change(UInt32(hostOrderBytes: bytes.paddedToRegisters.prefix(4)) ?? 0).hostOrderBytes, register)
    }

    private static func holds(_ bytes: [UInt8], _ relation: Relation, _ data: [UInt8]) -> Bool {
        let isLess = bytes.lexicographicallyPrecedes(data)
        return switch relation {
        case .equal: bytes == data
        case .notEqual: bytes != data
        case .less: isLess
        case .lessOrEqual: isLess || bytes == data
        case .greater: !isLess && bytes != data
        case .greaterOrEqual: !isLess
        }
    }
}

extension NFTablesClient {
    /// Follows a packet through a table as it is now: all of one generation. nil: there is no such table or chain.
    public func follow(
        _ packet: SamplePacket, through table: TableName, from chain: String
    ) throws(KernelError) -> RuleWalk? {
        for _ in 0..<max(1, snapshotAttempts) {
            let before = try generation().id
            guard let entry = try chains(in: table).first(where: { $0.name == chain }) else { return nil }
            let rules = try rules(in: table)
            let sets = Dictionary(try sets(in: table).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
            do throws(KernelError) {
                let walk = try RuleWalk(packet, rules, from: chain, policy: entry.hook?.policy ?? .accept) {
                    (name, register) throws(KernelError) in
                    guard let set = sets[name] else {
                        throw .malformed(Operation("read", "set \(table) \(name)"), "it is not there, but in a rule")
                    }
                    let key = set.values(Array(register.prefix(set.keyLength)))
                    return try elements([key], of: set).first.flatMap { $0 }
                }
                if try generation().id == before { return walk }
            } catch {
                // A set that went meanwhile.
                guard try generation().id != before else { throw error }
            }
        }
        throw .inconsistentDump(Operation("read", "table \(table)"), attempts: max(1, snapshotAttempts))
    }
}
