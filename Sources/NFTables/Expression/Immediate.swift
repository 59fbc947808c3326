import CLibnftnl
import CLinux

/// Puts a constant into a register, or gives the packet its verdict: `[ immediate reg 0 accept ]`.
public enum Immediate: Hashable, Sendable {
    case data([UInt8], to: Register)
    case verdict(RuleVerdict)
}

extension Immediate: ExpressionCoding {
    static let name = "immediate"

    func encode(to handle: ExpressionHandle) {
        switch self {
        case .data(let bytes, let register):
            handle.set(NFTNL_EXPR_IMM_DREG, register)
            handle.set(NFTNL_EXPR_IMM_DATA, bytes: bytes)
        case .verdict(let verdict):
            handle.set(NFTNL_EXPR_IMM_DREG, Register.verdictWireValue)
            handle.set(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: verdict.code))
            if let chain = verdict.chain { handle.set(NFTNL_EXPR_IMM_CHAIN, chain) }
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        if let register = reader.register(NFTA_IMMEDIATE_DREG), let bytes = reader.bytes(NFTA_IMMEDIATE_DATA) {
            self = .data(bytes, to: register)
        } else if let verdict = reader.verdict(NFTA_IMMEDIATE_DATA) {
            self = .verdict(verdict)
        } else {
            return nil
        }
    }
}
