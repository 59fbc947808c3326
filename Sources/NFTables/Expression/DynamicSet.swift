import CLibnftnl
import CLinux

/// Puts a key into a set from the packet path: `update @overflowing { @th,32,32 timeout 2s }`.
public struct DynamicSet: Hashable, Sendable {
    public var operation: Operation
    public var set: String
    public var key: Register
    /// The register with the data, for a map.
    public var data: Register?
    /// Milliseconds the element lives; nil for the set's own default.
    public var timeout: UInt64?
    /// Expressions each element carries and evaluates: a `Counter`, a `Limit`, a `Quota`.
    public var expressions: [Expression]

    public enum Operation: UInt32, Hashable, Sendable {
        /// Add, and leave an element that is there as it is.
        case add = 0
        /// Add, or give the element that is there its full time again.
        case update
        case delete
    }

    public init(
        _ operation: Operation, _ set: String, key: Register = .first, data: Register? = nil, timeout: UInt64? = nil,
        expressions: [Expression] = []
    ) {
        self.operation = operation
        self.set = set
        self.key = key
        self.data = data
        self.timeout = timeout
        self.expressions = expressions
    }
}

extension DynamicSet: ExpressionCoding {
    static let name = "dynset"
    private static let inverted: UInt32 = 1
    private static let hasExpressions: UInt32 = 2

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_DYNSET_OP, operation.rawValue)
        handle.set(NFTNL_EXPR_DYNSET_SET_NAME, set)
        handle.set(NFTNL_EXPR_DYNSET_SREG_KEY, key)
        if let data { handle.set(NFTNL_EXPR_DYNSET_SREG_DATA, data) }
        if let timeout { handle.set(NFTNL_EXPR_DYNSET_TIMEOUT, u64: timeout) }
        // One expression goes in the attribute that every kernel knows, several in a list, which has a flag.
        let handles = expressions.compactMap { $0.makeHandle() }
        if handles.count > 1 { handle.set(NFTNL_EXPR_DYNSET_FLAGS, Self.hasExpressions) }
        for nested in handles {
            let attribute = handles.count > 1 ? NFTNL_EXPR_DYNSET_EXPRESSIONS : NFTNL_EXPR_DYNSET_EXPR
            nftnl_expr_add_expr(handle.pointer, UInt32(attribute), nested.pointer)
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        let flags = reader.u32(NFTA_DYNSET_FLAGS) ?? 0
        guard let operation = reader.u32(NFTA_DYNSET_OP).flatMap(Operation.init(rawValue:)),
            let set = reader.string(NFTA_DYNSET_SET_NAME), flags & Self.inverted == 0,
            let key = reader.register(NFTA_DYNSET_SREG_KEY)
        else { return nil }
        var timeout = reader.u64(NFTA_DYNSET_TIMEOUT)
        if timeout == 0 { timeout = nil }
        self.init(
            operation, set, key: key, data: reader.register(NFTA_DYNSET_SREG_DATA), timeout: timeout,
            expressions: reader.expressions(NFTA_DYNSET_EXPR, list: NFTA_DYNSET_EXPRESSIONS))
    }
}
