import CLibnftnl
import CLinux

/// Turns numbers between the host's and the network's byte order: `[ byteorder reg 1 = hton(reg 1, 2, 2) ]`.
public struct Byteorder: Hashable, Sendable {
    public var source: Register
    public var destination: Register
    public var direction: Direction
    /// Bytes in all, and of each number: 2, 4 or 8.
    public var length: UInt32
    public var size: UInt32

    public enum Direction: UInt32, Hashable, Sendable {
        case networkToHost = 0
        case hostToNetwork
    }

    public init(_ direction: Direction, _ register: Register = .first, length: UInt32, size: UInt32) {
        self.source = register
        self.destination = register
        self.direction = direction
        self.length = length
        self.size = size
    }
}

extension Byteorder: ExpressionCoding {
    static let name = "byteorder"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_BYTEORDER_SREG, source)
        handle.set(NFTNL_EXPR_BYTEORDER_DREG, destination)
        handle.set(NFTNL_EXPR_BYTEORDER_OP, direction.rawValue)
        handle.set(NFTNL_EXPR_BYTEORDER_LEN, length)
        handle.set(NFTNL_EXPR_BYTEORDER_SIZE, size)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let source = reader.register(NFTA_BYTEORDER_SREG),
            let destination = reader.register(NFTA_BYTEORDER_DREG),
            let direction = reader.u32(NFTA_BYTEORDER_OP).flatMap(Direction.init(rawValue:)),
            let length = reader.u32(NFTA_BYTEORDER_LEN), let size = reader.u32(NFTA_BYTEORDER_SIZE)
        else { return nil }
        self.init(direction, source, length: length, size: size)
        self.destination = destination
    }
}
