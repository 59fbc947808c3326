import Addresses
import Testing

@testable import DNSAnswers

@Suite struct DNSAnswerTests {
    /// dnsmasq 2.90 with --cname=www.example.net,cdn.example.net,60 and three --host-record; asked with EDNS for
    /// www.Example.net A and AAAA.
    @Test func aServersAnswers() throws {
        let ipv4 = try DNSAnswer(
            parsing: Message.hexadecimal(
                """
                5c1b8580000100030000000103777777074578616d706c65036e65740000010001c00c000500010000003c00110363646e07\
                6578616d706c65036e657400c02d000100010000001e0004cb007107c02d000100010000012c0004cb00710800002904d000\
                0000000000
                """
            ).span.bytes)
        #expect(ipv4.names.map(\.description) == ["www.example.net", "cdn.example.net"])
        #expect(ipv4.lines == ["203.0.113.7 30 2", "203.0.113.8 60 2"])
        #expect(!ipv4.isTruncated)
        let ipv6 = try DNSAnswer(
            parsing: Message.hexadecimal(
                """
                5c1b8580000100020000000103777777074578616d706c65036e657400001c0001c00c000500010000003c00110363646e07\
                6578616d706c65036e657400c02d001c00010000001e001020010db800050000000000000000000700002904d00000000000\
                00
                """
            ).span.bytes)
        #expect(ipv6.names == ipv4.names && ipv6.lines == ["2001:db8:5::7 30 2"])
    }

    @Test func bothFamiliesAndLettersOfAnyCase() throws {
        var message = Message("WWW.Example.NET", type: 255)
        message.add("www.EXAMPLE.net", "192.0.2.1")
        message.add(Message.question, 28, ttl: 20, try #require(IPAddress("2001:db8::1")).bytes)
        let answer = try message.parsed()
        #expect(answer.names == [DomainName("www.example.net")])
        #expect(answer.lines == ["192.0.2.1 300 1", "2001:db8::1 20 1"])
    }

    @Test func aChainInAnyOrder() throws {
        var message = Message("a.example")
        message.add("c.example", "192.0.2.1", ttl: 500)
        message.add("b.example", alias: "c.example", ttl: 40)
        message.add("a.example", alias: "b.example", ttl: 50)
        let answer = try message.parsed()
        #expect(answer.names.map(\.description) == ["a.example", "b.example", "c.example"])
        #expect(answer.lines == ["192.0.2.1 40 3"])
    }

    @Test func whatBelongsToOthersIsNotBelieved() throws {
        var message = Message("a.example")
        message.add("other.example", "192.0.2.9")
        message.add("x.example", alias: "victim.example")
        message.add("victim.example", "192.0.2.8")
        #expect(throws: DNSAnswer.Failure.noAddress) { try message.parsed() }
        message.add("a.example", "192.0.2.1")
        #expect(try message.parsed().lines == ["192.0.2.1 300 1"])
    }

    @Test func aliasesInACircle() throws {
        var message = Message("a.example")
        message.add("a.example", alias: "b.example")
        message.add("b.example", alias: "a.example")
        message.add("b.example", "192.0.2.1")
        let answer = try message.parsed()
        #expect(answer.names.count == 2 && answer.lines == ["192.0.2.1 300 2"])
    }

    @Test func otherRecordsAndClassesArePassedOver() throws {
        var message = Message("a.example")
        message.add(Message.question, 16, ttl: 1, [3, 65, 66, 67])
        message.add(Message.question, 39, ttl: 1, Message.name("b.example"))
        message.add(Message.question, 1, ttl: 1, kind: 3, [192, 0, 2, 3])
        message.add(Message.question, 1, ttl: 1, [192, 0, 2])
        message.add(Message.question, 28, ttl: 1, [192, 0, 2, 3])
        message.add(Message.question, 1, ttl: 0x8000_0001, [192, 0, 2, 4])
        #expect(try message.parsed().lines == ["192.0.2.4 0 1"])
    }

    @Test(arguments: [
        (Message("a.example", flags: 0x0100), .question), (Message("a.example", flags: 0x8183), .negative),
        (Message("a.example", flags: 0xA800), .notUsed), (Message("a.example", kind: 3), .notUsed),
        (Message("a.example", questions: 2), .notUsed), (Message("a.example", questions: 0), .notUsed),
        (Message("a.example"), .noAddress),
    ] as [(Message, DNSAnswer.Failure)])
    func otherMessages(message: Message, failure: DNSAnswer.Failure) {
        var message = message
        if failure != .noAddress { message.add("a.example", "192.0.2.1") }
        #expect(throws: failure) { try message.parsed() }
    }

    @Test func whatIsThereOfALongMessageIsTaken() throws {
        var message = Message("a.example")
        for number in 1...3 { message.add("a.example", "192.0.2.\(number)") }
        let whole = message.bytes
        for count in 0..<whole.count {
            message.bytes = Array(whole[..<count])
            let answer = try? message.parsed()
            let expected = max(0, (count - 27) / 25)
            #expect((answer?.addresses.count ?? 0) == expected, "\(count)")
            #expect(answer?.isTruncated ?? true)
        }
        message.bytes = whole
        message.bytes[2] |= 2
        #expect(try message.parsed().isTruncated)
    }

    // MARK: Hostile ones

    @Test(arguments: [
        [0xC0, 0x1B], [0xC0, 0xFF], [0xFF, 0xFF], [0x40, 1], [0x80, 1], [1, 65, 0xC0, 0x1B],
    ] as [[UInt8]])
    func pointersThatLeadNowhere(owner: [UInt8]) {
        // The record's owner is at offset 27.
        var message = Message("a.example")
        message.add(owner, 1, ttl: 1, [192, 0, 2, 1])
        #expect(throws: DNSAnswer.Failure.noAddress) { try message.parsed() }
    }

    @Test func namesAreLimited() throws {
        let long = Array(repeating: String(repeating: "x", count: 63), count: 3).joined(separator: ".")
        let last = String(repeating: "y", count: 61)
        #expect(DomainName("\(long).\(last)")?.bytes.count == 254)
        #expect(DomainName("\(long).\(last)z") == nil)
        var message = Message("\(long).\(last)")
        message.add(Message.question, 1, ttl: 1, [192, 0, 2, 1])
        #expect(try message.parsed().names == [DomainName("\(long).\(last)")])
        var tooLong = Message("\(long).\(last)z")
        tooLong.add(Message.question, 1, ttl: 1, [192, 0, 2, 1])
        #expect(throws: DNSAnswer.Failure.malformed) { try tooLong.parsed() }
        // A pointer that makes an allowed name one byte too long.
        var joined = Message("\(long).\(last)")
        joined.add([1, 65] + Message.question, 1, ttl: 1, [192, 0, 2, 1])
        #expect(throws: DNSAnswer.Failure.noAddress) { try joined.parsed() }
    }

    @Test func manyRecordsAreLimited() throws {
        var message = Message("a.example")
        for number in 0..<2000 { message.add("a.example", "192.0.\(number / 256).\(number % 256)") }
        let answer = try message.parsed()
        #expect(answer.addresses.count == DNSAnswer.addressLimit && answer.isTruncated)
        var chain = Message("n0.example")
        for number in 0..<100 { chain.add("n\(number).example", alias: "n\(number + 1).example") }
        chain.add("n16.example", "192.0.2.1")
        chain.add("n17.example", "192.0.2.2")
        #expect(try chain.parsed().lines == ["192.0.2.1 300 17"])
    }

    @Test func noBytesTrap() {
        var random = SystemRandomNumberGenerator()
        var message = Message("www.example.net")
        message.add("www.example.net", alias: "cdn.example.net")
        message.add(Message.question, 1, ttl: 1, [192, 0, 2, 1])
        message.add("cdn.example.net", "2001:db8::1")
        for _ in 0..<20_000 {
            var bytes = message.bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: .min ... .max, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
            if let answer = try? DNSAnswer(parsing: bytes.span.bytes) {
                #expect(answer.addresses.allSatisfy { (1...answer.names.count).contains($0.depth) })
            }
        }
    }
}

@Suite struct NameIndexTests {
    private func found(_ name: String, _ patterns: [String]) -> [String] {
        let index = NameIndex(patterns.compactMap { NamePattern($0) })
        return DomainName(name).map { index.patterns(matching: $0).map(\.description) } ?? ["no name"]
    }

