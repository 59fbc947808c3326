import CLinux

/// What a request tries to do, in words for an error message.
public struct Operation: Hashable, Sendable, CustomStringConvertible {
    /// Such as `create`, `change`, `delete`, `list`.
    public var verb: String
    /// The kind of object and its identity, such as `link "bond-17"`.
    public var object: String

    public init(_ verb: String, _ object: String) {
        self.verb = verb
        self.object = object
    }

    public var description: String { "\(verb) \(object)" }
}

/// One message for the kernel with what is needed to explain its refusal. A value: it can be built early, kept,
/// compared, and sent together with others by an ``Exchange``.
public struct Request: Hashable, Sendable {
    /// From the netlink header on. Sequence number and port are filled in when it is sent.
    public private(set) var bytes: [UInt8]
    public var operation: Operation
    private var marks: [AttributeMark]
    /// The first attribute that is longer than 65 535 bytes, which netlink cannot express.
    private(set) var oversized: String?

    /// - Parameters:
    ///   - header: the fixed structure that follows the netlink header, such as `ifinfomsg`
    ///   - flags: `request` is always added
    public init<Header: BitwiseCopyable, Space, E>(
        _ operation: Operation, type: UInt16, flags: MessageFlags, header: Header, _ space: Space.Type,
        _ body: (inout AttributeWriter<Space>) throws(E) -> Void
    ) throws(E) {
        var bytes: [UInt8] = []
        bytes.appendBytes(of: header)
        try self.init(operation, type: type, flags: flags, fixed: bytes, space, body)
    }

    /// - Parameter fixed: the bytes of the fixed structure
    init<Space, E>(
        _ operation: Operation, type: UInt16, flags: MessageFlags, fixed: [UInt8], _ space: Space.Type,
        _ body: (inout AttributeWriter<Space>) throws(E) -> Void
    ) throws(E) {
        var storage = AttributeStorage()
        storage.bytes.reserveCapacity(256)
        storage.bytes.appendBytes(of: UInt32(0))
        storage.bytes.appendBytes(of: type)
        storage.bytes.appendBytes(of: flags.union(.request).rawValue)
        storage.bytes.appendBytes(of: UInt64(0))
        storage.bytes += fixed
        while storage.bytes.count % 4 != 0 { storage.bytes.append(0) }
        var writer = AttributeWriter<Space>(storage)
        try body(&writer)
        storage = writer.storage
        bytes = storage.bytes
        marks = storage.marks
        oversized = storage.oversized
        self.operation = operation
        bytes.store(UInt32(truncatingIfNeeded: bytes.count), at: 0)
    }

    /// A message that something else has laid out (libnftnl, for instance), header included. Attribute paths in errors
    /// then hold numbers unless `names` knows better: it is given the numbers from the outermost attribute inwards.
    /// - Parameter fixedSize: bytes between the netlink header and the first attribute
    public init?(
        _ operation: Operation, message: [UInt8], fixedSize: Int, names: (_ path: [UInt16]) -> String? = { _ in nil }
    ) {
        guard message.count >= 16 + fixedSize, fixedSize >= 0 else { return nil }
        bytes = message
        self.operation = operation
        marks = AttributeMark.walk(message, from: 16 + fixedSize, names: names)
        bytes.store(UInt32(truncatingIfNeeded: bytes.count), at: 0)
    }

    public var type: UInt16 { bytes.span.bytes.load(UInt16.self, at: 4) ?? 0 }

    public var flags: MessageFlags {
        get { MessageFlags(rawValue: bytes.span.bytes.load(UInt16.self, at: 6) ?? 0) }
        set { bytes.store(newValue.rawValue, at: 6) }
    }

    /// Who asks. The kernel goes by the socket, but for IPsec it repeats this number in what it announces.
    public var port: UInt32 {
        get { bytes.span.bytes.load(UInt32.self, at: 12) ?? 0 }
        set { bytes.store(newValue, at: 12) }
    }

    var sequence: UInt32 {
        get { bytes.span.bytes.load(UInt32.self, at: 8) ?? 0 }
        set { bytes.store(newValue, at: 8) }
    }

    /// Whether it is of the rtnetlink family and asks for more than an answer: of each four types the third one reads.
    var isChange: Bool { type < 0x100 && type & 3 != 2 }

    /// The names of the attribute at `offset` (bytes from the start of the message) and of those around it, joined by
    /// dots: `IFLA_LINKINFO.IFLA_INFO_DATA.IFLA_GRE_IKEY`. nil when no attribute lies there.
    public func attributePath(at offset: Int) -> String? {
        var path: [String] = []
        var found = false
        for mark in marks where mark.offset <= offset {
            path.removeLast(max(0, path.count - mark.depth))
            path.append(mark.name)
            found = true
        }
        // An offset behind the last attribute's end names nothing.
        return found && offset < bytes.count ? path.joined(separator: ".") : nil
    }
}

extension AttributeMark {
    /// The attributes of a finished message. Only those flagged as nested are entered.
    static func walk(_ bytes: [UInt8], from start: Int, names: ([UInt16]) -> String?) -> [AttributeMark] {
        var marks: [AttributeMark] = []
        func enter(_ range: Range<Int>, _ parents: [UInt16]) {
            var offset = range.lowerBound
            while offset + 4 <= range.upperBound, let length = bytes.span.bytes.load(UInt16.self, at: offset),
                let flagged = bytes.span.bytes.load(UInt16.self, at: offset + 2), length >= 4,
                offset + Int(length) <= range.upperBound
            {
                let path = parents + [flagged & 0x3FFF]
                let name = names(path) ?? listed(flagged, offset + 4) ?? "\(flagged & 0x3FFF)"
                marks.append(AttributeMark(offset: offset, depth: parents.count, name: name))
                if flagged & UInt16(NLA_F_NESTED) != 0, path.count < 16 {
                    enter((offset + 4)..<(offset + Int(length)), path)
                }
                offset += (Int(length) + 3) & ~3
            }
        }
        /// What an element of a list calls itself: expressions of a rule begin with what they are, such as `queue`.
        func listed(_ flagged: UInt16, _ offset: Int) -> String? {
            guard flagged == UInt16(NLA_F_NESTED) | 1, let length = bytes.span.bytes.load(UInt16.self, at: offset),
                bytes.span.bytes.load(UInt16.self, at: offset + 2) == 1, length > 5, offset + Int(length) <= bytes.count
            else { return nil }
            let text = bytes[(offset + 4)..<(offset + Int(length) - 1)]
            let isName = text.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
            return isName && bytes[offset + Int(length) - 1] == 0 ? String(decoding: text, as: UTF8.self) : nil
        }
        enter(min(start, bytes.count)..<bytes.count, [])
        return marks
    }
}
