import Addresses
import NFTables

/// Tells the elements of a set apart by the bytes of their keys: a value may be read back as another case than it was
/// written. All elements of thousands of bonds are compared at once: nothing is made for those that do not differ.
struct ElementKey: Hashable {
    private let lower: [Value]
    private let upper: [Value]?

    init(_ element: Element) {
        lower = element.key
        upper = element.upper
    }

    static func == (a: Self, b: Self) -> Bool {
        guard isSame(a.lower, b.lower) else { return false }
        guard let upper = a.upper, let other = b.upper else { return a.upper == nil && b.upper == nil }
        return isSame(upper, other)
    }

    func hash(into hasher: inout Hasher) {
        for value in lower { hasher.combine(ValueBytes(value)) }
        if let upper { for value in upper { hasher.combine(ValueBytes(value)) } }
    }

    private static func isSame(_ a: [Value], _ b: [Value]) -> Bool {
        guard a.count == b.count else { return false }
        for at in a.indices where ValueBytes(a[at]) != ValueBytes(b[at]) { return false }
        return true
    }
}

extension ElementKey: CustomStringConvertible {
    var description: String { Self.text(lower) + (upper.map { "-" + Self.text($0) } ?? "") }

    private static func text(_ values: [Value]) -> String { values.map(text).joined(separator: " . ") }

    static func text(_ value: Value) -> String {
        switch value {
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        case .interfaceName(let name): name
        case .inetService(let port): "\(port)"
        case .inetProtocol(let number): "\(number)"
        default: "0x" + value.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }
}

/// The bytes of a value, without an array for as many as an address has.
struct ValueBytes: Hashable {
    private var count = 0
    /// As one number, the first one in its highest place.
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    /// All of them, where they are more.
    private var long: [UInt8]?

    init(_ value: Value) {
        switch value {
        case .ipv4(let address): (count, low) = (4, UInt64(address.rawValue))
        case .ipv6(let address): (count, high, low) = (16, address.high, address.low)
        case .mark(let mark): (count, low) = (4, UInt64(mark.bigEndian))
        case .inetProtocol(let number): (count, low) = (1, UInt64(number))
        case .inetService(let port): (count, low) = (2, UInt64(port))
        case .integer(let number, let length):
            count = max(0, min(4, length))
            low = UInt64(number) & (1 << (8 * UInt64(count)) - 1)
        case .raw(let bytes): take(bytes)
        case .interfaceName: take(value.bytes)
        }
    }

    private mutating func take(_ bytes: [UInt8]) {
        count = bytes.count
        guard count <= 16 else {
            long = bytes
            return
        }
        for byte in bytes {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte)
        }
    }
}
