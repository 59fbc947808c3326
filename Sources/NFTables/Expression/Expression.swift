import CLinux

/// One step of a rule, as the kernel evaluates it (`NFTA_LIST_ELEM` of `NFTA_RULE_EXPRESSIONS`).
public indirect enum Expression: Hashable, Sendable {
    case payload(PayloadLoad)
    case payloadStore(PayloadStore)
    case meta(Meta)
    case bitwise(Bitwise)
    case compare(Compare)
    case range(RangeMatch)
    case lookup(Lookup)
    case dynamicSet(DynamicSet)
    case immediate(Immediate)
    case counter(Counter)
    case object(ObjectReference)
    case queue(Queue)
    case notrack(Notrack)
    case connection(ConnectionTracking)
    case nat(Nat)
    case masquerade(Masquerade)
    case redirect(Redirect)
    case limit(Limit)
    case quota(Quota)
    case log(Log)
    case reject(Reject)
    case exthdr(Exthdr)
    case routing(Routing)
    case hash(Hash)
    case numgen(Numgen)
    case byteorder(Byteorder)
    case fib(Fib)
    case security(Security)
    case unknown(UnknownExpression)
}

extension Expression {
    /// Without what the kernel changes on its own: counters and quotas as they were at the beginning.
    public var definition: Expression {
        switch self {
        case .counter: .counter(Counter())
        case .quota(let quota): .quota(Quota(bytes: quota.bytes, isOver: quota.isOver))
        case .dynamicSet(var dynamic):
            {
                dynamic.expressions = dynamic.expressions.map(\.definition)
                return .dynamicSet(dynamic)
            }()
        default: self
        }
    }

    private var coding: (any ExpressionCoding)? {
        switch self {
        case .payload(let e): e
        case .payloadStore(let e): e
        case .meta(let e): e
        case .bitwise(let e): e
        case .compare(let e): e
        case .range(let e): e
        case .lookup(let e): e
        case .dynamicSet(let e): e
        case .immediate(let e): e
        case .counter(let e): e
        case .object(let e): e
        case .queue(let e): e
        case .notrack(let e): e
        case .connection(let e): e
        case .nat(let e): e
        case .masquerade(let e): e
        case .redirect(let e): e
        case .limit(let e): e
        case .quota(let e): e
        case .log(let e): e
        case .reject(let e): e
        case .exthdr(let e): e
        case .routing(let e): e
        case .hash(let e): e
        case .numgen(let e): e
        case .byteorder(let e): e
        case .fib(let e): e
        case .security(let e): e
        case .unknown: nil
        }
    }

    /// A new libnftnl object that says the same; nil for what cannot be written.
    func makeHandle() -> ExpressionHandle? {
        guard let coding, let handle = ExpressionHandle(name: type(of: coding).name) else { return nil }
        coding.encode(to: handle)
        return handle
    }

    /// What an expression of this name says; nil where the model cannot hold it.
    static func decode(_ name: String, _ reader: borrowing ExpressionReader) -> Expression? {
        switch name {
        case PayloadLoad.name:
            reader.has(NFTA_PAYLOAD_SREG)
                ? PayloadStore(from: reader).map { .payloadStore($0) } : PayloadLoad(from: reader).map { .payload($0) }
        case Meta.name: Meta(from: reader).map { .meta($0) }
        case Bitwise.name: Bitwise(from: reader).map { .bitwise($0) }
        case Compare.name: Compare(from: reader).map { .compare($0) }
        case RangeMatch.name: RangeMatch(from: reader).map { .range($0) }
        case Lookup.name: Lookup(from: reader).map { .lookup($0) }
        case DynamicSet.name: DynamicSet(from: reader).map { .dynamicSet($0) }
        case Immediate.name: Immediate(from: reader).map { .immediate($0) }
        case Counter.name: Counter(from: reader).map { .counter($0) }
        case ObjectReference.name: ObjectReference(from: reader).map { .object($0) }
        case Queue.name: Queue(from: reader).map { .queue($0) }
        case Notrack.name: Notrack(from: reader).map { .notrack($0) }
        case ConnectionTracking.name: ConnectionTracking(from: reader).map { .connection($0) }
        case Nat.name: Nat(from: reader).map { .nat($0) }
        case Masquerade.name: Masquerade(from: reader).map { .masquerade($0) }
        case Redirect.name: Redirect(from: reader).map { .redirect($0) }
        case Limit.name: Limit(from: reader).map { .limit($0) }
        case Quota.name: Quota(from: reader).map { .quota($0) }
        case Log.name: Log(from: reader).map { .log($0) }
        case Reject.name: Reject(from: reader).map { .reject($0) }
        case Exthdr.name: Exthdr(from: reader).map { .exthdr($0) }
        case Routing.name: Routing(from: reader).map { .routing($0) }
        case Hash.name: Hash(from: reader).map { .hash($0) }
        case Numgen.name: Numgen(from: reader).map { .numgen($0) }
        case Byteorder.name: Byteorder(from: reader).map { .byteorder($0) }
        case Fib.name: Fib(from: reader).map { .fib($0) }
        case Security.name: Security(from: reader).map { .security($0) }
        default: nil
        }
    }
}
