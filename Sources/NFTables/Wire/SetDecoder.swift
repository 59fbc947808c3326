import CLinux
import NetlinkKit

extension NamedSet {
    init?(_ message: borrowing Message) {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: SetSpace.self)
        guard let family = message.family, let table = attributes.get(SetSpace.table),
            let name = attributes.get(SetSpace.name), let keyType = attributes.get(SetSpace.keyType),
            let keyLength = attributes.get(SetSpace.keyLength)
        else { return nil }
        let flags = Flags(rawValue: attributes.get(SetSpace.flags) ?? 0)
        let notes = UserData(bytes: attributes.get(SetSpace.userData) ?? [])
        var data: DataType?
        if flags.contains(.map) {
            let type = attributes.get(SetSpace.dataType) ?? 0
            if type == SetEncoder.verdictType {
                data = .verdict
            } else {
                let length = Int(attributes.get(SetSpace.dataLength) ?? 0)
                let fields = SetUserData.fields(typeNumber: type, length: length, isData: true, notes)
                data = .field(fields.count == 1 ? fields[0] : .other(type: type, length: length))
            }
        } else if flags.contains(.object) {
            data = .object(ObjectType(rawValue: attributes.get(SetSpace.objectType) ?? 0))
        }
        self.init(
            TableName(family, table), name,
            key: SetUserData.fields(typeNumber: keyType, length: Int(keyLength), isData: false, notes), data: data,
            // What this module cannot say stays visible; what it derives does not.
            flags: flags.subtracting([.map, .object, .concatenation]),
            size: attributes.nested(SetSpace.description).get(SetDescriptionSpace.size),
            timeout: attributes.get(SetSpace.timeout), hasCounters: Self.counts(attributes),
            comment: SetUserData.comment(notes))
        handle = attributes.get(SetSpace.handle)
    }

    private static func counts(_ attributes: borrowing AttributeReader<SetSpace>) -> Bool {
        // One expression comes by itself, several as a list.
        var expressions = ExpressionParser.list(attributes.nested(SetSpace.expressions))
        if attributes.has(SetSpace.expression) {
            expressions.append(ExpressionParser.expression(attributes.nested(SetSpace.expression)))
        }
        return expressions.contains { if case .counter = $0 { true } else { false } }
    }
}

/// Elements as the kernel lists them, on the way to ``Element``. A set may have tens of thousands: what is in one is
/// found in one pass over its bytes.
struct ReceivedElement {
    /// As in the message, in sets of ranges; in others nothing asks for it.
    var key: [UInt8] = []
    var keyEnd: [UInt8]?
    var isEnd: Bool
    var element: Element

