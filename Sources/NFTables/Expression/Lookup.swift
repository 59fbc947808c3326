import CLibnftnl
import CLinux

/// Looks a key up in a set or map: `[ lookup reg 1 set peers dreg 0 ]`.
public struct Lookup: Hashable, Sendable {
    public var set: SetReference
    public var source: Register
    public var outcome: Outcome

    public enum Outcome: Hashable, Sendable {
        /// Go on if the key is there.
        case contained
        /// Go on if the key is not there.
        case notContained
        /// A map's data goes to a register; the rule ends where the key is missing.
        case data(to: Register)
        /// A verdict map's verdict is the packet's.
        case verdict
    }

    public init(_ set: SetReference, _ source: Register = .first, _ outcome: Outcome = .contained) {
        self.set = set
        self.source = source
        self.outcome = outcome
    }
}

/// Which set an expression means.
public enum SetReference: Hashable, Sendable {
    case named(String)
    /// A constant set that lives and dies with its rule, written in braces in nft: `{ 0x0800, 0x86dd }`.
    case anonymous(AnonymousSet)
}

extension SetReference: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self = .named(value) }
}

extension Lookup: ExpressionCoding {
    static let name = "lookup"

    func encode(to handle: ExpressionHandle) {
        // An anonymous set is named, and numbered, by the transaction before this is reached.
        if case .named(let name) = set { handle.set(NFTNL_EXPR_LOOKUP_SET, name) }
        handle.set(NFTNL_EXPR_LOOKUP_SREG, source)
        switch outcome {
        case .contained: break
        case .notContained: handle.set(NFTNL_EXPR_LOOKUP_FLAGS, 1)
        case .data(let register): handle.set(NFTNL_EXPR_LOOKUP_DREG, register)
        case .verdict: handle.set(NFTNL_EXPR_LOOKUP_DREG, Register.verdictWireValue)
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        let flags = reader.u32(NFTA_LOOKUP_FLAGS) ?? 0
        guard let name = reader.string(NFTA_LOOKUP_SET), flags & ~1 == 0,
            let source = reader.register(NFTA_LOOKUP_SREG)
        else { return nil }
        let outcome: Outcome
        switch reader.u32(NFTA_LOOKUP_DREG) {
        case nil: outcome = flags == 1 ? .notContained : .contained
        case Register.verdictWireValue?: outcome = .verdict
        case let number?:
            guard let register = Register(wireValue: number) else { return nil }
            outcome = .data(to: register)
        }
        self.init(.named(name), source, outcome)
    }
}
