import GREBonding
import Testing

@testable import Decoding

@Suite struct IPPacketTests {
    private static let gre = Samples.hello.serialized(dialect: .rfc8157)

    private func reasons(_ frame: [UInt8], length: Int? = nil) throws -> [String] {
        try #require(control(frame, length: length)).problems.map(\.reason)
    }

    @Test func optionsAndExtensionHeaders() throws {
        #expect(try reasons(Build.ipv4(Self.gre, options: [UInt8](repeating: 1, count: 40))) == [])
        let extensions: [(UInt8, [UInt8])] = [
            (0, [0] + [UInt8](repeating: 0, count: 6)), (43, [1] + [UInt8](repeating: 0, count: 14)),
            (44, [0, 0, 0, 1, 2, 3, 4]), (51, [4] + [UInt8](repeating: 0, count: 22)),
            (60, [0] + [UInt8](repeating: 0, count: 6)), (135, [0] + [UInt8](repeating: 0, count: 6)),
        ]
        #expect(try reasons(Build.ipv6(Self.gre, extensions: extensions)) == [])
    }

    @Test func firstFragmentsAreShownLaterOnesCounted() throws {
        let part = Array(Self.gre.prefix(16))
        #expect(try reasons(Build.ipv4(part, fragment: 0x2000)) == ["fragmented", "attribute_truncated"])
        #expect(
            try reasons(Build.ipv6(part, extensions: [(44, [0, 0, 1, 1, 2, 3, 4])])) == [
                "fragmented", "attribute_truncated",
            ])
        #expect(try reasons(Build.ipv4(Self.gre, fragment: 0x4000)) == [])
        for frame in [
            Build.ipv4(Self.gre, fragment: 1), Build.ipv6(Self.gre, extensions: [(44, [0, 0, 8, 1, 2, 3, 4])]),
        ] {
            guard case .laterFragment = parse(frame, .rawIP) else {
                Issue.record("not a later fragment: \(frame)")
                continue
            }
        }
        guard case .data = parse(Build.ipv4([0x20, 0, 0x08, 0, 0, 0, 0, 1], fragment: 0x2000), .rawIP) else {
            Issue.record("not data")
            return
        }
    }

    @Test func lengths() throws {
        #expect(try reasons(Build.ipv4(Self.gre, totalLength: 0)) == [])
        #expect(try reasons(Build.ipv6(Self.gre, payloadLength: 0)) == [])
        #expect(try reasons(Build.ipv4(Self.gre, totalLength: 20 + Self.gre.count + 2)) == ["packet_short"])
        let whole = Build.ipv6(Self.gre)
        #expect(
            try reasons(Array(whole.dropLast(4)), length: whole.count) == ["captured_short", "attribute_truncated"])
        let packet = try #require(control(Array(whole.dropLast(4)), length: whole.count))
        #expect(packet.problems[0].text == "4 bytes of the message were not captured")
        #expect(packet.isDamaged)
        for frame in [Build.ipv4(Self.gre, totalLength: 19), [0x44] + Build.ipv4(Self.gre).dropFirst()] {
            guard case .unreadable = parse(frame, .rawIP) else {
                Issue.record("readable: \(frame)")
                continue
            }
        }
    }
}
