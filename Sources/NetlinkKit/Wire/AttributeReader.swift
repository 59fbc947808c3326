/// Reads attributes of one space from received bytes without copying them.
///
/// It cannot outlive the bytes it reads. Nothing in the bytes can make it trap or read outside them: an attribute whose
/// length is impossible ends the list there.
public struct AttributeReader<Space>: ~Escapable {
    let bytes: RawSpan

    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The value; nil when the attribute is absent or its payload is not such a value. Of several equal keys the
    /// last counts, as in the kernel.
    public func get<Value>(_ key: Attribute<Space, Value>) -> Value? {
        guard let range = find(key.type) else { return nil }
        return Value(payload: bytes.extracting(range))
    }

    public func get<Integer>(_ key: Attribute<Space, BigEndian<Integer>>) -> Integer? {
        guard let range = find(key.type) else { return nil }
        return BigEndian<Integer>(payload: bytes.extracting(range))?.value
    }

    public func get<Layout>(_ key: Attribute<Space, Structure<Layout>>) -> Layout? {
        guard let range = find(key.type) else { return nil }
        return Structure<Layout>(payload: bytes.extracting(range))?.layout
    }

    public func has(_ key: Attribute<Space, Presence>) -> Bool { find(key.type) != nil }

    /// A reader for what is inside; empty when the attribute is absent.
    @_lifetime(copy self)
    public func nested<Child>(_ key: Nest<Space, Child>) -> AttributeReader<Child> {
        AttributeReader<Child>(bytes.extracting(find(key.type) ?? 0..<0))
    }

    public func has<Child>(_ key: Nest<Space, Child>) -> Bool { find(key.type) != nil }

    public var isEmpty: Bool { bytes.byteCount < 4 }

    /// Every attribute in order: its number without the flag bits, and its payload.
    public func forEach<E>(_ body: (_ type: UInt16, _ payload: RawSpan) throws(E) -> Void) throws(E) {
        let list = AttributeList(bytes)
        var offset = 0
        while let (type, payload) = list.next(&offset) { try body(type, bytes.extracting(payload)) }
    }

    private func find(_ type: UInt16) -> Range<Int>? { AttributeList(bytes).find(type) }
}

/// Attributes in received bytes, without saying of which space: what a reader does for each attribute, and for what has
/// to be quick with thousands of them.
public struct AttributeList: ~Escapable {
    @usableFromInline let bytes: RawSpan

    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// Where the payload of an attribute is; of several equal ones the last counts, as in the kernel.
    @inlinable
    public func find(_ type: UInt16) -> Range<Int>? {
        var offset = 0
        var found: Range<Int>?
        while let (candidate, payload) = next(&offset) {
            if candidate == type { found = payload }
        }
        return found
    }

    /// The attribute at an offset, which is moved behind it; nil at the end, or where a length is impossible.
    @inlinable
    public func next(_ offset: inout Int) -> (type: UInt16, payload: Range<Int>)? {
        guard offset >= 0, offset <= bytes.byteCount - 4 else { return nil }
        let length = Int(bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
        let type = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 2, as: UInt16.self)
        guard length >= 4, length <= bytes.byteCount - offset else { return nil }
        let payload = (offset + 4)..<(offset + length)
        offset += (length + 3) & ~3
        return (type & 0x3FFF, payload)
    }
}
