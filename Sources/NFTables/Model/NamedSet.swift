/// A set, or with data a map.
public struct NamedSet: Hashable, Sendable {
    public var table: TableName
    public var name: String
    /// The fields of a key; several form a concatenation, at most five.
    public var key: [FieldType]
    /// What a map maps to; nil for a set.
    public var data: DataType?
    public var flags: Flags
    /// The most elements it may hold; nil for no limit. A dynamic set always has one: without, the kernel takes 65 535.
    public var size: UInt32?
    /// Milliseconds an element lives; nil for ever.
    public var timeout: UInt64?
    /// Each element counts the packets that found it (Linux 5.7 and later).
    public var hasCounters: Bool
    /// Shown by `nft list`; at most 127 bytes.
    public var comment: String?
    /// The kernel's number for it; nil in what has not been read back.
    public var handle: UInt64?

    public enum DataType: Hashable, Sendable {
        case field(FieldType)
        case verdict
        /// Elements name an object of the table.
        case object(ObjectType)
    }

    public struct Flags: OptionSet, Hashable, Sendable {
        public var rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Elements don't change while a rule uses it.
        public static let constant = Flags(rawValue: 2)
        /// Elements are ranges: of one field, or field by field of a concatenation.
        public static let interval = Flags(rawValue: 4)
        public static let timeout = Flags(rawValue: 0x10)
        /// Rules add elements (`NFT_SET_EVAL`).
        public static let dynamic = Flags(rawValue: 0x20)

        /// What follows from the rest of the definition; not the caller's to say.
        static let anonymous = Flags(rawValue: 1)
        static let map = Flags(rawValue: 8)
        static let object = Flags(rawValue: 0x40)
        static let concatenation = Flags(rawValue: 0x80)
        static let stated: Flags = [.constant, .interval, .timeout, .dynamic]
    }

    public init(
        _ table: TableName, _ name: String, key: [FieldType], data: DataType? = nil, flags: Flags = [],
        size: UInt32? = nil, timeout: UInt64? = nil, hasCounters: Bool = false, comment: String? = nil
    ) {
        self.table = table
        self.name = name
        self.key = key
        self.data = data
        self.flags = flags
        self.size = size ?? (flags.contains(.dynamic) ? 65535 : nil)
        self.timeout = timeout
        self.hasCounters = hasCounters
        self.comment = comment
    }

    /// Without what the kernel assigns: equal for what was asked for and what is there.
    public var definition: NamedSet {
        var copy = self
        copy.handle = nil
        return copy
    }

    /// Bytes of a key; fields of a concatenation fill whole registers.
    var keyLength: Int {
        key.count == 1 ? key[0].length : key.reduce(0) { $0 + $1.paddedLength }
    }

    /// nft's number for the key's type: six bits a field.
    var keyTypeNumber: UInt32 { key.reduce(0) { $0 << 6 | $1.typeNumber & 0x3F } }

    /// Ranges field by field, which the kernel stores in one element with two keys.
    var hasConcatenatedRanges: Bool { flags.contains(.interval) && key.count > 1 }

    /// All flags as the kernel wants them.
    var wireFlags: Flags {
        var all = flags
        switch data {
        case .field?, .verdict?: all.insert(.map)
        case .object?: all.insert(.object)
        case nil: break
        }
        if hasConcatenatedRanges { all.insert(.concatenation) }
        return all
    }
}

/// A constant set that belongs to one rule.
public struct AnonymousSet: Hashable, Sendable {
    public var key: [FieldType]
    public var data: NamedSet.DataType?
    public var isInterval: Bool
    /// No order: the kernel keeps none.
    public var elements: Set<Element>

    public init(
        key: [FieldType], data: NamedSet.DataType? = nil, isInterval: Bool = false, elements: some Sequence<Element>
    ) {
        self.key = key
        self.data = data
        self.isInterval = isInterval
        self.elements = Set(elements)
    }
}
