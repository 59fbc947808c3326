import CLibnftnl
import CLinux
import NetlinkKit

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

extension Counter {
    /// What most elements have, without looking at the names of all other expressions. nil: it is no counter, or one
    /// that has to be read as others are.
    init?(expression: RawSpan) {
        let attributes = AttributeList(expression)
        guard let name = attributes.find(UInt16(NFTA_EXPR_NAME.rawValue)),
            expression.extracting(name).withUnsafeBytes({ $0.starts(with: "counter\0".utf8) }),
            let contents = attributes.find(UInt16(NFTA_EXPR_DATA.rawValue))
        else { return nil }
        let bytes = expression.extracting(contents)
        let counts = AttributeList(bytes)
        func number(_ type: UInt32) -> UInt64 {
            guard let range = counts.find(UInt16(type)) else { return 0 }
            return BigEndian<UInt64>(payload: bytes.extracting(range))?.value ?? 0
        }
        self.init(packets: number(NFTA_COUNTER_PACKETS.rawValue), bytes: number(NFTA_COUNTER_BYTES.rawValue))
    }
}
