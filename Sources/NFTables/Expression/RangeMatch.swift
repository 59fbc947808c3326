import CLibnftnl
import CLinux

/// Goes on only if a register is inside, or outside, two bounds that both belong to the range:
/// `[ range neq reg 1 0x… 0x… ]`.
public struct RangeMatch: Hashable, Sendable {
    public var source: Register
    public var isInverted: Bool
    public var from: [UInt8]
    public var to: [UInt8]

    public init(_ source: Register = .first, isInverted: Bool = false, from: [UInt8], to: [UInt8]) {
        self.source = source
        self.isInverted = isInverted
        self.from = from
        self.to = to
    }
}

extension RangeMatch: ExpressionCoding {
    static let name = "range"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_RANGE_SREG, source)
        handle.set(NFTNL_EXPR_RANGE_OP, isInverted ? 1 : 0)
        handle.set(NFTNL_EXPR_RANGE_FROM_DATA, bytes: from)
        handle.set(NFTNL_EXPR_RANGE_TO_DATA, bytes: to)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let source = reader.register(NFTA_RANGE_SREG), let op = reader.u32(NFTA_RANGE_OP), op <= 1,
            let from = reader.bytes(NFTA_RANGE_FROM_DATA), let to = reader.bytes(NFTA_RANGE_TO_DATA)
        else { return nil }
        self.init(source, isInverted: op == 1, from: from, to: to)
    }
}
