import CLibnftnl
import CLinux

/// Writes bytes of the packet and repairs its checksums: `[ payload write reg 1 => 4b @ network header + 12 … ]`.
public struct PayloadStore: Hashable, Sendable {
    public var source: Register
    public var base: PayloadBase
    /// Bytes from the start of the header.
    public var offset: UInt32
    /// Bytes, 1…64.
    public var length: UInt32
    /// Where the header's own Internet checksum is, in bytes from its start (10 in IPv4); nil where there is none.
    public var checksumOffset: UInt32?
    /// Whether the field is part of the pseudo header, so that TCP's, UDP's or ICMPv6's checksum changes too. The
    /// kernel looks at the protocol: GRE, which has no pseudo header, is left alone.
    public var inPseudoHeader: Bool

    public init(
        from source: Register = .first, _ base: PayloadBase, offset: UInt32, length: UInt32,
        checksumOffset: UInt32? = nil, inPseudoHeader: Bool = false
    ) {
        self.source = source
        self.base = base
        self.offset = offset
        self.length = length
        self.checksumOffset = checksumOffset
        self.inPseudoHeader = inPseudoHeader
    }
}

extension PayloadStore: ExpressionCoding {
    static let name = "payload"
    private static let checksumNone: UInt32 = 0
    private static let checksumInternet: UInt32 = 1
    private static let pseudoHeaderFlag: UInt32 = 1

    func encode(to handle: ExpressionHandle) {
        handle.set(NFTNL_EXPR_PAYLOAD_SREG, source)
        handle.set(NFTNL_EXPR_PAYLOAD_BASE, base.rawValue)
        handle.set(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
        handle.set(NFTNL_EXPR_PAYLOAD_LEN, length)
        handle.set(NFTNL_EXPR_PAYLOAD_CSUM_TYPE, checksumOffset == nil ? Self.checksumNone : Self.checksumInternet)
        handle.set(NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, checksumOffset ?? 0)
        if inPseudoHeader { handle.set(NFTNL_EXPR_PAYLOAD_FLAGS, Self.pseudoHeaderFlag) }
    }

    init?(from reader: borrowing ExpressionReader) {
        let type = reader.u32(NFTA_PAYLOAD_CSUM_TYPE) ?? Self.checksumNone
        let flags = reader.u32(NFTA_PAYLOAD_CSUM_FLAGS) ?? 0
        guard let source = reader.register(NFTA_PAYLOAD_SREG),
            let base = reader.u32(NFTA_PAYLOAD_BASE), let offset = reader.u32(NFTA_PAYLOAD_OFFSET),
            let length = reader.u32(NFTA_PAYLOAD_LEN), type <= Self.checksumInternet,
            flags & ~Self.pseudoHeaderFlag == 0
        else { return nil }
        self.init(
            from: source, PayloadBase(rawValue: base), offset: offset, length: length,
            checksumOffset: type == Self.checksumInternet ? reader.u32(NFTA_PAYLOAD_CSUM_OFFSET) ?? 0 : nil,
            inPseudoHeader: flags != 0)
    }
}
