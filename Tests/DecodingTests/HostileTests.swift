import GREBonding
import TestSupport
import Testing

@testable import Decoding

/// A trap ends the test run, which is the point.
@Suite struct HostileTests {
    static let frames: [([UInt8], LinkType)] = {
        var frames: [([UInt8], LinkType)] = []
        for (i, message) in Samples.messages.enumerated() {
            let gre = message.serialized(dialect: i.isMultiple(of: 2) ? .rfc8157 : .deployed)
            let v4 = Build.ipv4(gre, options: [1, 1, 1, 1])
            let v6 = Build.ipv6(
                gre, extensions: [(0, [0, 1, 2, 3, 4, 5, 6]), (44, [0, 0, 1, 1, 2, 3, 4]), (51, [0, 1, 2, 3, 4, 5, 6])])
            let (type, header4, header6) = LinkTypeTests.headers[i % LinkTypeTests.headers.count]
            if let header4 { frames.append(([UInt8](hex: header4) + v4, type)) }
            if let header6 { frames.append(([UInt8](hex: header6) + v6, type)) }
            frames.append((Build.ethernet(0x8100, [0, 7, 0x88, 0x64] + Build.pppoe([0, 0x57] + v6)), .ethernet))
        }
        return frames
    }()

    /// How much text it gives, so that nothing is left out by the optimizer.
    private func use(_ frame: [UInt8], _ type: LinkType, length: Int) -> Int {
        guard let packet = control(frame, type, length: length) else { return 0 }
        return packet.text(.first).utf8.count + packet.json(.first).utf8.count
    }

    @Test func cutOffAtEachByte() {
        #expect(Set(Self.frames.map(\.1)).count >= LinkType.allCases.count - 1)
        for (frame, type) in Self.frames {
            for count in 0...frame.count {
                let short = Array(frame.prefix(count))
                _ = use(short, type, length: frame.count)
                _ = use(short, type, length: count)
                // What is cut off never passes for a good message.
                if count < frame.count, let packet = control(short, type, length: frame.count) {
                    #expect(packet.isDamaged, "\(count) of \(frame.count) bytes")
                }
            }
        }
    }

    @Test func mutations() {
        var random = SplitMix(state: 8157)
        var shown = 0
        for round in 0..<60_000 {
            var (frame, type) = Self.frames[round % Self.frames.count]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                guard let i = frame.indices.randomElement(using: &random) else { break }
                switch UInt8.random(in: 0..<4, using: &random) {
                case 0: frame[i] = .random(in: 0...255, using: &random)
                case 1: frame[i] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: frame.removeSubrange(i..<min(i + 3, frame.count))
                default: frame.insert(.random(in: 0...255, using: &random), at: i)
                }
            }
            if round.isMultiple(of: 7) { type = LinkType.allCases.randomElement(using: &random) ?? type }
            if use(frame, type, length: Int.random(in: 0...200, using: &random)) > 0 { shown += 1 }
        }
        #expect(shown > 10_000, "mutations must reach beyond the headers: \(shown)")
    }

    /// A packet of the largest size, full of the smallest things that can go wrong.
    @Test func manyProblemsAreBoundedByThePacket() throws {
        var gre: [UInt8] = [0x20, 0, 0xB7, 0xEA, 0, 0, 0, 0, 0x61]
        while gre.count < 65_000 { gre += [200, 0, 0] }
        let packet = try #require(control(Build.ipv4(gre)))
        #expect(packet.problems.count == packet.message.attributes.count)
        #expect(use(Build.ipv4(gre), .rawIP, length: 65_100) < 8_000_000)
    }

    @Test func timesOfADamagedFile() {
        func time(_ seconds: Int64, _ nanoseconds: Int64) -> String {
            CaptureContext(number: 1, seconds: seconds, nanoseconds: nanoseconds, captured: 0, length: 0).time
        }
        #expect(time(.max, .max) == "9999-12-31T23:59:59.999999999Z")
        #expect(time(.min, .min) == "1970-01-01T00:00:00.000000000Z")
        #expect(time(951_782_400, 7) == "2000-02-29T00:00:00.000000007Z")
    }
}
