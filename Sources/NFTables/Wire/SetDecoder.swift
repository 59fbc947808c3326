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

/// Elements as the kernel lists them, on the way to ``Element``.
struct ReceivedElement {
    var key: [UInt8]
    var keyEnd: [UInt8]?
    var isEnd: Bool
    var element: Element

    /// All elements of one message.
    static func list(_ message: borrowing Message, of set: NamedSet) -> [ReceivedElement] {
        let attributes = message.attributes(after: MemoryLayout<NetfilterHeader>.size, of: ElementListSpace.self)
        var elements: [ReceivedElement] = []
        // The kernel gives every item the same number, libnftnl counts them: it does not matter.
        attributes.nested(ElementListSpace.elements).forEach { _, payload in
            if let element = ReceivedElement(AttributeReader(payload), of: set) {
                elements.append(element)
            }
        }
        return elements
    }

    private init?(_ attributes: borrowing AttributeReader<ElementSpace>, of set: NamedSet) {
        guard let key = attributes.nested(ElementSpace.key).get(DataSpace.value) else { return nil }
        self.key = key
        keyEnd = attributes.nested(ElementSpace.keyEnd).get(DataSpace.value)
        isEnd = (attributes.get(ElementSpace.flags) ?? 0) & ElementEncoder.intervalEnd != 0
        var element = Element(key: set.values(key), timeout: attributes.get(ElementSpace.timeout))
        element.expiration = attributes.get(ElementSpace.expiration)
        element.comment = attributes.get(ElementSpace.userData)
            .flatMap { UserData(bytes: $0).comment(UserData.commentType) }
        let data = attributes.nested(ElementSpace.data)
        if let name = attributes.get(ElementSpace.object) {
            element.data = .object(name)
        } else if let verdict = RuleVerdict(data) {
            element.data = .verdict(verdict)
        } else if let bytes = data.get(DataSpace.value) {
            if case .field(let type)? = set.data {
                element.data = .value(type.value(Array(bytes.prefix(type.length))))
            } else {
                element.data = .value(.raw(bytes))
            }
        }
        element.expressions = ExpressionParser.list(attributes.nested(ElementSpace.expressions))
        if attributes.has(ElementSpace.expression) {
            element.expressions.append(ExpressionParser.expression(attributes.nested(ElementSpace.expression)))
        }
        self.element = element
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
    func values(_ bytes: [UInt8]) -> [Value] {
        if key.count == 1 { return [key[0].value(Array(bytes.prefix(key[0].length)))] }
        guard bytes.count == keyLength else { return [.raw(bytes)] }
        var rest = bytes[...]
        return key.map { field in
            defer { rest = rest.dropFirst(field.paddedLength) }
            return field.value(Array(rest.prefix(field.length)))
        }
    }
}
