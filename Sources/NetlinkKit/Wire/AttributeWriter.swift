import CLinux

/// Where an attribute begins in a message, how deep it lies, and its name.
struct AttributeMark: Hashable, Sendable {
    /// Bytes from the start of the message's header.
    var offset: Int
    var depth: Int
    var name: String
}

/// The bytes of a message under construction and the marks of the attributes in it.
struct AttributeStorage {
    var bytes: [UInt8] = []
    var marks: [AttributeMark] = []
    var depth = 0
    /// An attribute's length has 16 bits: the name of the first attribute that did not fit.
    var oversized: String?
}

/// Appends attributes of one space to a message.
///
/// Not copyable, so that there is one owner of the message under construction at any time.
public struct AttributeWriter<Space>: ~Copyable {
    var storage: AttributeStorage

    init(_ storage: consuming AttributeStorage) { self.storage = storage }

    public mutating func put<Value>(_ key: Attribute<Space, Value>, _ value: Value) {
        let start = begin(key.type, key.name)
        value.append(to: &storage.bytes)
        end(start, key.name)
    }

    /// Writes the attribute unless there is no value.
    public mutating func put<Value>(_ key: Attribute<Space, Value>, ifPresent value: Value?) {
        if let value { put(key, value) }
    }

    public mutating func put<Integer>(_ key: Attribute<Space, BigEndian<Integer>>, _ value: Integer) {
        put(key, BigEndian(value))
    }

    public mutating func put<Layout>(_ key: Attribute<Space, Structure<Layout>>, _ value: Layout) {
        put(key, Structure(value))
    }

    /// Writes an attribute that carries no value.
    public mutating func put(_ key: Attribute<Space, Presence>) { put(key, Presence()) }

    /// Writes an attribute that holds the attributes that `body` writes.
    public mutating func nest<Child, E>(
        _ key: Nest<Space, Child>, _ body: (inout AttributeWriter<Child>) throws(E) -> Void
    ) throws(E) {
        let start = begin(key.flagged ? key.type | UInt16(NLA_F_NESTED) : key.type, key.name)
        var taken = AttributeStorage()
        swap(&taken, &storage)
        taken.depth += 1
        var child = AttributeWriter<Child>(taken)
        do {
            try body(&child)
        } catch {
            storage = child.storage
            throw error
        }
        storage = child.storage
        storage.depth -= 1
        end(start, key.name)
    }

    /// Writes bytes with a layout that is not attributes (a list of next hops, for instance).
    mutating func appendRaw<T: BitwiseCopyable>(_ value: T) { storage.bytes.appendBytes(of: value) }

    var count: Int { storage.bytes.count }

    mutating func store<T: BitwiseCopyable>(_ value: T, at offset: Int) { storage.bytes.store(value, at: offset) }

    private mutating func begin(_ type: UInt16, _ name: String) -> Int {
        let start = storage.bytes.count
        storage.marks.append(AttributeMark(offset: start, depth: storage.depth, name: name))
        storage.bytes.appendBytes(of: UInt16(0))
        storage.bytes.appendBytes(of: type)
        return start
    }

    private mutating func end(_ start: Int, _ name: String) {
        let length = storage.bytes.count - start
        if length > Int(UInt16.max) { storage.oversized = storage.oversized ?? name }
        storage.bytes.store(UInt16(truncatingIfNeeded: length), at: start)
        while storage.bytes.count % 4 != 0 { storage.bytes.append(0) }
    }
}
