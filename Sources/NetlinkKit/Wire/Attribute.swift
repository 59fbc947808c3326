/// A key for one attribute: which space of attributes it belongs to, its number there, and what its value is.
///
/// Keys are typed so that an attribute of one space in a writer for another does not compile.
public struct Attribute<Space, Value: AttributeValue>: Sendable {
    /// The number in the header's enumeration, without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    public let type: UInt16
    /// The header's name for it, such as `IFLA_MTU`; error messages use it.
    public let name: String

    public init(_ type: some BinaryInteger, _ name: String) {
        self.type = UInt16(truncatingIfNeeded: type)
        self.name = name
    }

    /// For numbers that C declares in a named enumeration.
    public init<Number: RawRepresentable>(_ type: Number, _ name: String) where Number.RawValue: BinaryInteger {
        self.init(type.rawValue, name)
    }
}

/// A key for an attribute whose payload is again attributes, of the space `Child`.
public struct Nest<Space, Child>: Sendable {
    public let type: UInt16
    public let name: String
    /// Whether `NLA_F_NESTED` is set when written. Some old interfaces are always written without it.
    public let flagged: Bool

    public init(_ type: some BinaryInteger, _ name: String, flagged: Bool = true) {
        self.type = UInt16(truncatingIfNeeded: type)
        self.name = name
        self.flagged = flagged
    }

    /// For numbers that C declares in a named enumeration.
    public init<Number: RawRepresentable>(_ type: Number, _ name: String, flagged: Bool = true)
    where Number.RawValue: BinaryInteger {
        self.init(type.rawValue, name, flagged: flagged)
    }
}

/// A value that has a form as an attribute's payload.
public protocol AttributeValue {
    /// Appends the payload, without padding.
    func append(to bytes: inout [UInt8])
    /// Reads the payload; nil when it is too short or otherwise not such a value. A payload that is longer than
    /// expected is read from its beginning: kernels append members to structures.
    init?(payload: RawSpan)
}

/// An attribute without payload: its presence is the information.
public struct Presence: AttributeValue, Hashable, Sendable {
    public init() {}
    public func append(to bytes: inout [UInt8]) {}
    public init?(payload: RawSpan) {}
}

/// An integer that netlink carries in network byte order. ``value`` is in host order.
public struct BigEndian<Value: FixedWidthInteger & BitwiseCopyable & Sendable>: AttributeValue, Hashable, Sendable {
    public var value: Value

    @inlinable
    public init(_ value: Value) { self.value = value }

    public func append(to bytes: inout [UInt8]) { bytes.appendBytes(of: value.bigEndian) }

    @inlinable
    public init?(payload: RawSpan) {
        guard let raw = payload.load(Value.self, at: 0) else { return nil }
        value = Value(bigEndian: raw)
    }
}

/// A structure of a uapi header as a payload, laid out as C does.
public struct Structure<Layout: BitwiseCopyable>: AttributeValue {
    public var layout: Layout

    public init(_ layout: Layout) { self.layout = layout }

    public func append(to bytes: inout [UInt8]) { bytes.appendBytes(of: layout) }

    public init?(payload: RawSpan) {
        guard let layout = payload.load(Layout.self, at: 0) else { return nil }
        self.layout = layout
    }
}

extension UInt8: AttributeValue {}
extension UInt16: AttributeValue {}
extension UInt32: AttributeValue {}
extension UInt64: AttributeValue {}
extension Int32: AttributeValue {}

extension FixedWidthInteger where Self: BitwiseCopyable {
    public func append(to bytes: inout [UInt8]) { bytes.appendBytes(of: self) }

    public init?(payload: RawSpan) {
        guard let value = payload.load(Self.self, at: 0) else { return nil }
        self = value
    }
}

extension String: AttributeValue {
    /// Written with the terminating zero byte that every string policy of the kernel accepts.
    public func append(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: utf8)
        bytes.append(0)
    }

    /// Up to the first zero byte, or all of it; malformed UTF-8 is repaired.
    public init?(payload: RawSpan) {
        self = payload.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// A string without a terminating zero byte, for the few attributes whose longest value leaves no room for one.
struct UnterminatedString: AttributeValue {
    var text: String

    init(_ text: String) { self.text = text }

    func append(to bytes: inout [UInt8]) { bytes.append(contentsOf: text.utf8) }

    init?(payload: RawSpan) {
        guard let text = String(payload: payload) else { return nil }
        self.text = text
    }
}

extension [UInt8]: AttributeValue {
    public func append(to bytes: inout [UInt8]) { bytes.append(contentsOf: self) }

    public init?(payload: RawSpan) {
        self = payload.withUnsafeBytes { [UInt8]($0) }
    }
}

extension [UInt8] {
    mutating func appendBytes<T: BitwiseCopyable>(of value: T) {
        Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) }
    }

    mutating func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return }
        withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: T.self) }
    }
}

extension RawSpan {
    /// A value in host byte order; nil when it would reach beyond the end.
    @inlinable
    func load<T: BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T? {
        guard offset >= 0, offset <= byteCount - MemoryLayout<T>.size else { return nil }
        return unsafeLoadUnaligned(fromByteOffset: offset, as: T.self)
    }
}
