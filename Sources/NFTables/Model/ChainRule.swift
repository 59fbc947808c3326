/// Expressions that are evaluated one after the other until one does not match.
public struct ChainRule: Hashable, Sendable {
    public var table: TableName
    public var chain: String
    public var expressions: [Expression]
    /// Shown by `nft list`; at most 127 bytes.
    public var comment: String?
    /// The kernel's number for it, by which it is deleted and replaced; nil in what has not been read back.
    public var handle: UInt64?
    /// The handle of the rule that a new one comes after (before, when inserted); in what was read back, of the rule
    /// before it.
    public var position: UInt64?

    public init(
        _ table: TableName, _ chain: String, _ expressions: [Expression], comment: String? = nil,
        handle: UInt64? = nil, position: UInt64? = nil
    ) {
        self.table = table
        self.chain = chain
        self.expressions = expressions
        self.comment = comment
        self.handle = handle
        self.position = position
    }

    /// Without what the kernel assigns or counts: equal for what was asked for and what is there.
    public var definition: ChainRule { ChainRule(table, chain, expressions.map(\.definition), comment: comment) }
}
