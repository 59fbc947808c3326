import Addresses

@testable import DNSAnswers

/// Writes messages as servers do, and as nobody should.
struct Message {
    var bytes: [UInt8]
    private var answers = 0

    init(
        _ name: String, type: UInt16 = 1, kind: UInt16 = 1, flags: UInt16 = 0x8180, id: UInt16 = 0x1234,
        questions: UInt16 = 1
    ) {
        bytes = Self.half(id) + Self.half(flags) + Self.half(questions) + [0, 0, 0, 0, 0, 0]
        bytes += Self.name(name) + Self.half(type) + Self.half(kind)
    }

    static func half(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    /// The name in the question, as a pointer.
    static let question: [UInt8] = [0xC0, 12]

    mutating func add(_ owner: [UInt8], _ type: UInt16, ttl: UInt32, kind: UInt16 = 1, _ data: [UInt8]) {
        bytes += owner + Self.half(type) + Self.half(kind)
        bytes += Self.half(UInt16(ttl >> 16)) + Self.half(UInt16(ttl & 0xFFFF)) + Self.half(UInt16(data.count)) + data
        answers += 1
        bytes.replaceSubrange(6..<8, with: Self.half(UInt16(answers)))
    }

    mutating func add(_ owner: String, _ address: String, ttl: UInt32 = 300) {
        let address = IPAddress(address) ?? .any(.v4)
        add(Self.name(owner), address.family == .v4 ? 1 : 28, ttl: ttl, address.bytes)
    }

    mutating func add(_ owner: String, alias: String, ttl: UInt32 = 300) {
        add(Self.name(owner), 5, ttl: ttl, Self.name(alias))
    }

    static func hexadecimal(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    func parsed() throws(DNSAnswer.Failure) -> DNSAnswer { try DNSAnswer(parsing: bytes.span.bytes) }
}

extension DNSAnswer {
    /// "192.0.2.1 300 1": address, TTL, depth.
    var lines: [String] { addresses.map { "\($0.address) \($0.timeToLive) \($0.depth)" } }
}
