import CLibnftnl
import CLinux

/// Matches until, or with `isOver` from when, so many bytes have passed: `quota over 10 mbytes`.
public struct Quota: Hashable, Sendable {
    public var bytes: UInt64
    public var consumed: UInt64
    public var isOver: Bool

    public init(bytes: UInt64, consumed: UInt64 = 0, isOver: Bool = false) {
        self.bytes = bytes
        self.consumed = consumed
        self.isOver = isOver
    }
}

extension Quota: ExpressionCoding {
    static let name = "quota"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_QUOTA_BYTES, u64: bytes)
        handle.set(NFTNL_EXPR_QUOTA_CONSUMED, u64: consumed)
        handle.set(NFTNL_EXPR_QUOTA_FLAGS, isOver ? 1 : 0)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let bytes = reader.u64(NFTA_QUOTA_BYTES) else { return nil }
        // Flag 2 says that the quota ran out: state, as `consumed` is.
        self.init(
            bytes: bytes, consumed: reader.u64(NFTA_QUOTA_CONSUMED) ?? 0,
            isOver: (reader.u32(NFTA_QUOTA_FLAGS) ?? 0) & 1 == 1)
    }
}
