import Addresses
import ProtocolSupport

/// Reads the parts of a message (RFC 1035 §4.1); nil past its end and for what cannot be.
struct MessageReader: ~Escapable {
    struct Header {
        var isAnswer: Bool
        var opcode: UInt8
        var isTruncated: Bool
        /// RCODE; its upper bits in an OPT record say nothing where these are 0 except that it failed, which no server
        /// that also gives addresses says.
        var code: UInt8
        var questions: UInt16
        var answers: UInt16
    }

    struct Record {
        enum Content {
            case address(IPAddress)
            case alias(DomainName)
        }

        var owner: DomainName
        /// Seconds.
        var timeToLive: UInt32
        /// nil for what is of no use here.
        var data: Content?
    }

    /// Class IN.
    static let internet: UInt16 = 1
    private static let a: UInt16 = 1, cname: UInt16 = 5, aaaa: UInt16 = 28

    private let message: RawSpan
    private var reader: ByteReader

    @_lifetime(copy message)
    init(_ message: RawSpan) {
        self.message = message
        reader = ByteReader(message)
    }

    mutating func uint16() -> UInt16? { reader.uint16() }

    mutating func header() -> Header? {
        guard reader.uint16() != nil, let flags = reader.uint16(), let questions = reader.uint16(),
            let answers = reader.uint16(), reader.uint32() != nil
        else { return nil }
        return Header(
            isAnswer: flags & 0x8000 != 0, opcode: UInt8(flags >> 11 & 0xF), isTruncated: flags & 0x0200 != 0,
            code: UInt8(flags & 0xF), questions: questions, answers: answers)
    }

    mutating func record() -> Record? {
        guard let owner = name(), let type = reader.uint16(), let kind = reader.uint16(),
            let timeToLive = reader.uint32(), let length = reader.uint16(), reader.remaining >= Int(length)
        else { return nil }
        let end = reader.offset + Int(length)
        defer { reader.offset = end }
        // RFC 2181 §8: with the first bit set it is 0.
        var record = Record(owner: owner, timeToLive: timeToLive >> 31 == 0 ? timeToLive : 0)
        guard kind == Self.internet else { return record }
        switch (type, length) {
        case (Self.a, 4): record.data = reader.ipv4().map { .address(.v4($0)) }
        case (Self.aaaa, 16): record.data = reader.ipv6().map { .address(.v6($0)) }
        case (Self.cname, _):
            if let target = name(), reader.offset <= end { record.data = .alias(target) }
        default: break
        }
        return record
    }

    /// A name, its compression undone (RFC 1035 §4.1.4). Each pointer must lead to before the place that the last one
    /// led to, so that there is an end to it; a name of more than 255 bytes is none.
    mutating func name() -> DomainName? {
        var bytes: [UInt8] = []
        var part = ByteReader(message)
        part.offset = reader.offset
        var limit = reader.offset
        var end: Int?
        while let length = part.uint8() {
            switch length >> 6 {
            case 0 where length == 0:
                reader.offset = end ?? part.offset
                return DomainName(wire: bytes)
            case 0:
                let count = bytes.count + 1 + Int(length)
                guard part.remaining >= Int(length), count < DomainName.limit else { return nil }
                bytes.append(length)
                for _ in 0..<length { bytes.append(DomainName.lowercased(part.uint8() ?? 0)) }
            case 3:
                guard let low = part.uint8() else { return nil }
                let target = Int(length & 0x3F) << 8 | Int(low)
                guard target < limit else { return nil }
                end = end ?? part.offset
                limit = target
                part.offset = target
            default: return nil
            }
        }
        return nil
    }
}
