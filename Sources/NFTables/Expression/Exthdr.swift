import CLibnftnl
import CLinux

/// A field of an IPv6 extension header or of a TCP option: `[ exthdr load tcpopt 2b @ 2 + 2 => reg 1 ]`.
public struct Exthdr: Hashable, Sendable {
    public var header: Header
    /// The extension header's or the option's number: 2 for TCP's maximum segment size.
    public var type: UInt8
    /// Bytes from the start of the header or option.
    public var offset: UInt32
    public var length: UInt32
    public var access: Meta.Access
    /// `NFT_EXTHDR_F_PRESENT`: load whether it is there instead of what is in it.
    public var testsPresence: Bool

    public enum Header: UInt32, Hashable, Sendable {
        case ipv6 = 0
        case tcpOption
        case ipv4Option
    }

    public init(
        _ header: Header, type: UInt8, offset: UInt32, length: UInt32, _ access: Meta.Access,
        testsPresence: Bool = false
    ) {
        self.header = header
        self.type = type
        self.offset = offset
        self.length = length
        self.access = access
        self.testsPresence = testsPresence
    }
}

extension Exthdr: ExpressionCoding {
    static let name = "exthdr"

    func encode(to handle: ExpressionHandle) {
        switch access {
        case .load(let register): handle.set(NFTNL_EXPR_EXTHDR_DREG, register)
        case .store(let register): handle.set(NFTNL_EXPR_EXTHDR_SREG, register)
        }
        handle.set(NFTNL_EXPR_EXTHDR_TYPE, u8: type)
        handle.set(NFTNL_EXPR_EXTHDR_OFFSET, offset)
        handle.set(NFTNL_EXPR_EXTHDR_LEN, length)
        handle.set(NFTNL_EXPR_EXTHDR_OP, header.rawValue)
        if testsPresence { handle.set(NFTNL_EXPR_EXTHDR_FLAGS, 1) }
    }

    init?(from reader: borrowing ExpressionReader) {
        let flags = reader.u32(NFTA_EXTHDR_FLAGS) ?? 0
        guard let type = reader.u8(NFTA_EXTHDR_TYPE), let offset = reader.u32(NFTA_EXTHDR_OFFSET),
            let length = reader.u32(NFTA_EXTHDR_LEN),
            let header = Header(rawValue: reader.u32(NFTA_EXTHDR_OP) ?? 0), flags & ~1 == 0
        else { return nil }
        let access: Meta.Access
        if let register = reader.register(NFTA_EXTHDR_DREG) {
            access = .load(to: register)
        } else if let register = reader.register(NFTA_EXTHDR_SREG) {
            access = .store(from: register)
        } else {
            return nil
        }
        self.init(header, type: type, offset: offset, length: length, access, testsPresence: flags == 1)
    }
}
