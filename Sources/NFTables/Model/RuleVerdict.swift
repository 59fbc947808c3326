/// What becomes of a packet (`NFTA_VERDICT_CODE`, with a chain where the code asks for one).
public enum RuleVerdict: Hashable, Sendable {
    case drop
    case accept
    /// Go on with the next rule.
    case `continue`
    /// Leave the chain, and the evaluation of those that jumped here, for the calling one.
    case `return`
    /// Continue in a chain and come back.
    case jump(String)
    /// Continue in a chain and never come back.
    case goto(String)
    /// A code this module does not know, with the chain it named.
    case other(Int32, chain: String?)

    init(code: Int32, chain: String?) {
        switch (code, chain) {
        case (0, nil): self = .drop
        case (1, nil): self = .accept
        case (-1, nil): self = .continue
        case (-5, nil): self = .return
        case (-3, let chain?): self = .jump(chain)
        case (-4, let chain?): self = .goto(chain)
        default: self = .other(code, chain: chain)
        }
    }

    var code: Int32 {
        switch self {
        case .drop: 0
        case .accept: 1
        case .continue: -1
        case .return: -5
        case .jump: -3
        case .goto: -4
        case .other(let code, _): code
        }
    }

    /// The chain a jump or goto leads to.
    public var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        case .other(_, let chain): chain
        default: nil
        }
    }
}
