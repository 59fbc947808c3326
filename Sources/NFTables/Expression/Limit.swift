import CLibnftnl
import CLinux

/// Lets pass, or with `isOver` catches what exceeds, a rate: `limit rate 10/second burst 5 packets`.
public struct Limit: Hashable, Sendable {
    public var rate: UInt64
    /// The seconds `rate` is for: 1, 60, 3600, 86 400, 604 800.
    public var unit: UInt64
    public var burst: UInt32
    public var counts: Counted
    public var isOver: Bool

    public enum Counted: UInt32, Hashable, Sendable {
        case packets = 0
        case bytes
    }

    public init(rate: UInt64, unit: UInt64 = 1, burst: UInt32 = 5, counts: Counted = .packets, isOver: Bool = false) {
        self.rate = rate
        self.unit = unit
        self.burst = burst
        self.counts = counts
        self.isOver = isOver
    }
}

extension Limit: ExpressionCoding {
    static let name = "limit"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_LIMIT_RATE, u64: rate)
        handle.set(NFTNL_EXPR_LIMIT_UNIT, u64: unit)
        handle.set(NFTNL_EXPR_LIMIT_BURST, burst)
        handle.set(NFTNL_EXPR_LIMIT_TYPE, counts.rawValue)
        handle.set(NFTNL_EXPR_LIMIT_FLAGS, isOver ? 1 : 0)
    }

    init?(from reader: borrowing ExpressionReader) {
        let flags = reader.u32(NFTA_LIMIT_FLAGS) ?? 0
        guard let rate = reader.u64(NFTA_LIMIT_RATE), let unit = reader.u64(NFTA_LIMIT_UNIT),
            let counts = Counted(rawValue: reader.u32(NFTA_LIMIT_TYPE) ?? 0), flags & ~1 == 0
        else { return nil }
        self.init(
            rate: rate, unit: unit, burst: reader.u32(NFTA_LIMIT_BURST) ?? 0, counts: counts, isOver: flags == 1)
    }
}
