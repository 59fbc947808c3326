import Addresses
import ProtocolSupport

/// An option of DHCPv4: RFC 2132 §2. Options that came in several pieces are one here (RFC 3396).
public struct DHCPv4Option: Hashable, Sendable {
    /// 1…254; 0 and 255 are no options but padding and end.
    public let code: UInt8
    /// Network byte order, of any length.
    public var value: [UInt8]

    public init(_ code: UInt8, _ value: [UInt8]) {
        self.code = code
        self.value = value
    }
}

/// A DHCPv4 message: RFC 2131 §2.
public struct DHCPv4Message: Hashable, Sendable {
    public enum Operation: UInt8, Hashable, Sendable {
        case request = 1
        case reply = 2
    }

    /// RFC 2132 §9.6.
    public enum MessageType: UInt8, Hashable, Sendable, CaseIterable {
        case discover = 1, offer, request, decline, ack, nak, release, inform
    }

    public var operation: Operation
    /// Hardware type; 1 is Ethernet.
    public var hardwareType: UInt8 = 1
    public var hops: UInt8 = 0
    public var transactionID: UInt32
    /// Seconds since the client began.
    public var seconds: UInt16 = 0
    /// Bit 15 asks for answers by broadcast.
    public var flags: UInt16 = 0
    public var clientAddress = IPv4Address.any
    public var yourAddress = IPv4Address.any
    public var serverAddress = IPv4Address.any
    public var relayAddress = IPv4Address.any
    /// At most 16 bytes.
    public private(set) var hardwareAddress: [UInt8]
    /// The fields sname and file without the zeros at their end; empty when they held options (option 52).
    public internal(set) var serverName: [UInt8] = []
    public internal(set) var bootFile: [UInt8] = []
    /// In the order of first appearance, each code once, without 52.
    public private(set) var options: [DHCPv4Option] = []

    public static let broadcastFlag: UInt16 = 0x8000
    static let cookie: UInt32 = 0x6382_5363
    static let overload: UInt8 = 52

    /// A message without options; of `hardwareAddress` the first 16 bytes are taken.
    public init(_ operation: Operation, transactionID: UInt32, hardwareAddress: [UInt8]) {
        self.operation = operation
        self.transactionID = transactionID
        self.hardwareAddress = Array(hardwareAddress.prefix(16))
    }

    /// The value of an option; nil when it is not there. Setting replaces it in its place or appends it. Codes that
    /// are no options (0, 255), and 52, which is the serializer's own, are ignored.
    public subscript(code: UInt8) -> [UInt8]? {
        get { options.first { $0.code == code }?.value }
        set {
            guard code != 0, code != 255, code != Self.overload else { return }
            let place = options.firstIndex { $0.code == code }
            switch (place, newValue) {
            case (let place?, let value?): options[place].value = value
            case (let place?, nil): options.remove(at: place)
            case (nil, let value?): options.append(DHCPv4Option(code, value))
            case (nil, nil): break
            }
        }
    }

    /// The payload of a UDP datagram. Pieces of a long option are put together over the options field, file and sname,
    /// in this order (RFC 3396 §5). What comes after the end option is ignored; its absence is forgiven.
    public init(parsing bytes: some Collection<UInt8>) throws(WireError) {
        let bytes = Array(bytes)
        var reader = ByteReader(bytes.span.bytes)
        guard let op = reader.uint8(), let htype = reader.uint8(), let hlen = reader.uint8(), let hops = reader.uint8(),
            let xid = reader.uint32(), let secs = reader.uint16(), let flags = reader.uint16(),
            let ciaddr = reader.ipv4(), let yiaddr = reader.ipv4(), let siaddr = reader.ipv4(),
            let giaddr = reader.ipv4(), let chaddr = reader.array(16), let sname = reader.array(64),
            let file = reader.array(128), let cookie = reader.uint32()
        else { throw WireError(.truncated) }
        guard cookie == Self.cookie else { throw WireError(.badCookie) }
        guard let operation = Operation(rawValue: op), hlen <= 16 else { throw WireError(.badHeader) }
        self.init(operation, transactionID: xid, hardwareAddress: Array(chaddr.prefix(Int(hlen))))
        hardwareType = htype
        self.hops = hops
        seconds = secs
        self.flags = flags
        clientAddress = ciaddr
        yourAddress = yiaddr
        serverAddress = siaddr
        relayAddress = giaddr

        var places = [Int?](repeating: nil, count: 256)
        var overload: UInt8 = 0
        try collect(reader.rest(), &places, &overload)
        let overloaded = overload
        if overloaded & 1 != 0 { try collect(file, &places, &overload) } else { bootFile = Self.trimmed(file) }
        if overloaded & 2 != 0 { try collect(sname, &places, &overload) } else { serverName = Self.trimmed(sname) }
    }

    private mutating func collect(
        _ field: [UInt8], _ places: inout [Int?], _ overload: inout UInt8
    ) throws(WireError) {
        var reader = ByteReader(field.span.bytes)
        while let code = reader.uint8(), code != 255 {
            if code == 0 { continue }
            guard let length = reader.uint8(), let value = reader.array(Int(length)) else {
                throw WireError(.optionTruncated, option: UInt16(code))
            }
            if code == Self.overload {
                guard value.count == 1, (1...3).contains(value[0]) else { throw WireError(.badOption, option: 52) }
                overload = value[0]
            } else if let place = places[Int(code)] {
                options[place].value += value
            } else {
                places[Int(code)] = options.count
                options.append(DHCPv4Option(code, value))
            }
        }
    }

    private static func trimmed(_ field: [UInt8]) -> [UInt8] {
        Array(field[..<(field.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0)])
    }
}
