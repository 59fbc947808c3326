/// A domain name as it is compared: labels with their lengths as in a message (RFC 1035 §3.1), without the root's, and
/// ASCII letters in lower case (§2.3.3, RFC 4343).
package struct DomainName: Hashable, Sendable {
    /// Length byte and bytes of each label, at most 254 bytes in all.
    package let bytes: [UInt8]

    /// Bytes of a name in a message, the root's length byte included (RFC 1035 §2.3.4).
    static let limit = 255
    /// Bytes of a label.
    static let labelLimit = 63

    init(wire bytes: [UInt8]) { self.bytes = bytes }

    /// Dotted text with or without the last dot; nil for the root, and for what is too long or has an empty label.
    package init?(_ text: some StringProtocol) {
        let name = text.last == "." ? text.dropLast() : text[...]
        var bytes: [UInt8] = []
        for label in name.utf8.split(separator: 0x2E, omittingEmptySubsequences: false) {
            guard (1...Self.labelLimit).contains(label.count) else { return nil }
            bytes.append(UInt8(label.count))
            for byte in label { bytes.append(Self.lowercased(byte)) }
        }
        guard bytes.count < Self.limit else { return nil }
        self.bytes = bytes
    }

    static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

    /// Where the labels begin.
    var starts: some Sequence<Int> {
        sequence(state: 0) { [bytes] offset -> Int? in
            guard offset < bytes.count else { return nil }
            defer { offset += 1 + Int(bytes[offset]) }
            return offset
        }
    }

    package func hash(into hasher: inout Hasher) { Self.hash(bytes[...], into: &hasher) }

    static func hash(_ bytes: ArraySlice<UInt8>, into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension DomainName: CustomStringConvertible {
    /// Dotted, without a last dot. Bytes that no host name has are written `\DDD`, in decimal, so that a dot is always
    /// between labels and the text is safe to print (RFC 1035 §5.1).
    package var description: String {
        var text = ""
        for start in starts {
            if start > 0 { text += "." }
            for byte in bytes[(start + 1)...].prefix(Int(bytes[start])) {
                switch byte {
                case 0x30...0x39, 0x61...0x7A, 0x2D, 0x5F: text.unicodeScalars.append(Unicode.Scalar(byte))
                default: text += "\\\(byte < 100 ? "0" : "")\(byte < 10 ? "0" : "")\(byte)"
                }
            }
        }
        return text.isEmpty ? "." : text
    }
}
