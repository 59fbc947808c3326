import CLibnftnl
import CLinux

/// Combines a register with constants: `[ bitwise reg 1 = ( reg 1 & 0xf0000000 ) ^ 0x00000000 ]`, or shifts it.
public struct Bitwise: Hashable, Sendable {
    public var source: Register
    public var destination: Register
    /// Bytes, 1…64.
    public var length: UInt32
    public var operation: Operation

    public enum Operation: Hashable, Sendable {
        /// `(source & mask) ^ xor`; both as long as `length`.
        case mask([UInt8], xor: [UInt8])
        /// Bits, 0…31.
        case shiftLeft(UInt32)
        case shiftRight(UInt32)
    }

    public init(_ source: Register = .first, to destination: Register? = nil, length: UInt32, _ operation: Operation) {
        self.source = source
        self.destination = destination ?? source
        self.length = length
        self.operation = operation
    }

    /// Keeps the bits of the mask and clears the others.
    public static func and(_ mask: [UInt8], in register: Register = .first) -> Bitwise {
        Bitwise(
            register, length: UInt32(mask.count), .mask(mask, xor: [UInt8](repeating: 0, count: mask.count)))
    }
}

extension Bitwise: ExpressionCoding {
    static let name = "bitwise"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_BITWISE_SREG, source)
        handle.set(NFTNL_EXPR_BITWISE_DREG, destination)
        handle.set(NFTNL_EXPR_BITWISE_LEN, length)
        switch operation {
        case .mask(let mask, let xor):
            handle.set(NFTNL_EXPR_BITWISE_OP, 0)
            handle.set(NFTNL_EXPR_BITWISE_MASK, bytes: mask)
            handle.set(NFTNL_EXPR_BITWISE_XOR, bytes: xor)
        case .shiftLeft(let bits):
            handle.set(NFTNL_EXPR_BITWISE_OP, 1)
            handle.set(NFTNL_EXPR_BITWISE_DATA, bytes: bits.hostOrderBytes)
        case .shiftRight(let bits):
            handle.set(NFTNL_EXPR_BITWISE_OP, 2)
            handle.set(NFTNL_EXPR_BITWISE_DATA, bytes: bits.hostOrderBytes)
        }
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let source = reader.register(NFTA_BITWISE_SREG),
            let destination = reader.register(NFTA_BITWISE_DREG),
            let length = reader.u32(NFTA_BITWISE_LEN)
        else { return nil }
        let operation: Operation
        switch reader.u32(NFTA_BITWISE_OP) ?? 0 {
        case 0:
            guard let mask = reader.bytes(NFTA_BITWISE_MASK), let xor = reader.bytes(NFTA_BITWISE_XOR)
            else { return nil }
            operation = .mask(mask, xor: xor)
        case let code where code == 1 || code == 2:
            guard let data = reader.bytes(NFTA_BITWISE_DATA), let bits = UInt32(hostOrderBytes: data) else {
                return nil
            }
            operation = code == 1 ? .shiftLeft(bits) : .shiftRight(bits)
        default: return nil
        }
        self.init(source, to: destination, length: length, operation)
    }
}
