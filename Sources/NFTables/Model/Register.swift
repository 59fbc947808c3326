/// Where expressions leave values for one another: sixteen 32-bit slots (`NFT_REG32_00`…`NFT_REG32_15`).
///
/// The kernel has two numberings for the same storage (`NFT_REG_1` is `NFT_REG32_00` to `NFT_REG32_03`) and answers
/// with the wide one wherever a slot begins a wide register. This type holds the slot, so that what was sent and what
/// is read back are equal.
public struct Register: Hashable, Sendable {
    /// The 32-bit slot, 0…15.
    public var slot: UInt8

    /// The slot; what lies beyond the sixteenth is taken modulo sixteen.
    public init(slot: some BinaryInteger) { self.slot = UInt8(truncatingIfNeeded: slot) & 15 }

    /// The first slot, where every statement of this module begins.
    public static let first = Register(slot: 0)

    /// The slot `bytes` further on, rounded up to whole slots.
    public func advanced(byBytes bytes: Int) -> Register { Register(slot: Int(slot) &+ (bytes &+ 3) / 4) }

    /// The number in the form the kernel answers with: `NFT_REG_1`…`NFT_REG_4` where possible.
    var wireValue: UInt32 { slot % 4 == 0 ? 1 + UInt32(slot) / 4 : 8 + UInt32(slot) }

    /// From either numbering; nil for the verdict register (0) and for anything else that holds no data.
    init?(wireValue: UInt32) {
        switch wireValue {
        case 1...4: slot = UInt8(wireValue - 1) * 4
        case 8...23: slot = UInt8(wireValue - 8)
        default: return nil
        }
    }

    /// `NFT_REG_VERDICT`, the destination of verdicts and of verdict maps.
    static let verdictWireValue: UInt32 = 0
}