    @Test func namesAndDomains() {
        let patterns = ["www.example.net", "*.example.net", "*.net", "*.www.example.net", "other.example"]
        #expect(found("www.example.net", patterns) == ["www.example.net", "*.example.net", "*.net"])
        #expect(found("a.b.example.net", patterns) == ["*.example.net", "*.net"])
        #expect(found("example.net", patterns) == ["*.net"], "not below itself")
        #expect(found("notexample.net", patterns) == ["*.net"], "labels, not letters")
        #expect(found("x.other.example", patterns).isEmpty)
        #expect(found("OTHER.Example.", patterns) == ["other.example"])
        #expect(NameIndex().isEmpty && !NameIndex([NamePattern("a")!]).isEmpty)
    }

    @Test func patterns() {
        for text in ["", ".", "*", "*.", "a..b", "www.*.net", "*.*.net", "*a.net", String(repeating: "a", count: 64)] {
            #expect(NamePattern(text) == nil, "\(text)")
        }
        #expect(NamePattern("*.Example.NET.")?.description == "*.example.net")
        #expect(DomainName("a\u{7F}b.c\u{20}d")?.description == "a\\127b.c\\032d")
    }

    /// Lookups among ten thousand patterns find what a plain search finds.
    @Test func tenThousand() throws {
        var random = SystemRandomNumberGenerator()
        func name() -> String {
            (0..<Int.random(in: 1...4, using: &random)).map { _ in "l\(Int.random(in: 0..<12, using: &random))" }
                .joined(separator: ".")
        }
        let texts = Set((0..<10_000).map { _ in (Bool.random(using: &random) ? "*." : "") + name() })
        let index = NameIndex(texts.compactMap { NamePattern($0) })
        for _ in 0..<2000 {
            let text = name()
            let plain = texts.filter { $0 == text || $0.hasPrefix("*.") && text.hasSuffix($0.dropFirst()) }
            let found = index.patterns(matching: try #require(DomainName(text))).map(\.description)
            #expect(Set(found) == plain && found.count == plain.count)
        }
    }
}
