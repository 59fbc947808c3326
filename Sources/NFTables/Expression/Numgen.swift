import CLibnftnl
import CLinux

/// Makes numbers `offset`…`offset + modulus - 1`, one after the other or at random: `numgen random mod 4`.
public struct Numgen: Hashable, Sendable {
    public var kind: Kind
    public var modulus: UInt32
    public var offset: UInt32
    public var destination: Register

    public enum Kind: UInt32, Hashable, Sendable {
        case incremental = 0
        case random
    }

    public init(_ kind: Kind, modulus: UInt32, offset: UInt32 = 0, to destination: Register = .first) {
        self.kind = kind
        self.modulus = modulus
        self.offset = offset
        self.destination = destination
    }
}

extension Numgen: ExpressionCoding {
    static let name = "numgen"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_NG_DREG, destination)
        handle.set(NFTNL_EXPR_NG_MODULUS, modulus)
        handle.set(NFTNL_EXPR_NG_TYPE, kind.rawValue)
        handle.set(NFTNL_EXPR_NG_OFFSET, offset)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let destination = reader.register(NFTA_NG_DREG), let modulus = reader.u32(NFTA_NG_MODULUS),
            let kind = reader.u32(NFTA_NG_TYPE).flatMap(Kind.init(rawValue:))
        else { return nil }
        self.init(kind, modulus: modulus, offset: reader.u32(NFTA_NG_OFFSET) ?? 0, to: destination)
    }
}
