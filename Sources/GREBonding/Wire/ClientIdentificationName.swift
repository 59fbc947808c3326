/// The operator's name for a gateway, sent with the Setup Request of the secondary leg: RFC 8157 §5.1.1.
///
/// The field has 40 bytes of UTF-8, padded with zeros. All of them are kept and compared, so that two gateways never
/// pass for one because of how their names print.
public struct ClientIdentificationName: Hashable, Sendable {
    /// The length of the field in bytes.
    public static let length = 40

    /// The field as sent: 40 bytes.
    public let bytes: [UInt8]

    /// nil unless there are exactly 40 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        self.bytes = bytes
    }

    /// nil when the text is longer than 40 bytes of UTF-8.
    public init?(_ text: String) {
        let units = Array(text.utf8)
        guard units.count <= Self.length else { return nil }
        bytes = units + Array(repeating: 0, count: Self.length - units.count)
    }

    /// The field without a name.
    public static let unnamed = ClientIdentificationName()

    private init() { bytes = Array(repeating: 0, count: Self.length) }

    /// The name without its padding; nil when it is not UTF-8 or holds control characters, a zero included.
    public var text: String? {
        guard let text = String(validating: unpadded, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ !$0.isControl })
        else { return nil }
        return text
    }

    private var unpadded: ArraySlice<UInt8> {
        bytes[..<(bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0)]
    }
}

extension ClientIdentificationName: CustomStringConvertible {
    /// For display only: what is not UTF-8 is replaced and control characters are escaped.
    public var description: String { String(displaying: unpadded) }
}
