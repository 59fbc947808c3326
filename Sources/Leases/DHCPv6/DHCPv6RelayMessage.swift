import Addresses
import ProtocolSupport

/// A DHCPv6 message between relay agents and servers: RFC 8415 §9. What it carries is not looked at.
public struct DHCPv6RelayMessage: Hashable, Sendable {
    public enum MessageType: UInt8, Hashable, Sendable, CaseIterable {
        case relayForward = 12
        case relayReply = 13
    }

    /// RFC 8415 §21.10 and §21.18.
    public enum Code {
        public static let relayMessage: UInt16 = 9
        public static let interfaceID: UInt16 = 18
    }

    public var type: MessageType
    /// How many relays there were before.
    public var hopCount: UInt8 = 0
    public var link: IPv6Address
    public var peer: IPv6Address
    /// Opaque; what was sent comes back.
    public var interfaceID: [UInt8]?
    /// The message that is relayed, at most 65535 bytes.
    public var message: [UInt8]
    public var others: [DHCPv6Option] = []

    /// HOP_COUNT_LIMIT: RFC 8415 §7.6.
    public static let maximumHopCount: UInt8 = 8

    public init(_ type: MessageType, link: IPv6Address, peer: IPv6Address, message: [UInt8]) {
        self.type = type
        self.link = link
        self.peer = peer
        self.message = message
    }

    /// The payload of a UDP datagram, or of a Relay Message option. Fails without a Relay Message option, and with
    /// two, too.
    public init(parsing bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes.span.bytes)
        guard let code = reader.uint8() else { throw WireError(.truncated) }
        guard let type = MessageType(rawValue: code) else { throw WireError(.badHeader) }
        guard let hopCount = reader.uint8(), let link = reader.ipv6(), let peer = reader.ipv6() else {
            throw WireError(.truncated)
        }
        var message: [UInt8]?
        var interfaceID: [UInt8]?
        var others: [DHCPv6Option] = []
        for option in try DHCPv6Option.list(reader.rest()) {
            switch option.code {
            // Who reads the last of two would see another message than who reads the first: RFC 8415 §21.1.
            case Code.relayMessage where message != nil, Code.interfaceID where interfaceID != nil:
                throw WireError(.badOption, option: option.code)
            case Code.relayMessage: message = option.value
            case Code.interfaceID: interfaceID = option.value
            default: others.append(option)
            }
        }
        guard let message else { throw WireError(.badOption, option: Code.relayMessage) }
        self.init(type, link: link, peer: peer, message: message)
        self.hopCount = hopCount
        self.interfaceID = interfaceID
        self.others = others
    }

    /// The payload of a UDP datagram.
    public func serialized() -> [UInt8] {
        var bytes = [type.rawValue, hopCount] + link.bytes + peer.bytes
        if let interfaceID { bytes.append(Code.interfaceID, interfaceID) }
        for other in others { bytes.append(other.code, other.value) }
        bytes.append(Code.relayMessage, message)
        return bytes
    }

    /// The message inside all relay messages, at most as many as there may be relays.
    static func innermost(_ bytes: [UInt8]) throws(WireError) -> [UInt8] {
        var bytes = bytes
        for _ in 0...maximumHopCount {
            guard let first = bytes.first, MessageType(rawValue: first) != nil else { return bytes }
            bytes = try DHCPv6RelayMessage(parsing: bytes).message
        }
        throw WireError(.badHeader)
    }
}
