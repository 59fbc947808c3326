/// Which table: names are unique in their family only.
public struct TableName: Hashable, Sendable {
    public var family: Family
    public var name: String

    public init(_ family: Family, _ name: String) {
        self.family = family
        self.name = name
    }
}

extension TableName: CustomStringConvertible {
    /// As nft writes it: `ip spillway`.
    public var description: String { "\(family) \(name)" }
}

/// A table: the room that chains, sets, maps and named objects live in.
public struct Table: Hashable, Sendable {
    public var id: TableName
    public var flags: Flags
    /// Shown by `nft list`; at most 127 bytes.
    public var comment: String?
    /// The kernel's number for it; nil in what has not been read back.
    public var handle: UInt64?

    public struct Flags: OptionSet, Hashable, Sendable {
        public var rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Its chains are not called.
        public static let dormant = Flags(rawValue: 1)
        /// Nobody but the socket that made it may change it, and it goes when that socket closes.
        public static let owner = Flags(rawValue: 2)
    }

    public init(_ family: Family, _ name: String, flags: Flags = [], comment: String? = nil) {
        id = TableName(family, name)
        self.flags = flags
        self.comment = comment
    }

    /// Without what the kernel assigns: equal for what was asked for and what is there.
    public var definition: Table {
        var copy = self
        copy.handle = nil
        return copy
    }
}
