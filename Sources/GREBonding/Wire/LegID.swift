/// One of the access links that are bonded. The protocol has codes for two of them (``Dialect/tunnelType(of:)``);
/// the type leaves room for more.
public struct LegID: RawRepresentable, Hashable, Comparable, Sendable {
    /// 0 for the primary leg, 1 for the secondary. Not a code of the wire.
    public var rawValue: UInt8

    /// Any number; only 0 and 1 have a T-Type code.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The leg that is filled first: DSL in the standard's text.
    public static let primary = LegID(rawValue: 0)
    /// The leg that takes what overflows: LTE in the standard's text.
    public static let secondary = LegID(rawValue: 1)

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// The name used where the operator has given none.
    public var defaultLabel: String {
        switch self {
        case .primary: "DSL"
        case .secondary: "LTE"
        default: "leg \(rawValue)"
        }
    }
}

extension LegID: CustomStringConvertible {
    public var description: String { defaultLabel }
}
