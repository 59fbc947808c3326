import CLibnftnl
import CLinux

/// Maps bytes evenly onto `offset`…`offset + modulus - 1`:
/// `[ hash reg 1 = jhash(reg 2, 4, 0x0) % mod 4 offset 100 ]`.
public struct Hash: Hashable, Sendable {
    public var source: Register
    /// Bytes hashed, 1…64.
    public var length: UInt32
    public var destination: Register
    public var modulus: UInt32
    /// What the hash begins with; nil lets the kernel choose, and keep it to itself.
    public var seed: UInt32?
    public var offset: UInt32

    public init(
        _ source: Register, length: UInt32, to destination: Register = .first, modulus: UInt32, seed: UInt32? = 0,
        offset: UInt32 = 0
    ) {
        self.source = source
        self.length = length
        self.destination = destination
        self.modulus = modulus
        self.seed = seed
        self.offset = offset
    }
}

extension Hash: ExpressionCoding {
    static let name = "hash"
    private static let jenkins: UInt32 = 0

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_HASH_SREG, source)
        handle.set(NFTNL_EXPR_HASH_DREG, destination)
        handle.set(NFTNL_EXPR_HASH_LEN, length)
        handle.set(NFTNL_EXPR_HASH_MODULUS, modulus)
        if let seed { handle.set(NFTNL_EXPR_HASH_SEED, seed) }
        handle.set(NFTNL_EXPR_HASH_OFFSET, offset)
        handle.set(NFTNL_EXPR_HASH_TYPE, Self.jenkins)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard reader.u32(NFTA_HASH_TYPE) ?? Self.jenkins == Self.jenkins,
            let source = reader.register(NFTA_HASH_SREG), let length = reader.u32(NFTA_HASH_LEN),
            let destination = reader.register(NFTA_HASH_DREG), let modulus = reader.u32(NFTA_HASH_MODULUS)
        else { return nil }
        self.init(
            source, length: length, to: destination, modulus: modulus, seed: reader.u32(NFTA_HASH_SEED),
            offset: reader.u32(NFTA_HASH_OFFSET) ?? 0)
    }
}
