import TestSupport
import Testing

@testable import GREBonding

/// Seeded, so that what fails once fails always. A trap ends the test run, which is the point.
@Suite struct FuzzTests {
    private static let seeds: [([UInt8], Dialect)] =
        DeployedSession.messages.map { ($0.bytes, .deployed) }
        + Dialect.allCases.flatMap { dialect in Sample.messages.map { ($0.serialized(dialect: dialect), dialect) } }

    /// Nothing traps, and what is accepted survives serializing.
    private func check(_ bytes: [UInt8], _ dialect: Dialect, accepted: inout Int) {
        inspect(bytes)
        guard let message = try? ControlMessage(parsing: bytes, dialect: dialect) else { return }
        accepted += 1
        let again = message.serialized(dialect: dialect)
        if (try? ControlMessage(parsing: again, dialect: dialect)) != message {
            Issue.record("not the same after serializing: \(bytes.hex)")
        }
        if again.dropFirst(4) != bytes.dropFirst(4), again.dropFirst(4).dropLast(3) != bytes.dropFirst(4) {
            Issue.record("other bytes: \(bytes.hex) \(again.hex)")
        }
        var assembler = FilterListAssembler(limits: .init(packages: 8, items: 64, bytes: 4096))
        for attribute in message.attributes {
            if attribute.clamped.clamped != attribute.clamped { Issue.record("clamps twice: \(attribute)") }
        }
        for package in message.filterListPackages {
            _ = assembler.acknowledgement(of: package, outcome: assembler.receive(package))
            for item in package.items { _ = try? FilterRule(item) }
        }
    }

    /// An inspection finds first what a session would find, and nothing where a session finds nothing.
    private func inspect(_ bytes: [UInt8]) {
        guard let dialect = ControlMessage.dialect(of: bytes) else {
            if MessageInspection(bytes) != nil { Issue.record("not a control message: \(bytes.hex)") }
            return
        }
        guard let inspection = MessageInspection(bytes) else {
            Issue.record("not inspected: \(bytes.hex)")
            return
        }
        do throws(WireError) {
            let message = try ControlMessage(parsing: bytes, dialect: dialect)
            if !inspection.faults.isEmpty || !inspection.remainder.isEmpty || inspection.key != message.key
                || inspection.messageType != message.type.rawValue
                || inspection.tunnelType != dialect.tunnelType(of: message.leg)
                || inspection.attributes.map(\.attribute) != message.attributes
                || inspection.attributes.contains(where: { bytes[$0.offset] != $0.attribute.type })
            {
                Issue.record("seen otherwise: \(bytes.hex)")
            }
        } catch {
            if inspection.faults.first != error { Issue.record("not \(error): \(bytes.hex)") }
        }
    }

    @Test func mutatedMessages() {
        var random = SplitMix(state: 8157)
        var accepted = 0
        for round in 0..<150_000 {
            var (bytes, dialect) = Self.seeds[round % Self.seeds.count]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                switch UInt8.random(in: 0..<6, using: &random) {
                case 0:
                    if let i = bytes.indices.randomElement(using: &random) {
                        bytes[i] = .random(in: 0...255, using: &random)
                    }
                case 1:
                    if let i = bytes.indices.randomElement(using: &random) {
                        bytes[i] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                    }
                case 2: bytes.removeLast(Int.random(in: 0...min(8, bytes.count), using: &random))
                case 3:
                    if let i = bytes.indices.randomElement(using: &random) { bytes.remove(at: i) }
                case 4:
                    bytes.insert(.random(in: 0...255, using: &random), at: .random(in: 0...bytes.count, using: &random))
                default:
                    let (other, _) = Self.seeds[Int.random(in: 0..<Self.seeds.count, using: &random)]
                    bytes += other.dropFirst(9)
                }
            }
            check(bytes, dialect, accepted: &accepted)
        }
        #expect(accepted > 15_000, "the fuzzer must reach beyond the header: \(accepted)")
    }

    @Test func randomAttributesBehindAGoodHeader() {
        var random = SplitMix(state: 2890)
        var accepted = 0
        for _ in 0..<100_000 {
            var bytes = [UInt8](hex: "2000b7ea0000000061")
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let type = UInt8.random(in: 0...40, using: &random)
                let usual = AttributeType(rawValue: type)?.lengths.lowerBound ?? 3
                let length = Bool.random(using: &random) ? usual : Int.random(in: 0...48, using: &random)
                bytes += [type, 0, UInt8(length)]
                for _ in 0..<length {
                    bytes.append(.random(in: 0...255, using: &random) & .random(in: 0...255, using: &random))
                }
            }
            check(bytes, .rfc8157, accepted: &accepted)
        }
        #expect(accepted > 15_000)
    }

    @Test func filterValues() {
        let alphabet = Array("0123456789abcdefF.:-[]/ gz*\u{FF}".utf8)
        var random = SplitMix(state: 4291)
        var accepted = 0
        for round in 0..<60_000 {
            var value = Sample.filterItems[round % Sample.filterItems.count].value
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                let index = Int.random(in: 0...value.count, using: &random)
                if index < value.count, Bool.random(using: &random) {
                    value[index] = byte
                } else {
                    value.insert(byte, at: index)
                }
            }
            let item = FilterItem(type: .random(in: 0...15, using: &random), descriptionBytes: [], value: value)
            if (try? FilterRule(item)) != nil { accepted += 1 }
        }
        #expect(accepted > 1000)
    }

    @Test func randomBytes() {
        var random = SplitMix(state: 2784)
        for _ in 0..<50_000 {
            let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if let header = try? GREHeader(parsing: bytes) {
                #expect(header.headerLength <= bytes.count)
                #expect(header.serialized().count == header.headerLength)
            }
            _ = try? ControlMessage(parsing: bytes, dialect: .deployed)
        }
    }
}
