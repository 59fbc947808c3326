import Addresses

/// Who a lease belongs to, as the caller knows it: at an aggregator the Client Identification Name of the bond, never
/// what a packet claims.
public struct ClientIdentity: Hashable, Comparable, Sendable {
    /// 1…64 bytes, opaque.
    public let bytes: [UInt8]

    /// nil unless there are 1 to 64 bytes.
    public init?(bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        guard (1...64).contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// nil unless the text has 1 to 64 bytes of UTF-8.
    public init?(_ text: String) { self.init(bytes: text.utf8) }

    /// Stands for the last owner of a resource that is to go to somebody else. Longer than any identity.
    static func nobody(_ resource: IPPrefix) -> ClientIdentity {
        ClientIdentity(unchecked: [UInt8](repeating: 0, count: 64) + resource.address.bytes + [resource.length])
    }

    /// Stands for the owner of what `client` has declined. Longer than any identity.
    static func decliner(_ client: ClientIdentity) -> ClientIdentity {
        ClientIdentity(unchecked: [0xFF] + client.bytes + [UInt8](repeating: 0xFF, count: 64))
    }

    /// Who declined what this stands for; nil for all others.
    var declining: ClientIdentity? {
        isNobody && bytes.first == 0xFF ? ClientIdentity(bytes: bytes.dropFirst().dropLast(64)) : nil
    }

    var isNobody: Bool { bytes.count > 64 }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    public static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

extension ClientIdentity: CustomStringConvertible {
    /// One word of printable ASCII: everything else, and "%", as "%" and two digits.
    public var description: String { String(escaping: bytes) }
}

extension String {
    init(escaping bytes: [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        let word = bytes.flatMap { byte -> [UInt8] in
            let isPlain = (0x21...0x7E).contains(byte) && byte != 0x25
            return isPlain ? [byte] : [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        self = String(decoding: word, as: UTF8.self)
    }

    /// nil when a "%" is not followed by two hexadecimal digits.
    var unescaped: [UInt8]? {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            guard byte == 0x25 else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
            guard digits.count == 2 else { return nil }
            bytes.append(UInt8(digits[0] << 4 | digits[1]))
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
