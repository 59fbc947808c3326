import CLibmnl
import CLibnftnl
import CLinux
import NetlinkKit

/// Lays out messages with libnftnl, which writes into a buffer without being told its size: what is put in must be
/// bounded beforehand, by ``Limits``.
enum MessageBuilder {
    /// More than any message within the limits: 128 expressions of at most 400 bytes, or elements as counted in
    /// `ElementEncoder`.
    static let capacity = 160 << 10

    /// - Parameter capacity: no fewer bytes than the message takes; all of them are cleared
    static func message(
        _ operation: Operation, _ type: UInt32, _ family: Family, flags: MessageFlags, names: [UInt16: String] = [:],
        capacity: Int = capacity, _ body: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) -> Result<Request, KernelError> {
        let bytes = withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 16) { buffer -> [UInt8] in
            // libmnl 1.0.4 leaves the padding after an attribute as it finds it.
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = buffer.baseAddress,
                let header = nftnl_nlmsg_build_hdr(
                    base.assumingMemoryBound(to: CChar.self), UInt16(truncatingIfNeeded: type),
                    UInt16(family.rawValue), flags.rawValue, 0)
            else { return [] }
            body(header)
            return Array(UnsafeRawBufferPointer(buffer).prefix(Int(header.pointee.nlmsg_len)))
        }
        let request = Request(operation, message: bytes, fixedSize: 4) { path in
            path.count == 1 ? names[path[0]] : nil
        }
        guard let request else { return .failure(.invalidRequest(operation, "out of memory")) }
        return .success(request)
    }

    /// The first message of a transaction, or with `generation` of one that fails unless the rule set is still of that
    /// generation.
    static func begin(generation: UInt32?) -> Request? {
        batch(Operation("begin", "nftables transaction")) { buffer in
            let header = nftnl_batch_begin(buffer, 0)
            if let generation, let header {
                mnl_attr_put_u32(header, UInt16(NFNL_BATCH_GENID.rawValue), generation.bigEndian)
            }
            return header
        }
    }

    static func end() -> Request? {
        batch(Operation("end", "nftables transaction")) { nftnl_batch_end($0, 0) }
    }

    private static func batch(
        _ operation: Operation, _ body: (UnsafeMutablePointer<CChar>) -> UnsafeMutablePointer<nlmsghdr>?
    ) -> Request? {
        let bytes = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 16) { buffer -> [UInt8] in
            // libmnl 1.0.4 leaves the padding after an attribute as it finds it.
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = buffer.baseAddress, let header = body(base.assumingMemoryBound(to: CChar.self)) else {
                return []
            }
            return Array(UnsafeRawBufferPointer(buffer).prefix(Int(header.pointee.nlmsg_len)))
        }
        return Request(operation, message: bytes, fixedSize: 4) { $0 == [1] ? "NFNL_BATCH_GENID" : nil }
    }
}

/// What the kernel takes, checked before libnftnl copies it into arrays of fixed size.
enum Limits {
    /// `NFT_NAME_MAXLEN` with the terminating zero.
    static let nameLength = 255
    /// `NFTNL_UDATA_COMMENT_MAXLEN` with the terminating zero: nft refuses more.
    static let commentLength = 127
    /// `NFT_RULE_MAXEXPRS`
    static let expressions = 128
    /// `NF_LOG_PREFIXLEN` with the terminating zero.
    static let logPrefixLength = 127
    /// Fields of a concatenation: five times six bits fit a type number.
    static let fields = 5

    static func problem(names: [String], comment: String?) -> String? {
        for name in names where name.isEmpty || name.utf8.count > nameLength || name.utf8.contains(0) {
            return "\"\(name)\" is not a name of 1 to \(nameLength) bytes"
        }
        if let comment, comment.utf8.count > commentLength || comment.utf8.contains(0) {
            return "a comment has at most \(commentLength) bytes"
        }
        return nil
    }
}
