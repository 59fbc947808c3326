import CLibnftnl
import CLinux

/// Drops the packet and tells its sender (`reject`).
public enum Reject: Hashable, Sendable {
    /// With an ICMP or ICMPv6 "unreachable" of this code, in a table of that one family.
    case icmp(code: UInt8)
    case tcpReset
    /// With the family-independent code (`NFT_REJECT_ICMPX_*`), in `inet` and `bridge` tables.
    case icmpx(code: UInt8)
}

extension Reject: ExpressionCoding {
    static let name = "reject"

    func encode(to handle: ExpressionHandle) {
        let (type, code): (UInt32, UInt8) =
            switch self {
            case .icmp(let code): (0, code)
            case .tcpReset: (1, 0)
            case .icmpx(let code): (2, code)
            }
        handle.set(NFTNL_EXPR_REJECT_TYPE, type)
        handle.set(NFTNL_EXPR_REJECT_CODE, u8: code)
    }

    init?(from reader: borrowing ExpressionReader) {
        let code = reader.u8(NFTA_REJECT_ICMP_CODE) ?? 0
        switch reader.u32(NFTA_REJECT_TYPE) {
        case 0: self = .icmp(code: code)
        case 1: self = .tcpReset
        case 2: self = .icmpx(code: code)
        default: return nil
        }
    }
}
