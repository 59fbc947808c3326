/// What a field must be for a rule to go on.
public enum Condition: Hashable, Sendable {
    case equal(Value)
    case notEqual(Value)
    case less(Value)
    case lessOrEqual(Value)
    case greater(Value)
    case greaterOrEqual(Value)
    /// Between two values, or one of them.
    case within(Value, Value)
    /// In a set with a name.
    case inSet(String)
    case notInSet(String)
    /// One of these: `{ 0x0800, 0x86dd }`.
    case anyOf([Value])
    case noneOf([Value])
}

extension Condition {
    /// The expressions that go on only if the field is as said.
    func expressions(_ field: Field) -> [Expression] {
        let load = field.load()
        switch self {
        case .equal(let value): return load + [.compare(Compare(.equal, value.bytes))]
        case .notEqual(let value): return load + [.compare(Compare(.notEqual, value.bytes))]
        case .less(let value): return load + Self.order(field, [(.less, value)])
        case .lessOrEqual(let value): return load + Self.order(field, [(.lessOrEqual, value)])
        case .greater(let value): return load + Self.order(field, [(.greater, value)])
        case .greaterOrEqual(let value): return load + Self.order(field, [(.greaterOrEqual, value)])
        case .within(let lower, let upper):
            return load + Self.order(field, [(.greaterOrEqual, lower), (.lessOrEqual, upper)])
        case .inSet(let name): return load + [.lookup(Lookup(.named(name)))]
        case .notInSet(let name): return load + [.lookup(Lookup(.named(name), .first, .notContained))]
        case .anyOf(let values): return load + [.lookup(Lookup(.anonymous(Self.set(field, values))))]
        case .noneOf(let values):
            return load + [.lookup(Lookup(.anonymous(Self.set(field, values)), .first, .notContained))]
        }
    }

    private static func set(_ field: Field, _ values: [Value]) -> AnonymousSet {
        AnonymousSet(key: [field.type], elements: values.map { Element($0) })
    }

    /// Order is compared byte by byte: numbers the kernel keeps in host order are turned round first.
    private static func order(_ field: Field, _ bounds: [(Relation, Value)]) -> [Expression] {
        guard case .mark = field.type else { return bounds.map { .compare(Compare($0, $1.bytes)) } }
        let turn = Expression.byteorder(Byteorder(.hostToNetwork, length: 4, size: 4))
        return [turn]
            + bounds.map { relation, value in
                let number = UInt32(hostOrderBytes: value.bytes) ?? 0
                return .compare(Compare(relation, number.networkOrderBytes))
            }
    }
}

extension Compare {
    fileprivate init(_ relation: Relation, _ data: [UInt8]) { self.init(.first, relation, data) }
}
