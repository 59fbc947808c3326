import CLibnftnl
import CLinux

/// Counts what passes, in the rule itself: `counter packets 0 bytes 0`.
public struct Counter: Hashable, Sendable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }
}

extension Counter: ExpressionCoding {
    static let name = "counter"

    func encode(to handle: ExpressionHandle) {
        if packets != 0 { handle.set(NFTNL_EXPR_CTR_PACKETS, u64: packets) }
        if bytes != 0 { handle.set(NFTNL_EXPR_CTR_BYTES, u64: bytes) }
    }

    init?(from reader: borrowing ExpressionReader) {
        self.init(packets: reader.u64(NFTA_COUNTER_PACKETS) ?? 0, bytes: reader.u64(NFTA_COUNTER_BYTES) ?? 0)
    }
}
