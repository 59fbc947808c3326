/// A named object of a table that rules hand packets to.
public struct StatefulObject: Hashable, Sendable {
    public var table: TableName
    public var name: String
    public var state: State
    /// Shown by `nft list`; at most 127 bytes.
    public var comment: String?
    /// The kernel's number for it; nil in what has not been read back.
    public var handle: UInt64?

    public enum State: Hashable, Sendable {
        case counter(Counter)
        case quota(Quota)
        case limit(Limit)
        /// A kind this module does not know; not written.
        case other(ObjectType)
    }

    public init(_ table: TableName, _ name: String, _ state: State, comment: String? = nil) {
        self.table = table
        self.name = name
        self.state = state
        self.comment = comment
    }

    public var type: ObjectType {
        switch state {
        case .counter: .counter
        case .quota: .quota
        case .limit: .limit
        case .other(let type): type
        }
    }

    /// Without what the kernel assigns or counts: equal for what was asked for and what is there.
    public var definition: StatefulObject {
        var copy = self
        copy.handle = nil
        switch state {
        case .counter: copy.state = .counter(Counter())
        case .quota(let quota): copy.state = .quota(Quota(bytes: quota.bytes, isOver: quota.isOver))
        case .limit, .other: break
        }
        return copy
    }
}
