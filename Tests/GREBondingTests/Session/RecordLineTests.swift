import Addresses
import ProtocolSupport
import TestSupport
import Testing

@testable import GREBonding

/// Lines of a record are taken apart as bytes; what is taken is what the standard library takes of their text.
@Suite struct RecordLineTests {
    private let bond = AggregationRecord(
        sessionID: 7, key: 0x5A5A_2A36, client: ClientIdentificationName("gateway-1")!, local: IPAddress("10.9.0.1")!,
        legs: [.primary: IPAddress("10.1.0.2")!, .secondary: IPAddress("2001:db8::2")!],
        confirmed: [.primary, .secondary], parameters: SessionParameters(), dslSynchronizationRate: 50_000,
        bypassRate: 9, primaryOnly: false, helloState: .idle,
        hostPrefix: AssignedIPv6Prefix(IPPrefix("2001:db8:a::/56")!)!, nextCommitCount: 3)

    private func line(_ text: String, count: Int = 1) -> RecordLine? { RecordLine(text[...], "bond", count: count) }

    @Test func aLineThatWasCutIsRefused() {
        let text = bond.line(number: 9)
        #expect(AggregationRecord.read(text[...])?.record == bond)
        for length in 0..<text.count { #expect(AggregationRecord.read(text.prefix(length)) == nil, "\(length)") }
    }

    @Test func namesMayStandInAnyOrderButOnce() {
        let words = bond.line(number: 9).split(separator: " ")
        let turned = ([words[0]] + words.dropFirst().reversed()).joined(separator: " ")
        #expect(AggregationRecord.read(turned[...])?.record == bond)
        for (at, word) in words.enumerated().dropFirst() {
            var other = words
            other[at == 1 ? 2 : 1] = word
            let text = other.joined(separator: " ")
            #expect(AggregationRecord.read(text[...]) == nil, "twice \(word)")
        }
        #expect(line("bond a=1 a=2", count: 2) == nil && line("bond = =", count: 2) == nil)
    }

    @Test func whatHasAnotherForm() {
        for text in [
            "", "bond", "bond ", " bond a=1", "bond  a=1", "bond a=1 ", "bond a", "bond a=1 b=2", "bonds a=1",
            "bon a=1", "bond\ta=1", "bond\u{301} a=1", "\u{FFFD}",
        ] { #expect(line(text) == nil, "\(text)") }
        #expect(line("bond =")?[""] == "" && line("bond a==1")?["a"] == "=1")
        #expect(line("bond a=")?["a"] == "" && line("bond a=1")?["b"] == nil && line("bond a=1")?["aa"] == nil)
    }

    @Test func aNameWithoutAValueIsNothing() {
        let empty = line("bond a=")
        #expect(empty != nil && empty?.number("a") == nil && empty?.number64("a") == nil && empty?.flag("a") == nil)
        #expect(empty?.address("a") == nil && empty?.prefix("a") == nil && empty?.optional("a") == nil)
        #expect(empty?.numbers("a") == nil && empty?.addresses("a") == nil)
        #expect(empty?.bytes("a") == [] && empty?.numbers("a", isLoose: true) == [])
        #expect(line("bond a=-")?.optional("a") == .some(nil) && line("bond a=--")?.optional("a") == nil)
    }

    @Test func numbersAreThoseOfTheStandardLibrary() {
        var texts = [
            "4294967295", "4294967296", "18446744073709551615", "18446744073709551616", "99999999999999999999", "-0",
            "+7", "-7", "00000000000000000000000007", "+", "-", "0x7", "7\u{301}", "٧", "\u{FFFD}",
        ]
        var random = SplitMix(state: 32)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...21, using: &random)).map { at in
                at == 0 || Int.random(in: 0...99, using: &random) == 0
                    ? UInt8.random(in: 0x2A...0x3A, using: &random) : .random(in: 0x30...0x39, using: &random)
            }
            texts.append(String(decoding: bytes, as: UTF8.self))
        }
        for text in texts {
            let line = line("bond a=" + text)
            #expect(line?.number("a") == UInt32(text) && line?.number64("a") == UInt64(text), "\(text)")
            if !text.contains(",") { #expect(line?.numbers("a") == UInt32(text).map { [$0] }, "\(text)") }
        }
    }

    @Test func lists() {
        for (text, strict, loose) in [
            ("1,2", [1, 2], [1, 2]), ("1,,2", nil, [1, 2]), (",", nil, []), ("1,", nil, [1]),
            ("1,4294967296", nil, nil), ("1, 2", nil, nil), ("1;2", nil, nil),
        ] as [(String, [UInt32]?, [UInt32]?)] {
            let line = line("bond a=" + text)
            #expect(line?.numbers("a") == strict && line?.numbers("a", isLoose: true) == loose, "\(text)")
        }
        let h = IPAddress("10.9.0.1")!
        #expect(line("bond a=0@10.9.0.1,255@::")?.addresses("a") == [0: h, 255: IPAddress("::")!])
        for text in [
            "0@10.9.0.1,0@10.9.0.2", "0@10.9.0.1,", ",", "@10.9.0.1", "0@", "0", "256@10.9.0.1", "0@1@10.9.0.1",
            "0@10.9.0.1\u{301}", "00@10.9.0.1,0@10.9.0.1",
        ] { #expect(line("bond a=" + text)?.addresses("a") == nil, "\(text)") }
    }

    @Test func bytesAreTwoLowerCaseDigitsEach() {
        let all = (0...255).map { UInt8($0) }
        #expect(line("bond a=" + RecordLine.hex(all))?.bytes("a") == all)
        #expect(RecordLine.hex([0, 0x9A, 0xFF]) == "009aff" && RecordLine.hex([]).isEmpty)
        for text in ["0", "0A", "0g", "000", "é", "0x00", "-1"] { #expect(line("bond a=" + text)?.bytes("a") == nil) }
    }

    /// Bytes that are no UTF-8, and such as are one character together with what was written.
    @Test func anyBytesInAnyPlace() {
        let text = Array(bond.line(number: 9).utf8)
        for at in text.indices {
            for strange in [[0xFF], [0xC3], [0x80], [0xE2, 0x82], [0xCC, 0x81], [0], [0x0D], [0xF0, 0x9F, 0x98, 0x80]] {
                for kept in [at, at + 1] {
                    let bytes = text[..<at] + strange.map { UInt8($0) } + text[kept...]
                    let line = String(decoding: bytes, as: UTF8.self)
                    #expect(AggregationRecord.read(line[...]) == nil, "\(line)")
                }
            }
        }
    }
}