    /// All elements of one message.
    static func list(_ message: borrowing Message, of set: NamedSet) -> [ReceivedElement] {
        let bytes = message.payload(after: MemoryLayout<NetfilterHeader>.size)
        guard let range = AttributeList(bytes).find(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue)) else { return [] }
        let items = bytes.extracting(range)
        let list = AttributeList(items)
        var elements: [ReceivedElement] = []
        var offset = 0
        // The kernel gives every item the same number, libnftnl counts them: it does not matter.
        while let (_, item) = list.next(&offset) {
            if let element = ReceivedElement(items.extracting(item), of: set) { elements.append(element) }
        }
        return elements
    }

    private init?(_ bytes: RawSpan, of set: NamedSet) {
        let attributes = AttributeList(bytes)
        var key: Range<Int>?, end: Range<Int>?, data: Range<Int>?, notes: Range<Int>?, object: Range<Int>?
        var expression: Range<Int>?, expressions: Range<Int>?
        var flags: UInt32 = 0, timeout: UInt64?, expiration: UInt64?
        var offset = 0
        while let (type, payload) = attributes.next(&offset) {
            switch UInt32(type) {
            case NFTA_SET_ELEM_KEY.rawValue: key = Self.value(bytes, payload)
            case NFTA_SET_ELEM_KEY_END.rawValue: end = Self.value(bytes, payload)
            case NFTA_SET_ELEM_DATA.rawValue: data = payload
            case NFTA_SET_ELEM_FLAGS.rawValue:
                flags = BigEndian(payload: bytes.extracting(payload))?.value ?? 0
            case NFTA_SET_ELEM_TIMEOUT.rawValue: timeout = BigEndian(payload: bytes.extracting(payload))?.value
            case NFTA_SET_ELEM_EXPIRATION.rawValue: expiration = BigEndian(payload: bytes.extracting(payload))?.value
            case NFTA_SET_ELEM_USERDATA.rawValue: notes = payload
            case NFTA_SET_ELEM_EXPR.rawValue: expression = payload
            case NFTA_SET_ELEM_EXPRESSIONS.rawValue: expressions = payload
            case NFTA_SET_ELEM_OBJREF.rawValue: object = payload
            default: break
            }
        }
        guard let key else { return nil }
        if end != nil || set.flags.contains(.interval) { self.key = [UInt8](payload: bytes.extracting(key)) ?? [] }
        keyEnd = end.flatMap { [UInt8](payload: bytes.extracting($0)) }
        isEnd = flags & ElementEncoder.intervalEnd != 0
        element = Element(key: bytes.extracting(key).withUnsafeBytes(set.values), timeout: timeout)
        element.expiration = expiration
        if let notes, let note = [UInt8](payload: bytes.extracting(notes)) {
            element.comment = UserData(bytes: note).comment(UserData.commentType)
        }
        if let object {
            element.data = String(payload: bytes.extracting(object)).map { .object($0) }
        } else if let data {
            element.data = Self.datum(bytes.extracting(data), of: set)
        }
        if let expressions {
            element.expressions = ExpressionParser.list(AttributeReader(bytes.extracting(expressions)))
        }
        if let expression {
            let bytes = bytes.extracting(expression)
            let counter = Counter(expression: bytes).map { Expression.counter($0) }
            element.expressions.append(counter ?? ExpressionParser.expression(AttributeReader(bytes)))
        }
    }

    /// Where the value is in an attribute that holds one.
    private static func value(_ bytes: RawSpan, _ attribute: Range<Int>) -> Range<Int>? {
        AttributeList(bytes.extracting(attribute)).find(UInt16(NFTA_DATA_VALUE.rawValue)).map {
            (attribute.lowerBound + $0.lowerBound)..<(attribute.lowerBound + $0.upperBound)
        }
    }

    private static func datum(_ bytes: RawSpan, of set: NamedSet) -> Element.Datum? {
        if AttributeList(bytes).find(UInt16(NFTA_DATA_VERDICT.rawValue)) != nil,
            let verdict = RuleVerdict(AttributeReader(bytes))
        {
            return .verdict(verdict)
        }
        guard let range = AttributeList(bytes).find(UInt16(NFTA_DATA_VALUE.rawValue)) else { return nil }
        return bytes.extracting(range).withUnsafeBytes { value in
            guard case .field(let type)? = set.data else { return .value(.raw(Array(value))) }
            return .value(type.value(UnsafeRawBufferPointer(rebasing: value.prefix(type.length))))
        }
    }

    /// Puts the two ends of ranges together again.
    static func join(_ received: [ReceivedElement], of set: NamedSet) -> [Element] {
        guard set.flags.contains(.interval), !set.hasConcatenatedRanges else {
            return received.map { one in
                var element = one.element
                if let end = one.keyEnd, end != one.key { element.upper = set.values(end) }
                return element
            }
        }
        // Ranges do not overlap: in order of their keys, each start is followed by its own end, or by nothing if the
        // range reaches the end of the number space. Where a range begins at another's end, the end comes first.
        let ordered = received.sorted {
            $0.key == $1.key ? $0.isEnd && !$1.isEnd : $0.key.lexicographicallyPrecedes($1.key)
        }
        var elements: [Element] = []
        for (i, start) in ordered.enumerated() where !start.isEnd {
            var element = start.element
            let following = ordered.indices.contains(i + 1) ? ordered[i + 1] : nil
            let upper =
                following.map { predecessor($0.key) } ?? [UInt8](repeating: 0xFF, count: start.key.count)
            if upper != start.key { element.upper = set.values(upper) }
            elements.append(element)
        }
        return elements
    }

    /// The number before, big-endian; of zero, the last one.
    private static func predecessor(_ key: [UInt8]) -> [UInt8] {
        var previous = key
        for i in previous.indices.reversed() {
            previous[i] &-= 1
            if previous[i] != 0xFF { break }
        }
        return previous
    }
}

extension NamedSet {
    /// The values that a key's bytes are; one `raw` where they do not fit the fields.
    func values(_ bytes: [UInt8]) -> [Value] { bytes.withUnsafeBytes(values) }

    func values(_ bytes: UnsafeRawBufferPointer) -> [Value] {
        if key.count == 1 { return [key[0].value(UnsafeRawBufferPointer(rebasing: bytes.prefix(key[0].length)))] }
        guard bytes.count == keyLength else { return [.raw(Array(bytes))] }
        var rest = bytes[...]
        return key.map { field in
            defer { rest = rest.dropFirst(field.paddedLength) }
            return field.value(UnsafeRawBufferPointer(rebasing: rest.prefix(field.length)))
        }
    }
}
