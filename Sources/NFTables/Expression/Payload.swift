import CLibnftnl
import CLinux

/// Loads bytes of the packet: `[ payload load 4b @ transport header + 4 => reg 1 ]`.
public struct PayloadLoad: Hashable, Sendable {
    public var base: PayloadBase
    /// Bytes from the start of the header.
    public var offset: UInt32
    /// Bytes, 1…64.
    public var length: UInt32
    public var destination: Register

    public init(_ base: PayloadBase, offset: UInt32, length: UInt32, to destination: Register = .first) {
        self.base = base
        self.offset = offset
        self.length = length
        self.destination = destination
    }
}

extension PayloadLoad: ExpressionCoding {
    static let name = "payload"

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_PAYLOAD_DREG, destination)
        handle.set(NFTNL_EXPR_PAYLOAD_BASE, base.rawValue)
        handle.set(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
        handle.set(NFTNL_EXPR_PAYLOAD_LEN, length)
    }

    init?(from reader: borrowing ExpressionReader) {
        guard let destination = reader.register(NFTA_PAYLOAD_DREG),
            let base = reader.u32(NFTA_PAYLOAD_BASE), let offset = reader.u32(NFTA_PAYLOAD_OFFSET),
            let length = reader.u32(NFTA_PAYLOAD_LEN)
        else { return nil }
        self.init(PayloadBase(rawValue: base), offset: offset, length: length, to: destination)
    }
}
