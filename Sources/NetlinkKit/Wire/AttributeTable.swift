/// Received attributes of one space of which many are read: they are gone through once, where an ``AttributeReader`` goes
/// through them for each. Of several equal keys the last counts, as in the kernel.
struct AttributeTable<Space>: ~Escapable {
    private let bytes: RawSpan
    /// By the attribute's number, one more than where its header is; 0: it is absent.
    private var places = InlineArray<72, UInt32>(repeating: 0)

    @_lifetime(copy reader)
    init(_ reader: borrowing AttributeReader<Space>) {
        bytes = reader.bytes
        let list = AttributeList(bytes)
        var offset = 0
        while let (type, payload) = list.next(&offset) {
            if Int(type) < places.count { places[Int(type)] = UInt32(truncatingIfNeeded: payload.lowerBound - 3) }
        }
    }

    func get<Value>(_ key: Attribute<Space, Value>) -> Value? {
        find(key.type).flatMap { Value(payload: bytes.extracting($0)) }
    }

    func get<Integer>(_ key: Attribute<Space, BigEndian<Integer>>) -> Integer? {
        find(key.type).flatMap { BigEndian<Integer>(payload: bytes.extracting($0))?.value }
    }

    func has(_ key: Attribute<Space, Presence>) -> Bool { find(key.type) != nil }

    @_lifetime(copy self)
    func nested<Child>(_ key: Nest<Space, Child>) -> AttributeReader<Child> {
        AttributeReader<Child>(bytes.extracting(find(key.type) ?? 0..<0))
    }

    private func find(_ type: UInt16) -> Range<Int>? {
        guard Int(type) < places.count else { return AttributeList(bytes).find(type) }
        let place = places[Int(type)]
        guard place != 0, let length = bytes.load(UInt16.self, at: Int(place) - 1) else { return nil }
        return (Int(place) + 3)..<(Int(place) - 1 + Int(length))
    }
}
