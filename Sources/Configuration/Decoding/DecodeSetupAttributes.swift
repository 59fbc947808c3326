import GREBonding

extension TableReader {
    /// Attributes of a Setup message beyond the standard's: at most 16, of at most 1000 bytes each.
    func setupAttributes(_ key: String) -> [Attribute] {
        let attributes = sections(key) { $0.setupAttribute() }
        if case .array(let array) = entries[key]?.value, array.count > 16 {
            report(key, "\(array.count) attributes is out of range: at most 16")
        }
        return attributes
    }

    private func setupAttribute() -> Attribute? {
        let type = integer("type", required: true, in: 0...255)
        let value = value("value", HexBytes.self, required: true, expected: "hexadecimal digits in pairs")
        guard let type, let bytes = value?.bytes else { return nil }
        guard bytes.count <= 1000 else {
            report("value", "\(bytes.count) bytes is out of range: at most 1000 bytes")
            return nil
        }
        let given = Attribute.unknown(type: UInt8(type), value: bytes)
        guard given != .unknown(type: Dialect.endMarkerType, value: []) else {
            report("value", "attribute 255 without a value ends a message in the dialect \"deployed\"")
            return nil
        }
        return checked(given)
    }

    /// The attribute as the peer would parse it; one of the standard's types has to be what the standard allows.
    private func checked(_ given: Attribute) -> Attribute? {
        let sent = ControlMessage(type: .setupRequest, leg: .primary, key: 0, attributes: [given])
        do throws(WireError) {
            let parsed = try ControlMessage(parsing: sent.serialized(dialect: .rfc8157), dialect: .rfc8157)
            guard let attribute = parsed.attributes.first else { return nil }
            if let violation = attribute.violation {
                report("value", "\(violation)")
                return nil
            }
            if case .filterListPackage(let package) = attribute, !package.malformedRemainder.isEmpty {
                report("value", "\(package.malformedRemainder.count) bytes after the last whole filter item")
                return nil
            }
            return attribute
        } catch {
            let name = AttributeType(rawValue: given.type).map { " (\($0))" } ?? ""
            report("value", "not a value of attribute \(given.type)\(name): \(error.reason.rawValue)")
            return nil
        }
    }
}
