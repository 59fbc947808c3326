import Addresses
import ProtocolSupport

/// An attribute that this program knows: its number, its name in dictionaries, and what its value means.
public struct AttributeKey<Value: Sendable>: Sendable {
    public enum Number: Hashable, Sendable {
        case standard(UInt8)
        /// Of this program's own attributes (`deploy/radius/dictionary.spillway`).
        case own(UInt8)
    }

    public let number: Number
    public let name: String
    let decode: @Sendable ([UInt8]) -> Value?
    let encode: @Sendable (Value) -> [UInt8]

    func code(_ vendor: UInt32) -> RADIUSAttribute.Code {
        switch number {
        case .standard(let type): .standard(type)
        case .own(let type): .vendor(vendor, type)
        }
    }
}

/// A known attribute with a value that it cannot have.
public struct AttributeError: Error, Hashable, Sendable, CustomStringConvertible {
    public var name: String

    public var description: String { "\(name) has a value that cannot be used" }
}

/// Attributes in their order, read and written by their keys.
public struct AttributeList: Hashable, Sendable {
    public var items: [RADIUSAttribute]
    /// The private enterprise number under which this program's own attributes are.
    public let vendor: UInt32

    public init(_ items: [RADIUSAttribute] = [], vendor: UInt32) {
        self.items = items
        self.vendor = vendor
    }

    /// As in a packet: nil for anything but whole attributes.
    public init?(bytes: [UInt8], vendor: UInt32) {
        var reader = ByteReader(bytes.span.bytes)
        guard let items = try? RADIUSAttribute.read(&reader, signature: { _, _ in }) else { return nil }
        self.init(items, vendor: vendor)
    }

    /// As in a packet.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for item in items { item.append(to: &bytes) }
        return bytes
    }

    /// The first of this key; nil: none.
    public func first<Value>(_ key: AttributeKey<Value>) throws(AttributeError) -> Value? {
        let code = key.code(vendor)
        guard let item = items.first(where: { $0.code == code }) else { return nil }
        guard let value = key.decode(item.value) else { throw AttributeError(name: key.name) }
        return value
    }

    public func all<Value>(_ key: AttributeKey<Value>) throws(AttributeError) -> [Value] {
        var values: [Value] = []
        let code = key.code(vendor)
        for item in items where item.code == code {
            guard let value = key.decode(item.value) else { throw AttributeError(name: key.name) }
            values.append(value)
        }
        return values
    }

    public mutating func add<Value>(_ key: AttributeKey<Value>, _ value: Value) {
        items.append(RADIUSAttribute(key.code(vendor), key.encode(value)))
    }

    /// Adds nothing where there is no value.
    public mutating func add<Value>(_ key: AttributeKey<Value>, ifPresent value: Value?) {
        if let value { add(key, value) }
    }
}

extension AttributeKey where Value == String {
    /// UTF-8 without control characters, 1 to 253 bytes.
    init(text number: Number, _ name: String) {
        self.init(
            number: number, name: name,
            decode: { bytes in
                guard !bytes.isEmpty, let text = String(validating: bytes, as: UTF8.self),
                    text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
                else { return nil }
                return text
            }, encode: { Array($0.utf8) })
    }
}

extension AttributeKey where Value == UInt32 {
    init(integer number: Number, _ name: String, in range: ClosedRange<UInt32> = 0...UInt32.max) {
        self.init(
            number: number, name: name,
            decode: { bytes in
                guard bytes.count == 4 else { return nil }
                let value = bytes.reduce(0) { $0 << 8 | UInt32($1) }
                return range.contains(value) ? value : nil
            }, encode: { [UInt8](bigEndian: $0) })
    }
}

extension AttributeKey where Value == [UInt8] {
    init(bytes number: Number, _ name: String) {
        self.init(number: number, name: name, decode: { $0.isEmpty ? nil : $0 }, encode: { $0 })
    }
}

extension AttributeKey where Value == IPv4Address {
    init(ipv4 number: Number, _ name: String) {
        self.init(number: number, name: name, decode: { IPv4Address(bytes: $0) }, encode: { $0.bytes })
    }
}

extension AttributeKey where Value == IPv6Address {
    init(ipv6 number: Number, _ name: String) {
        self.init(number: number, name: name, decode: { IPv6Address(bytes: $0) }, encode: { $0.bytes })
    }
}

extension AttributeKey where Value == IPPrefix {
    /// RFC 3162 §2.3: a reserved byte, the length, and as much of the prefix as is needed.
    init(ipv6Prefix number: Number, _ name: String) {
        self.init(
            number: number, name: name,
            decode: { bytes in
                guard (2...18).contains(bytes.count), bytes[1] <= 128 else { return nil }
                let given = bytes.dropFirst(2)
                guard given.count * 8 >= Int(bytes[1]) else { return nil }
                let whole = given + [UInt8](repeating: 0, count: 16 - given.count)
                guard let address = IPv6Address(bytes: whole), let prefix = IPPrefix(.v6(address), length: bytes[1]),
                    prefix.masked == prefix
                else { return nil }
                return prefix
            },
            encode: { [0, $0.length] + $0.masked.address.bytes.prefix((Int($0.length) + 7) / 8) })
    }
}
