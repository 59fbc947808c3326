import CLinux

/// What the kernel says about a request besides its error number (`NETLINK_EXT_ACK`).
struct ExtendedAck: Hashable, Sendable {
    /// The kernel's own words.
    var message: String?
    /// Bytes from the start of the request to the attribute that is at fault.
    var offset: UInt32?
    /// An attribute that should have been there, by number (kernel 6.1 and later).
    var missingType: UInt32?
    /// Bytes from the start of the request to the attribute in which it is missing; nil at the top level.
    var missingNest: UInt32?

    enum Space {
        static let message = Attribute<Space, String>(NLMSGERR_ATTR_MSG, "NLMSGERR_ATTR_MSG")
        static let offset = Attribute<Space, UInt32>(NLMSGERR_ATTR_OFFS, "NLMSGERR_ATTR_OFFS")
        static let missingType = Attribute<Space, UInt32>(NLMSGERR_ATTR_MISS_TYPE, "NLMSGERR_ATTR_MISS_TYPE")
        static let missingNest = Attribute<Space, UInt32>(NLMSGERR_ATTR_MISS_NEST, "NLMSGERR_ATTR_MISS_NEST")
    }

    init() {}

    init(_ attributes: AttributeReader<Space>) {
        message = attributes.get(Space.message)
        offset = attributes.get(Space.offset)
        missingType = attributes.get(Space.missingType)
        missingNest = attributes.get(Space.missingNest)
    }
}

/// An `NLMSG_ERROR` or `NLMSG_DONE` message: the end of an answer.
struct Acknowledgement: Hashable, Sendable {
    /// 0 is success; otherwise a positive error number.
    var errno: Int32
    var ack: ExtendedAck

    /// nil when the message is neither of the two, or is too short to hold its error number.
    init?(_ message: borrowing Message) {
        let start: Int
        switch Int32(message.type) {
        case NLMSG_ERROR:
            guard let echoed = message.bytes.load(UInt32.self, at: 20) else { return nil }
            // The request follows the error number: its header only, or all of it.
            start = message.flags.contains(.capped) ? 20 : 4 + ((Int(echoed) + 3) & ~3)
        case NLMSG_DONE:
            start = 4
        default: return nil
        }
        guard let code = message.bytes.load(Int32.self, at: 16) else { return nil }
        errno = code == .min ? .max : abs(code)
        ack =
            message.flags.contains(.extendedAck)
            ? ExtendedAck(message.attributes(after: start, of: ExtendedAck.Space.self)) : ExtendedAck()
    }
}
